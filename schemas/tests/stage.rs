//! Which message is believed on which subject.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its case fails"
)]

mod draw;

use std::collections::BTreeMap;

use aegis_schemas::pipeline::Origin;
use aegis_schemas::signal::Genesis;
use aegis_schemas::{
    Cluster, CommandBody, Entity, EntityKind, Event, Kind, Misplaced, Name, Signal, SignalBody,
    Timestamp, placed,
};
use draw::Draw;

fn cluster() -> Cluster {
    Cluster::parse("demo").unwrap()
}

fn signal(body: SignalBody) -> Event {
    let name = Name::parse("demo").unwrap();
    Event::Signal(Signal {
        entity: Entity::cluster_scoped(cluster(), EntityKind::Cluster, name),
        observed: Timestamp::EPOCH,
        source: "test".to_owned(),
        body,
    })
}

fn heartbeat() -> Event {
    let plain = serde_json::json!({"clock": Timestamp::EPOCH, "sources": {}});
    signal(SignalBody::Heartbeat(
        serde_json::from_value(plain).unwrap(),
    ))
}

fn genesis() -> Event {
    signal(SignalBody::Genesis(Genesis {
        epoch: 1,
        clusters: BTreeMap::new(),
    }))
}

fn kill_switch() -> Event {
    let mut drawn = Draw(&[]).event(Kind::Command);
    let Event::Command(command) = &mut drawn else {
        panic!("a command was drawn")
    };
    command.body = CommandBody::KillSwitch { cluster: cluster() };
    drawn
}

/// Each subject's stage and kind tokens, and the names of the messages that are believed there.
const PLACES: [(&str, &[&str]); 14] = [
    ("metric.0", &["metric", "heartbeat"]),
    ("signal.heartbeat", &["heartbeat"]),
    ("signal.genesis", &["genesis"]),
    ("anomaly.demo", &["anomaly"]),
    ("incident.demo", &["incident"]),
    ("assessment.verified", &["assessment"]),
    ("decision.allow", &["warrant"]),
    ("decision.deny", &["decision"]),
    ("action.applied", &["outcome"]),
    ("command.kill_switch", &["kill switch"]),
    ("command.activate", &[]),
    ("access.forbidden", &["access"]),
    ("intake.outside", &["metric", "heartbeat", "genesis"]),
    ("dlq.ingest", &["dead letter"]),
];

#[test]
fn a_message_is_believed_on_the_subjects_of_its_kind_alone() {
    let drawn = |kind| Draw(&[]).event(kind);
    let messages = [
        ("metric", drawn(Kind::Metric)),
        ("heartbeat", heartbeat()),
        ("genesis", genesis()),
        ("anomaly", drawn(Kind::Anomaly)),
        ("incident", drawn(Kind::Incident)),
        ("assessment", drawn(Kind::Assessment)),
        ("warrant", drawn(Kind::Warrant)),
        ("decision", drawn(Kind::Decision)),
        ("outcome", drawn(Kind::Outcome)),
        ("kill switch", kill_switch()),
        ("access", drawn(Kind::Access)),
        ("dead letter", drawn(Kind::DeadLetter)),
    ];
    for (place, believed) in PLACES {
        let subject = format!("aegis.v1.{place}.demo.shop.cart");
        for (name, message) in &messages {
            let fits = placed(&subject, None, message).is_ok();
            assert_eq!(fits, believed.contains(name), "{name} on {subject}");
        }
    }
    let foreign = ["aegis.v2.metric.0", "metric.0", "aegis.v1", "$KV.x.metric"];
    for (subject, (_, message)) in foreign.iter().zip(&messages) {
        assert!(placed(subject, None, message).is_err(), "{subject}");
    }
}

#[test]
fn a_core_speaks_for_itself_alone() {
    let rows = [
        ("anomaly.demo", Kind::Anomaly, "scorer/"),
        ("incident.demo", Kind::Incident, "incidents/"),
        ("assessment.verified", Kind::Assessment, "incidents/"),
        ("decision.allow", Kind::Warrant, "policy/"),
        ("decision.deny", Kind::Decision, "policy/"),
        ("action.applied", Kind::Outcome, "nobody/"),
        ("access.granted", Kind::Access, "nobody/"),
        ("metric.0", Kind::Metric, "nobody/"),
    ];
    for (place, kind, owner) in rows {
        let subject = format!("aegis.v1.{place}.demo.shop.cart");
        let event = Draw(&[]).event(kind);
        for core in ["scorer/", "incidents/", "policy/", "executor"] {
            let origin = Origin {
                producer: format!("{core}demo"),
                epoch: None,
                cause_seq: u64::MAX,
                ordinal: 0,
            };
            let result = placed(&subject, Some(&origin), &event);
            match result {
                Ok(()) => assert_eq!(core, owner, "{subject}"),
                Err(Misplaced::Origin { .. }) => assert_ne!(core, owner, "{subject}"),
                Err(other) => panic!("{other}"),
            }
        }
    }
}
