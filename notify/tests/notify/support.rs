//! What the tests share: the events of an incident, and what is known after some of them.

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use aegis_notify::case::Case;
use aegis_notify::channel::Channel;
use aegis_notify::flapping::Unrest;
use aegis_notify::notice::Notice;
use aegis_notify::{Alertmanager, PagerDuty, Receiver, Slack, Webhook};
use aegis_schemas::{
    Action, ActionKind, Actor, Assessment, AssessmentVerdict, Cause, CauseKind, Cluster, Decision,
    DecisionId, Digest, Entity, EntityKind, Event, EventId, FailureKind, Incident, IncidentId,
    IncidentPhase, Name, Namespace, Outcome, OutcomePhase, Proposal, Reason, Severity, Target,
    Timestamp, Verdict,
};

/// The dashboard that links lead to.
pub(crate) const DASHBOARD: &str = "https://aegis.example";

/// That many seconds after the incident began.
pub(crate) fn at(seconds: i64) -> Timestamp {
    // 2026-03-01T12:00:00Z
    Timestamp::from_millis((1_772_366_400 + seconds) * 1_000)
}

pub(crate) fn incident_id() -> IncidentId {
    IncidentId(EventId::of_content("test", b"incident"))
}

pub(crate) fn cart() -> Entity {
    entity(EntityKind::Deployment, "cart")
}

pub(crate) fn entity(kind: EntityKind, name: &str) -> Entity {
    Entity::namespaced(
        Cluster::parse("demo").unwrap(),
        Namespace::parse("shop").unwrap(),
        kind,
        Name::parse(name).unwrap(),
    )
}

fn target() -> Target {
    Target {
        entity: cart(),
        workload: cart(),
        gvk: "apps/v1/Deployment".to_owned(),
        uid: "uid".to_owned(),
        generation: 3,
    }
}

pub(crate) fn incident(phase: IncidentPhase, severity: Severity) -> Event {
    let because = vec!["revision 7 came 2 min before".to_owned()];
    Event::Incident(Incident {
        incident: incident_id(),
        phase,
        entity: cart(),
        severity,
        kind: FailureKind::CrashLoop,
        confidence: 910,
        opened: at(0),
        newest_evidence: at(0),
        affected: vec![cart(), entity(EntityKind::Deployment, "front")],
        evidence: Vec::new(),
        causes: vec![Cause {
            entity: cart(),
            kind: CauseKind::RecentChange,
            confidence: 874,
            because,
        }],
        recommendations: Vec::new(),
        summary: "3 of 3 pods of cart end again & again <exit 1>".to_owned(),
        grouped: Vec::new(),
        own_severity: None,
    })
}

pub(crate) fn opened() -> Event {
    incident(IncidentPhase::Opened, Severity::Error)
}

pub(crate) fn resolved() -> Event {
    incident(IncidentPhase::Resolved, Severity::Error)
}

pub(crate) fn decision(verdict: Verdict, expires: Timestamp) -> Event {
    let digest = Digest::of(b"proposal");
    Event::Decision(Decision {
        decision: DecisionId(EventId::of_content("test", verdict.as_str().as_bytes())),
        verdict,
        cause: EventId::of_content("test", b"cause"),
        incident: Some(incident_id()),
        actor: Actor {
            name: "aegis".to_owned(),
            roles: ["service".to_owned()].into(),
        },
        action: Some(ActionKind::RolloutRestart),
        proposal: Some(Proposal {
            digest,
            action: Action::RolloutRestart,
            target: target(),
            expires,
        }),
        reasons: vec![Reason {
            policy: "approve-in-production".to_owned(),
            text: "acts in shop need a yes".to_owned(),
        }],
        flip: None,
        would_allow: false,
        policy: Digest::of(b"policy"),
        standing: None,
    })
}

pub(crate) fn outcome(phase: OutcomePhase) -> Event {
    Event::Outcome(Outcome {
        decision: act_id(),
        incident: Some(incident_id()),
        phase,
        code: None,
        message: "the API server was away".to_owned(),
        action: Some(Action::RolloutRestart),
        target: Some(target()),
        pre_image: None,
        generation: 4,
        resource_version: "9".to_owned(),
        fence: 1,
        stream_seq: 3,
        envelope: Digest::of(b"envelope"),
    })
}

pub(crate) fn assessment(verdict: AssessmentVerdict) -> Event {
    Event::Assessment(Assessment {
        decision: act_id(),
        incident: Some(incident_id()),
        action: ActionKind::RolloutRestart,
        target: target(),
        verdict,
        checks: Vec::new(),
        after_ms: 45_000,
    })
}

fn act_id() -> DecisionId {
    DecisionId(EventId::of_content("test", b"act"))
}

/// What is known after those events, the first at sequence and second 1.
pub(crate) fn case(events: &[Event]) -> Case {
    let mut case = Case::default();
    for (seq, event) in (1..).zip(events) {
        case.take(seq, at(i64::try_from(seq).unwrap()), event);
    }
    case
}

/// What people are told of a case that does not flap.
pub(crate) fn notice(case: &Case, now: Timestamp) -> Notice {
    let key = incident_id().to_string();
    Notice::of_case(&key, case, Unrest::None, now, Some(DASHBOARD)).unwrap()
}

/// A file that only its owner may read.
pub(crate) fn secret(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    use std::io::Write;
    let path = folder.join(name);
    let mut options = std::fs::OpenOptions::new();
    let file = options.create(true).truncate(true).write(true).mode(0o600);
    file.open(&path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    path
}

/// A receiver of each kind by its name, all at `base`, with their secrets in `folder`.
pub(crate) fn receivers(folder: &Path, base: &str) -> Vec<(&'static str, Receiver)> {
    let slack = Slack {
        token_file: secret(folder, "slack", "xoxb-token\n"),
        channel: "C0123456789".to_owned(),
        api_url: format!("{base}/slack/"),
    };
    let pagerduty = PagerDuty {
        routing_key_file: secret(folder, "pagerduty", "0123456789abcdef0123456789abcdef"),
        api_url: format!("{base}/pagerduty"),
    };
    let alertmanager = Alertmanager {
        url: format!("{base}/alertmanager"),
        bearer_token_file: Some(secret(folder, "alertmanager", "bearer")),
    };
    let webhook = Webhook {
        url: format!("{base}/webhook"),
        // The key of the examples in the specification's libraries.
        secret_file: secret(folder, "webhook", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    };
    vec![
        ("slack", Receiver::Slack(slack)),
        ("pagerduty", Receiver::PagerDuty(pagerduty)),
        ("alertmanager", Receiver::Alertmanager(alertmanager)),
        ("webhook", Receiver::Webhook(webhook)),
    ]
}

/// As [`receivers`], opened.
pub(crate) fn channel(kind: &str) -> Channel {
    let folder = tempfile::tempdir().unwrap();
    let receivers = receivers(folder.path(), "https://receiver.example");
    let found = receivers.iter().find(|(name, _)| *name == kind).unwrap();
    Channel::open(kind, &found.1).unwrap()
}
