//! What a model that learnt from incidents adds to the rules: a name where they have none or doubt theirs,
//! and never an act.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its case fails"
)]

use std::time::Duration;

use aegis_detector::diagnosis::{Labelled, Model};
use aegis_detector::forest::Settings;
use aegis_detector::incidents::{Config, Core, Learnt};
use aegis_schemas::pipeline::{Core as _, Input};
use aegis_schemas::signal::{PodState, WorkloadState};
use aegis_schemas::{
    Anomaly, AnomalyPhase, Blame, Cluster, Digest, Entity, EntityKind, EpisodeId, Event, EventId,
    FailureKind, Incident, Name, Namespace, Signal, SignalBody, Timestamp,
};

const START: i64 = 1_700_000_000_000;

fn entity(kind: EntityKind, name: &str) -> Entity {
    Entity::namespaced(
        Cluster::parse("demo").unwrap(),
        Namespace::parse("shop").unwrap(),
        kind,
        Name::parse(name).unwrap(),
    )
}

fn blame(feature: &str, value: f64, expected: f64) -> Blame {
    Blame {
        feature: feature.to_owned(),
        pod: None,
        value,
        expected,
        deviation: 20.0 * (value - expected).signum(),
        forecast: None,
    }
}

/// A core with that model, and what it said last of an incident of `cart`: two of three pods crash if
/// `crashes`, and the features are off as said.
fn seen(learnt: Option<Learnt>, crashes: bool, features: &[Blame]) -> (Core, Vec<u8>, Incident) {
    let config = Config {
        open_after_s: 5,
        ..Config::default()
    };
    let core = Core::new(Cluster::parse("demo").unwrap(), config).with_model(learnt);
    let mut log = (core, 0_u32, Vec::new());
    let mut say = |event: Event| {
        log.1 += 1;
        let input = Input {
            epoch: 1,
            seq: log.1.into(),
            time: Timestamp::from_millis(START) + Duration::from_secs(log.1.into()),
            id: EventId::derive("test", EventId::default(), log.1),
            cause: None,
            origin: None,
            event,
        };
        log.2.extend(log.0.handle(&input));
    };
    let signal = |entity: Entity, body| {
        let (observed, source) = (Timestamp::from_millis(START), "kubernetes".to_owned());
        Event::Signal(Signal {
            entity,
            observed,
            source,
            body,
        })
    };
    let cart = entity(EntityKind::Deployment, "cart");
    let state = WorkloadState {
        replicas: 3,
        ready: 3,
        ..WorkloadState::default()
    };
    say(signal(cart.clone(), SignalBody::Workload(state)));
    for number in 0..3 {
        let waits = crashes && number < 2;
        let state = PodState {
            workload: Some(cart.clone()),
            phase: "Running".to_owned(),
            ready: !waits,
            waiting: waits.then(|| "CrashLoopBackOff".to_owned()),
            ..PodState::default()
        };
        let pod = entity(EntityKind::Pod, &format!("cart-{number}"));
        say(signal(pod, SignalBody::Pod(state)));
    }
    for _ in 0..10 {
        say(Event::Anomaly(Anomaly {
            episode: EpisodeId::default(),
            entity: cart.clone(),
            phase: AnomalyPhase::Grew,
            since: Timestamp::from_millis(START),
            newest: Timestamp::from_millis(START),
            score: 6.0,
            threshold: 4.0,
            blame: features.to_vec(),
        }));
    }
    let (core, _, said) = log;
    let last = said.last().unwrap();
    let Event::Incident(incident) = Event::decode(last.kind.as_str(), &last.body).unwrap() else {
        panic!("the last word is about the incident");
    };
    let bytes = said.into_iter().flat_map(|output| output.body).collect();
    (core, bytes, incident)
}

fn slow(factor: f64) -> Vec<Blame> {
    vec![blame("latency_mean", 0.1 * factor, 0.1)]
}

fn slow_and_busy(factor: f64) -> Vec<Blame> {
    vec![
        blame("latency_mean", 0.1 * factor, 0.1),
        blame("cpu_utilisation", 0.7, 0.1),
    ]
}

/// Learnt from what the core itself saw of incidents: slow ones with lost packets, busy ones that lack CPU.
fn learnt() -> Learnt {
    let known: Vec<Labelled> = (0..20)
        .flat_map(|number| {
            let factor = 3.0 + f64::from(number) / 4.0;
            [
                ("network_loss", slow(factor)),
                ("cpu_saturation", slow_and_busy(factor)),
            ]
        })
        .map(|(kind, features)| {
            let (core, ..) = seen(None, false, &features);
            let (_, case) = core.cases().next().unwrap();
            Labelled {
                case,
                kind: kind.to_owned(),
                root: "cart".to_owned(),
            }
        })
        .collect();
    let settings = Settings { trees: 60, seed: 1 };
    let model = Model::learn(&known, settings).unwrap();
    Learnt::new(model, Digest::of(b"a model"))
}

#[test]
fn a_model_names_what_the_rules_only_describe_and_recommends_nothing() {
    let (_, _, by_rules) = seen(None, false, &slow(5.0));
    assert_eq!(by_rules.kind, FailureKind::Latency);
    let (_, bytes, named) = seen(Some(learnt()), false, &slow(5.0));
    assert_eq!(named.kind, FailureKind::NetworkLoss);
    assert!(named.confidence > by_rules.confidence, "{named:?}");
    let model = format!("sha256:{}", Digest::of(b"a model"));
    let because = named.causes[0].because.join(" ");
    assert!(
        because.contains(&model) && because.contains("latency"),
        "{because}"
    );
    assert_eq!(named.causes[0].entity, by_rules.causes[0].entity);
    assert_eq!(named.recommendations, []);
    let (_, again, _) = seen(Some(learnt()), false, &slow(5.0));
    assert!(bytes == again, "the same model says the same bytes");
}

#[test]
fn where_the_rules_recommend_an_act_or_are_sure_no_model_is_heard() {
    for (crashes, features) in [
        (true, slow(5.0)),
        (false, vec![blame("packet_loss", 0.2, 0.0)]),
    ] {
        let (_, by_rules, incident) = seen(None, crashes, &features);
        let (_, with_model, _) = seen(Some(learnt()), crashes, &features);
        assert!(by_rules == with_model, "{incident:?}");
        let acts = !incident.recommendations.is_empty();
        assert!(
            acts == crashes && (acts || incident.confidence >= 700),
            "{incident:?}"
        );
    }
}
