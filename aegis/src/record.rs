//! What the gateway's pages show that the views do not hold, from the audit log's own library and the
//! detector's core: no stage imports a stage, so they meet here.

use std::collections::BTreeMap;

use aegis_audit_sink::checkpoint::{Checkpoint, VerifyingKey};
use aegis_audit_sink::merkle::leaf_hash;
use aegis_audit_sink::prove::prove;
use aegis_audit_sink::read::{Entry, Reader};
use aegis_detector::scorer;
use aegis_gateway::{Point, Proven, Record, Silence, Trace, Unavailable};
use aegis_schemas::{Entity, Event, MetricBatch, Timestamp};
use anyhow::Result;
use data_encoding::{BASE64, HEXLOWER};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, to_value};

use crate::cores::Cores;

/// How much of the time before a chart the scorer may learn from.
const WARM_UP: std::time::Duration = std::time::Duration::from_secs(3_600);
/// Batches of one chart at most.
const BATCHES: u32 = 900;

impl Cores {
    async fn find(&self, idx: u64) -> Result<Entry, Unavailable> {
        let found = self.log().await?.entries(idx, 1).await.map_err(failed)?;
        found
            .into_iter()
            .find(|entry| entry.idx == idx)
            .ok_or(Unavailable::NotFound("entry"))
    }

    async fn proven(&self, idx: u64) -> Result<Proven, Unavailable> {
        let event = self.find(idx).await?.record.event_id();
        // What servers say of themselves has no event and is proven by the whole tree only.
        let event = event.ok_or(Unavailable::NotFound("event in that entry"))?;
        let key = VerifyingKey::read(&self.public_key_file).map_err(failed)?;
        let proof = prove(self.log().await?, event, &key)
            .await
            .map_err(failed)?;
        if proof.idx != idx {
            // The stream kept an event twice, and the proof is of its first entry.
            return Err(Unavailable::NotFound("first entry of that event"));
        }
        let proven = proof.check(&key).map_err(failed)?;
        let Checkpoint { size, root, .. } = proven.checkpoint;
        let bytes = |text: &String| BASE64.decode(text.as_bytes()).unwrap_or_default();
        Ok(Proven {
            leaf_hash: HEXLOWER.encode(&leaf_hash(&bytes(&proof.leaf))),
            path: proof
                .path
                .iter()
                .map(|hash| HEXLOWER.encode(&bytes(hash)))
                .collect(),
            size,
            root: HEXLOWER.encode(&root),
            checkpoint: proof.checkpoint,
        })
    }

    async fn policies(&self, digest: &str) -> Result<String, Unavailable> {
        let wanted = digest
            .parse()
            .map_err(|_| Unavailable::NotFound("policy set"))?;
        let found = self.policy_set(wanted).await.map_err(unavailable)?;
        let found = found.ok_or(Unavailable::NotFound("policy set"))?;
        Ok(found.to_string())
    }

    async fn log(&self) -> Result<&Reader, Unavailable> {
        self.reader().await.map_err(unavailable)
    }

    async fn features(
        &self,
        entity: &Entity,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Trace>, Unavailable> {
        let log = self.log().await?;
        let records = log
            .samples(entity, from - WARM_UP, to, BATCHES)
            .await
            .map_err(failed)?;
        let (config, entity) = (self.scorer.clone(), entity.clone());
        let _one = self.scoring.acquire().await.map_err(failed)?;
        tokio::task::spawn_blocking(move || {
            let batches: Vec<MetricBatch> = records
                .iter()
                .filter_map(|record| match record.event() {
                    Ok(Event::Metric(batch)) if batch.entity == entity => Some(batch),
                    _ => None,
                })
                .collect();
            traces(&config, &batches)
        })
        .await
        .map_err(failed)
    }
}

/// The features of these batches, each by itself.
fn traces(config: &scorer::Config, batches: &[MetricBatch]) -> Vec<Trace> {
    let mut traces: BTreeMap<String, Vec<Point>> = BTreeMap::new();
    for seen in scorer::trace(config, batches) {
        traces.entry(seen.feature).or_default().push(Point {
            at_ms: seen.at.as_millis(),
            value: seen.value,
            expected: seen.expected,
        });
    }
    traces
        .into_iter()
        .map(|(feature, points)| Trace { feature, points })
        .collect()
}

impl Record for Cores {
    fn entry(&self, idx: u64) -> BoxFuture<'_, Result<aegis_gateway::Entry, Unavailable>> {
        async move {
            let record = self.find(idx).await?.record;
            let event_json = record.event().ok().and_then(|event| as_json(&event).ok());
            Ok(aegis_gateway::Entry {
                idx,
                event: record.event_id().map(|id| id.to_string()),
                kind: record.kind(),
                subject: record.subject.clone(),
                stream: record.stream.name().to_owned(),
                epoch: record.epoch,
                seq: record.seq,
                time: instant(record.time),
                headers: record.headers.clone().into_iter().collect(),
                body: record.body.to_vec(),
                event_json,
            })
        }
        .boxed()
    }

    fn proof_of(&self, idx: u64) -> BoxFuture<'_, Result<Proven, Unavailable>> {
        self.proven(idx).boxed()
    }

    fn policy_set<'a>(&'a self, digest: &'a str) -> BoxFuture<'a, Result<String, Unavailable>> {
        self.policies(digest).boxed()
    }

    fn traces<'a>(
        &'a self,
        entity: &'a Entity,
        from: jiff::Timestamp,
        to: jiff::Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Trace>, Unavailable>> {
        let moment = |at: jiff::Timestamp| Timestamp::from_millis(at.as_millisecond());
        self.features(entity, moment(from), moment(to)).boxed()
    }
}

/// What an event says; of a signed decision, what was signed.
fn as_json(event: &Event) -> serde_json::Result<Value> {
    match event {
        Event::Metric(batch) => to_value(batch),
        Event::Signal(signal) => to_value(signal),
        Event::Anomaly(anomaly) => to_value(anomaly),
        Event::Incident(incident) => to_value(incident),
        Event::Assessment(assessment) => to_value(assessment),
        Event::Decision(decision) => to_value(decision),
        Event::Warrant(envelope) => match envelope.peek() {
            Ok(warrant) => to_value(warrant),
            Err(_) => to_value(envelope),
        },
        Event::Outcome(outcome) => to_value(outcome),
        Event::Command(command) => to_value(command),
        Event::Access(access) => to_value(access),
        Event::DeadLetter(letter) => to_value(letter),
    }
}

fn instant(time: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(i128::from(time.as_nanos())).unwrap_or_default()
}

fn unavailable(silence: Silence) -> Unavailable {
    match silence {
        Silence::NotFound(_) => Unavailable::NotFound("policy set"),
        Silence::Unavailable(why) => Unavailable::Failed(why),
    }
}

fn failed(error: impl Into<anyhow::Error>) -> Unavailable {
    let error: anyhow::Error = error.into();
    match error.downcast_ref::<aegis_audit_sink::Error>() {
        Some(aegis_audit_sink::Error::Tampered(why)) => Unavailable::Tampered(why.clone()),
        Some(aegis_audit_sink::Error::NotFound(_)) => {
            Unavailable::NotFound("entry under a checkpoint yet")
        }
        _ => Unavailable::Failed(format!("{error:#}")),
    }
}
