//! What is on the log before anybody asks.

use std::time::Duration;

use aegis_nats::Bus;
use aegis_schemas::header::Meta;
use aegis_schemas::signal::{PodState, Revision, WorkloadState};
use aegis_schemas::{
    Cause, CauseKind, Entity, Event, EventId, Evidence, EvidenceSource, FailureKind, Incident,
    IncidentId, IncidentPhase, Severity, Signal, SignalBody, Subject, Timestamp,
};
use anyhow::Result;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::local::now;

const CART: &str = "bench/shop/deployment/cart";
/// Pods of the workload that all incidents are about.
const PODS: i32 = 4;

/// Which incident it is.
pub(super) fn incident_id(n: u32) -> IncidentId {
    IncidentId(EventId::of_content("bench/incident", &n.to_be_bytes()))
}

fn incident(id: IncidentId, opened: Timestamp) -> Incident {
    let entity = entity(CART);
    Incident {
        incident: id,
        phase: IncidentPhase::Opened,
        entity: entity.clone(),
        severity: Severity::Error,
        kind: FailureKind::CrashLoop,
        confidence: 900,
        opened,
        newest_evidence: opened,
        affected: vec![entity.clone()],
        evidence: vec![Evidence {
            event: id.0,
            source: EvidenceSource::ObjectState,
            entity: entity.clone(),
            at: opened,
            text: "1 of 4 pods crash in a loop: cart-b497bd454-c7scz".to_owned(),
        }],
        causes: vec![Cause {
            entity,
            kind: CauseKind::ReplicaState,
            confidence: 900,
            because: vec!["its siblings run the same template and are well".to_owned()],
        }],
        recommendations: Vec::new(),
        summary: "crash loop of deployment/cart in one replica only".to_owned(),
        grouped: Vec::new(),
        own_severity: None,
    }
}

/// The incident that listeners wait for.
pub(super) fn awaited() -> Incident {
    incident(IncidentId(EventId::of_content("bench/heard", &[])), now())
}

/// Puts what the incidents are about on the log, as ingest would.
pub(super) async fn store_objects(bus: &Bus) -> Result<()> {
    let begin = now();
    for signal in objects(begin) {
        let subject = Subject::signal(signal.body.token(), &signal.entity);
        let id = EventId::of_content("bench/object", signal.entity.to_string().as_bytes());
        put(bus, &subject, id, begin, &Event::Signal(signal)).await?;
    }
    Ok(())
}

/// Puts incidents on the log, as the detector would.
pub(super) async fn store(bus: &Bus, incidents: u32) -> Result<()> {
    let begin = now();
    stream::iter(0..incidents)
        .map(|n| {
            let opened = begin + Duration::from_millis(u64::from(n));
            publish(bus, incident(incident_id(n), opened))
        })
        .buffer_unordered(64)
        .try_collect()
        .await
}

/// The workload and its pods, one of them sick.
fn objects(at: Timestamp) -> Vec<Signal> {
    let signal = |entity: Entity, body| Signal {
        entity,
        observed: at,
        source: "bench".to_owned(),
        body,
    };
    let pod = |n: i32| {
        let name = format!("bench/shop/pod/cart-b497bd454-{n}");
        let state = PodState {
            workload: Some(entity(CART)),
            ready: n > 0,
            waiting: (n == 0).then(|| "CrashLoopBackOff".to_owned()),
            template_hash: "b497bd454".to_owned(),
            ..PodState::default()
        };
        signal(entity(&name), SignalBody::Pod(state))
    };
    let cart = WorkloadState {
        replicas: PODS,
        ready: PODS - 1,
        updated: PODS,
        revision: 1,
        revisions: vec![Revision {
            number: 1,
            template_hash: "b497bd454".to_owned(),
            ready: PODS - 1,
            ..Revision::default()
        }],
        ..WorkloadState::default()
    };
    let cart = signal(entity(CART), SignalBody::Workload(cart));
    std::iter::once(cart).chain((0..PODS).map(pod)).collect()
}

fn entity(text: &str) -> Entity {
    text.parse().expect("an entity, written here")
}

pub(super) async fn publish(bus: &Bus, incident: Incident) -> Result<()> {
    let subject = Subject::incident(&incident.entity);
    let (id, time) = (incident.incident.0, incident.opened);
    put(bus, &subject, id, time, &Event::Incident(incident)).await
}

async fn put(
    bus: &Bus,
    subject: &Subject,
    id: EventId,
    time: Timestamp,
    event: &Event,
) -> Result<()> {
    let meta = Meta {
        id,
        kind: event.kind().as_str().to_owned(),
        source: "bench".to_owned(),
        time,
        cause: None,
        origin: None,
        traceparent: None,
    };
    let body = event.encode()?.into();
    bus.publisher().publish(subject, &meta, body, None).await?;
    Ok(())
}
