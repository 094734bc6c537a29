//! An outcome as a message.

use aegis_schemas::header::Meta;
use aegis_schemas::{
    Cluster, Entity, EntityKind, EventId, Kind, Name, Outcome, OutcomePhase, Subject, Timestamp,
};

use crate::trial::Received;

/// Where an outcome is published, and its envelope.
///
/// It goes to the place that the decision came to, so that also what nobody can read is told there.
/// What was applied or failed is said once, whoever says it; every refused copy is told by itself.
#[must_use]
pub fn announce(
    cluster: &Cluster,
    received: &Received<'_>,
    cause: Option<EventId>,
    outcome: &Outcome,
    now: Timestamp,
) -> (Subject, Meta) {
    let id = match outcome.phase {
        OutcomePhase::Applied => EventId::derive(SOURCE, outcome.decision.0, 0),
        OutcomePhase::Failed => EventId::derive(SOURCE, outcome.decision.0, 1),
        OutcomePhase::Refused => {
            let place = format!(
                "{}/{}/{}",
                received.seq,
                received.time.as_nanos(),
                outcome.envelope
            );
            EventId::of_content(SOURCE, place.as_bytes())
        }
    };
    let meta = Meta {
        id,
        kind: Kind::Outcome.as_str().to_owned(),
        source: SOURCE.to_owned(),
        time: now,
        cause,
        // Decisions are carried out side by side, so their outcomes have no order of their own.
        origin: None,
        traceparent: None,
    };
    (subject(cluster, received.subject, outcome.phase), meta)
}

/// The producer's name.
const SOURCE: &str = "executor";

fn subject(cluster: &Cluster, decision: &str, phase: OutcomePhase) -> Subject {
    let place = decision.strip_prefix("aegis.v1.decision.allow.");
    let beside = place.and_then(|place| {
        Subject::parse(&format!("aegis.v1.action.{}.{place}", phase.as_str())).ok()
    });
    beside.unwrap_or_else(|| {
        let name = Name::parse(cluster.as_str()).expect("a cluster's name is a name");
        let whole = Entity::cluster_scoped(cluster.clone(), EntityKind::Cluster, name);
        Subject::action(phase.as_str(), &whole)
    })
}
