use std::collections::BTreeMap;

use super::robust::{median, spread};
use super::{Answer, Case, Labelled, Model, Symptom, UNKNOWN, Usual, causes};
use crate::forest::{Dice, Settings};

const SETTINGS: Settings = Settings { trees: 80, seed: 1 };
const KINDS: [(&str, &str); 3] = [("hot", "cpu"), ("leak", "memory"), ("slow", "disk_wait")];

/// An hour of samples, a minute apart, four of them after the detection.
struct Place {
    case: Case,
    dice: Dice,
}

impl Place {
    fn new(seed: u64) -> Self {
        let case = Case {
            detected_at: 3_600,
            ..Case::default()
        };
        Self {
            case,
            dice: Dice::new(seed, 0),
        }
    }

    /// A series around `level` that rises by the factor `by` with the failure.
    fn with(mut self, entity: &str, metric: &str, level: f64, by: f64) -> Self {
        let mut series = Vec::new();
        for minute in 0..64 {
            let noise = 1.0 + (self.dice.below(1_000) as f64 - 500.0) / 10_000.0;
            let factor = if minute < 60 { 1.0 } else { by };
            series.push((minute * 60, level * noise * factor));
        }
        let metrics = self.case.entities.entry(entity.to_owned()).or_default();
        metrics.insert(metric.to_owned(), series);
        self
    }

    fn calls(mut self, pairs: &[(&str, &str)]) -> Self {
        let owned = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
        self.case.calls = pairs.iter().map(owned).collect();
        self
    }

    fn noticed(mut self, entity: &str, metric: &str) -> Case {
        self.case.symptom = Some(Symptom {
            entity: entity.to_owned(),
            metric: metric.to_owned(),
        });
        self.case
    }
}

fn first(case: &Case) -> String {
    causes(case)[0].entity.clone()
}

/// Five entities of which one fails in the way of its kind; all wait a little longer.
fn incident(seed: u64, kind: &str, metric: &str) -> Labelled {
    let mut place = Place::new(seed);
    let root = format!("e{}", place.dice.below(5));
    for entity in ["e0", "e1", "e2", "e3", "e4"] {
        let by = if entity == root { 1.8 } else { 1.0 };
        for (_, other) in KINDS {
            place = place.with(entity, other, 10.0, if other == metric { by } else { 1.0 });
        }
        place = place.with(entity, "latency", 0.1, 1.3);
    }
    Labelled {
        case: place.case,
        kind: kind.to_owned(),
        root,
    }
}

fn known() -> Vec<Labelled> {
    let seeds = (0..12).flat_map(|seed| KINDS.map(|(kind, metric)| (seed, kind, metric)));
    seeds
        .map(|(seed, kind, metric)| incident(seed, kind, metric))
        .collect()
}

#[test]
fn what_works_too_hard_is_suspected_before_those_that_wait_for_it() {
    let case = Place::new(1)
        .with("caller", "latency", 0.2, 6.0)
        .with("callee", "cpu_usage", 0.3, 6.0)
        .with("other", "memory", 100.0, 1.0);
    let ranking = causes(&case.case);
    let names: Vec<&str> = ranking.iter().map(|cause| cause.entity.as_str()).collect();
    assert_eq!(names, ["callee", "caller", "other"]);
    assert!(
        ranking
            .windows(2)
            .all(|pair| pair[0].score >= pair[1].score)
    );
}

#[test]
fn the_last_of_a_chain_of_waiting_entities_is_the_cause_even_if_others_are_odder() {
    let case = Place::new(2)
        .with("shop", "latency", 0.1, 40.0)
        .with("cart", "latency", 0.5, 8.8)
        .with("store", "latency", 0.5, 8.6)
        .with("mail", "latency", 0.1, 1.0)
        .calls(&[("shop", "cart"), ("cart", "store"), ("shop", "mail")])
        .noticed("shop", "latency");
    assert_eq!(first(&case), "store");
}

#[test]
fn a_callers_view_of_a_service_is_behind_the_service_and_what_few_requests_reach_is_no_suspect() {
    let case = Place::new(3)
        .with("shop", "latency", 0.1, 10.0)
        .with("shop", "requests", 100.0, 1.0)
        .with("balancer", "latency", 0.1, 12.0)
        .with("balancer", "requests", 100.0, 1.0)
        .with("search", "latency", 0.1, 10.0)
        .with("search", "requests", 100.0, 1.0)
        .with("nightly", "latency", 0.1, 90.0)
        .with("nightly", "requests", 0.1, 1.0)
        .calls(&[
            ("shop", "balancer"),
            ("shop", "search"),
            ("search", "table"),
            ("nightly", "table"),
        ])
        .noticed("shop", "latency");
    let order: Vec<String> = causes(&case)
        .into_iter()
        .map(|cause| cause.entity)
        .collect();
    assert_eq!(order, ["search", "balancer", "shop", "nightly"]);
}

#[test]
fn a_fall_of_availability_is_worse_and_a_rise_is_not() {
    let case = Place::new(4)
        .with("front", "availability", 100.0, 0.8)
        .with("back", "availability", 100.0, 0.8)
        .with("side", "availability", 90.0, 1.3)
        .calls(&[("front", "back"), ("front", "side"), ("side", "back")])
        .noticed("front", "availability");
    assert_eq!(first(&case), "back");
}

#[test]
fn a_symptom_that_only_its_entity_is_measured_in_is_not_traced() {
    let case = Place::new(5)
        .with("front", "call_latency.back", 0.1, 3.0)
        .with("back", "cpu", 0.2, 5.0)
        .calls(&[("front", "back")])
        .noticed("front", "call_latency.back");
    assert_eq!(first(&case), "back");
}

#[test]
fn a_model_names_kinds_and_causes_of_incidents_that_it_has_not_seen() {
    let model = Model::learn(&known(), SETTINGS).expect("incidents");
    for (kind, metric) in KINDS {
        for seed in 100..105 {
            let new = incident(seed, kind, metric);
            let answer = model.answer(&new.case);
            assert_eq!(
                (answer.kind.as_str(), &answer.ranking[0].entity),
                (kind, &new.root)
            );
            assert!(answer.confidence > 0.8, "{}", answer.confidence);
        }
    }
    assert!(model.quality().macro_f1 > 0.9, "{:?}", model.quality());
    assert!(
        model.quality().cause_by_forest > 0.9,
        "{:?}",
        model.quality()
    );
}

#[test]
fn what_looks_like_no_kind_is_unknown() {
    let model = Model::learn(&known(), SETTINGS).expect("incidents");
    let calm = incident(200, "none", "nothing").case;
    assert_eq!(model.answer(&calm).kind, UNKNOWN);
    assert_eq!(Answer::by_rules(&calm).kind, UNKNOWN);
}

#[test]
fn what_does_more_than_its_kind_ever_did_is_unknown() {
    let known = || {
        known().into_iter().zip(0..).map(|(mut known, seed)| {
            let place = Place {
                case: known.case,
                dice: Dice::new(seed, 1),
            };
            known.case = place.with(&known.root, "replicas", 10.0, 1.0).case;
            known
        })
    };
    let model = Model::learn(&known().collect::<Vec<_>>(), SETTINGS).expect("incidents");
    for new in known().map(|known| (known.kind, known.case, known.root)) {
        let (kind, case, root) = new;
        assert_eq!(model.kind(&case).0, kind);
        let place = Place {
            case,
            dice: Dice::new(1, 2),
        };
        let fewer = place.with(&root, "replicas", 10.0, 0.4).case;
        assert_eq!(model.kind(&fewer).0, UNKNOWN);
    }
}

#[test]
fn names_of_entities_mean_nothing() {
    let model = Model::learn(&known(), SETTINGS).expect("incidents");
    let one = incident(300, "leak", "memory");
    let new_name = |name: &str| format!("x{}", 9 - name[1..].parse::<u8>().expect("a digit"));
    let mut renamed = one.case.clone();
    let entities = one.case.entities.iter();
    renamed.entities = entities
        .map(|(name, series)| (new_name(name), series.clone()))
        .collect();
    let (before, after) = (model.answer(&one.case), model.answer(&renamed));
    assert_eq!(before.kind, after.kind);
    assert!((before.confidence - after.confidence).abs() < 1e-12);
    let scores = |answer: &Answer, name: &dyn Fn(&str) -> String| -> BTreeMap<String, f64> {
        answer
            .ranking
            .iter()
            .map(|cause| (name(&cause.entity), cause.score))
            .collect()
    };
    assert_eq!(scores(&before, &new_name), scores(&after, &str::to_owned));
}

#[test]
fn a_metric_about_a_peer_means_the_same_whatever_the_peer_is_called() {
    let incident = |seed: u64, peer: &str, kind: &str, by: f64| {
        let metric = format!("call_latency.{peer}");
        let place = Place::new(seed).with(peer, "cpu", 1.0, 1.0);
        let place = place
            .with("root", &metric, 0.1, by)
            .with("root", "cpu", 1.0, 2.0);
        Labelled {
            case: place.case,
            kind: kind.to_owned(),
            root: "root".to_owned(),
        }
    };
    let peers = ["a", "b", "c", "d", "e", "f"];
    let known = (0..24).map(|seed| {
        let (kind, by) = [("hot", 1.0), ("waiting", 4.0)][seed % 2];
        incident(seed as u64, peers[seed % peers.len()], kind, by)
    });
    let model = Model::learn(&known.collect::<Vec<_>>(), SETTINGS).expect("incidents");
    for (kind, by) in [("hot", 1.0), ("waiting", 4.0)] {
        assert_eq!(model.answer(&incident(90, "new", kind, by).case).kind, kind);
    }
}

#[test]
fn the_same_incidents_make_the_same_model_and_none_makes_none() {
    assert_eq!(
        Model::learn(&known(), SETTINGS),
        Model::learn(&known(), SETTINGS)
    );
    assert_eq!(Model::learn(&[], SETTINGS), None);
    let mut lost = incident(1, "hot", "cpu");
    lost.root = "somebody".to_owned();
    assert_eq!(Model::learn(&[lost], SETTINGS), None);
}

#[test]
fn short_and_empty_series_say_nothing_and_break_nothing() {
    let mut case = incident(400, "hot", "cpu").case;
    case.entities.insert(
        "new".to_owned(),
        BTreeMap::from([("cpu".to_owned(), vec![(3_700, 9.0)])]),
    );
    case.entities.insert(
        "gone".to_owned(),
        BTreeMap::from([("cpu".to_owned(), vec![(0, 9.0)])]),
    );
    case.entities.insert("bare".to_owned(), BTreeMap::new());
    let model = Model::learn(&known(), SETTINGS).expect("incidents");
    for answer in [model.answer(&case), Answer::by_rules(&case)] {
        assert_eq!(answer.ranking.len(), 8);
        assert!(answer.ranking.iter().all(|cause| cause.score.is_finite()));
    }
}

#[test]
fn what_is_only_summarised_moves_as_far_as_it_says() {
    let mut case = Case {
        detected_at: 1_000,
        ..Case::default()
    };
    let usual = Usual {
        level: 0.2,
        scale: 0.05,
    };
    case.note("cart", "cpu", usual, 0.7);
    let (before, since) = case.parted(&case.entities["cart"]["cpu"]);
    assert!((median(&before) - usual.level).abs() < 1e-12);
    assert!((spread(&before) - usual.scale).abs() < 1e-12);
    assert_eq!(since, [0.7]);
    let times = case.entities["cart"]["cpu"].iter().map(|(at, _)| *at);
    assert!(times.is_sorted_by(|a, b| a < b));
}
