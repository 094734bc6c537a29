//! Batches and signals onto the log.

use std::time::Duration;

use aegis_nats::failpoint::{Point, pass};
use aegis_nats::{Bus, PublishError, Publisher};
use aegis_schemas::header::Meta;
use aegis_schemas::{Event, EventId, MetricBatch, Signal, Subject, Timestamp, partition_of};
use bytes::Bytes;

use crate::metrics;

/// Publishes what ingest says; clones share the connection.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    publisher: Publisher,
    source: String,
    partitions: u16,
}

type Message = (Subject, Meta, Bytes);

impl Outbox {
    pub(crate) fn new(bus: &Bus, cluster: &str, partitions: u16) -> Self {
        Self {
            publisher: bus.publisher(),
            source: format!("ingest/{cluster}"),
            partitions,
        }
    }

    /// Stores batches. Their ids come from their content, so a sender's retry stores nothing twice.
    pub(crate) async fn batches(
        &self,
        batches: Vec<MetricBatch>,
        now: Timestamp,
        within: Option<Duration>,
    ) -> Result<(), PublishError> {
        let messages = batches
            .into_iter()
            .filter_map(|batch| {
                let partition = partition_of(&batch.entity, self.partitions);
                let subject = Subject::metric(partition, &batch.entity);
                self.message(subject, &Event::Metric(batch), now)
            })
            .collect();
        self.publisher.publish_batch(messages, within).await
    }

    /// Stores signals, in order.
    pub(crate) async fn signals(
        &self,
        signals: &[Signal],
        within: Option<Duration>,
    ) -> Result<(), PublishError> {
        let messages = signals
            .iter()
            .filter_map(|signal| {
                let subject = Subject::signal(signal.body.token(), &signal.entity);
                self.message(subject, &Event::Signal(signal.clone()), signal.observed)
            })
            .collect();
        pass(Point::Handled);
        self.publisher.publish_batch(messages, within).await?;
        pass(Point::Stored);
        for signal in signals {
            metrics::signal(signal.body.token());
        }
        Ok(())
    }

    /// Says a heartbeat on the events and in every partition of the metrics.
    pub(crate) async fn heartbeat(
        &self,
        heartbeat: &Signal,
        within: Option<Duration>,
    ) -> Result<(), PublishError> {
        let event = Event::Signal(heartbeat.clone());
        let messages = (0..self.partitions)
            .filter_map(|partition| {
                let subject = Subject::metric(partition, &heartbeat.entity);
                let mut message = self.message(subject, &event, heartbeat.observed)?;
                message.1.id = EventId::derive("ingest/heartbeat", message.1.id, partition.into());
                Some(message)
            })
            .collect();
        let events = self.signals(std::slice::from_ref(heartbeat), within);
        let partitions = self.publisher.publish_batch(messages, within);
        let (events, partitions) = futures::join!(events, partitions);
        events.and(partitions)
    }

    /// Stores one event under an id that its sender gave.
    pub(crate) async fn handed_in(
        &self,
        event: &Event,
        id: EventId,
        now: Timestamp,
    ) -> Result<(), PublishError> {
        let subject = match event {
            Event::Metric(batch) => {
                Subject::metric(partition_of(&batch.entity, self.partitions), &batch.entity)
            }
            Event::Signal(signal) => Subject::signal(signal.body.token(), &signal.entity),
            _ => return Ok(()),
        };
        let Some((subject, mut meta, body)) = self.message(subject, event, now) else {
            return Err(PublishError::TooLarge(aegis_schemas::codec::MAX_BODY));
        };
        meta.id = id;
        self.publisher.publish(&subject, &meta, body, None).await?;
        Ok(())
    }

    fn message(&self, subject: Subject, event: &Event, now: Timestamp) -> Option<Message> {
        let body = match event.encode() {
            Ok(body) => body,
            Err(error) => {
                metrics::unsayable();
                tracing::error!(%error, %subject, "a message cannot be said");
                return None;
            }
        };
        let meta = Meta {
            id: EventId::of_content(subject.as_str(), &body),
            kind: event.kind().as_str().to_owned(),
            source: self.source.clone(),
            time: now,
            cause: None,
            origin: None,
            traceparent: None,
        };
        Some((subject, meta, body.into()))
    }
}
