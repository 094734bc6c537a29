//! What a model that learnt from incidents adds to the rules: a name where they have none or doubt theirs,
//! and never an act.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its case fails"
)]

use std::time::Duration;

use aegis_detector::diagnosis::{Labelled, Model};
use aegis_detector::forest::Settings;
use aegis_detector::incidents::{Config, Core};
use aegis_schemas::pipeline::{Core as _, Input};
use aegis_schemas::signal::{PodState, WorkloadState};
use aegis_schemas::{
    Actor, Anomaly, AnomalyPhase, Blame, Cluster, Command, CommandBody, ConfigurationKind, Digest,
    Entity, EntityKind, EpisodeId, Event, EventId, FailureKind, Incident, Name, Namespace, Signal,
    SignalBody, Timestamp,
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

fn anomaly(entity: &Entity, features: &[Blame]) -> Event {
    Event::Anomaly(Anomaly {
        episode: EpisodeId::default(),
        entity: entity.clone(),
        phase: AnomalyPhase::Grew,
        since: Timestamp::from_millis(START),
        newest: Timestamp::from_millis(START),
        score: 6.0,
        threshold: 4.0,
        blame: features.to_vec(),
    })
}

fn activate(model: &str, digest: Digest) -> Event {
    Event::Command(Command {
        actor: Actor {
            name: "provision".to_owned(),
            roles: ["admin".to_owned()].into(),
        },
        reason: String::new(),
        body: CommandBody::Activate {
            what: ConfigurationKind::Model,
            digest,
            content: model.to_owned(),
        },
    })
}

/// A core with that model, and what it said last of an incident of `cart`: two of three pods crash if
/// `crashes`, and the features are off as said.
fn seen(model: Option<&str>, crashes: bool, features: &[Blame]) -> (Core, Vec<u8>, Incident) {
    let config = Config {
        open_after_s: 5,
        ..Config::default()
    };
    let core = Core::new(Cluster::parse("demo").unwrap(), config);
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
    let model = model.unwrap_or_default();
    say(activate(model, Digest::of(model.as_bytes())));
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
        say(anomaly(&cart, features));
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
fn learnt() -> String {
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
    model.to_text().unwrap()
}

#[test]
fn a_model_names_what_the_rules_only_describe_and_recommends_nothing() {
    let (_, _, by_rules) = seen(None, false, &slow(5.0));
    assert_eq!(by_rules.kind, FailureKind::Latency);
    let learnt = learnt();
    let (_, bytes, named) = seen(Some(&learnt), false, &slow(5.0));
    assert_eq!(named.kind, FailureKind::NetworkLoss);
    assert!(named.confidence > by_rules.confidence, "{named:?}");
    let model = format!("sha256:{}", Digest::of(learnt.as_bytes()));
    let because = named.causes[0].because.join(" ");
    assert!(
        because.contains(&model) && because.contains("latency"),
        "{because}"
    );
    assert_eq!(named.causes[0].entity, by_rules.causes[0].entity);
    assert_eq!(named.recommendations, []);
    let (_, again, _) = seen(Some(&learnt), false, &slow(5.0));
    assert!(bytes == again, "the same model says the same bytes");
}

#[test]
fn where_the_rules_recommend_an_act_or_are_sure_no_model_is_heard() {
    for (crashes, features) in [
        (true, slow(5.0)),
        (false, vec![blame("packet_loss", 0.2, 0.0)]),
    ] {
        let (_, by_rules, incident) = seen(None, crashes, &features);
        let (_, with_model, _) = seen(Some(&learnt()), crashes, &features);
        assert!(by_rules == with_model, "{incident:?}");
        let acts = !incident.recommendations.is_empty();
        assert!(
            acts == crashes && (acts || incident.confidence >= 700),
            "{incident:?}"
        );
    }
}

#[test]
fn a_model_holds_until_another_readable_one_or_none_is_activated_and_survives_a_restart() {
    let features = slow(5.0);
    let learnt = learnt();
    let (mut core, ..) = seen(Some(&learnt), false, &features);
    let say = |core: &mut Core, seq: u64, event: Event| {
        core.handle(&Input {
            epoch: 1,
            seq,
            time: Timestamp::from_millis(START) + Duration::from_secs(seq),
            id: EventId::derive("test", EventId::default(), 1_000),
            cause: None,
            origin: None,
            event,
        });
    };
    say(
        &mut core,
        900,
        activate("no model", Digest::of(b"no model")),
    );
    say(&mut core, 901, activate(&learnt, Digest::of(b"another")));
    assert_eq!(core.stats().invalid_configurations, 2);
    let cart = entity(EntityKind::Deployment, "cart");
    let named = |core: &Core| {
        let mut core = core.clone();
        say(&mut core, 1_000, anomaly(&cart, &features));
        core.open().next().unwrap().kind
    };
    assert_eq!(named(&core), FailureKind::NetworkLoss);
    let mut restored = Core::new(Cluster::parse("demo").unwrap(), Config::default());
    restored.restore(core.state());
    assert_eq!(named(&restored), FailureKind::NetworkLoss);
    say(&mut restored, 950, activate("", Digest::of(b"")));
    assert_ne!(named(&restored), FailureKind::NetworkLoss);
}
