//! Atomic batches (ADR-50): many messages, one write to disk.

use async_nats::header::{
    NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE,
};
use data_encoding::BASE32_NOPAD;
use serde::Deserialize;
use tokio::time::Instant;
use tracing::{Instrument as _, Span};

use super::{Prepared, PublishError, Publisher, classify};
use crate::{Error, metrics};

/// The server takes no more in one batch.
const MAX_MESSAGES: usize = 1_000;

/// Keeps what the server must hold in memory for one batch small.
const MAX_BYTES: usize = 8 << 20;

#[derive(Deserialize)]
struct Committed {
    #[serde(default)]
    count: u64,
}

impl Publisher {
    /// Messages of one stream until all of them are stored: as batches, and singly with the same ids
    /// where a batch is refused or its answer is lost, because one known id fails a whole batch.
    pub(super) async fn store_all(
        &self,
        messages: &[Prepared],
        deadline: Option<Instant>,
    ) -> Result<(), PublishError> {
        for batch in split(messages) {
            if batch.len() > 1 && atomic(batch) {
                match self.commit(batch, deadline).await {
                    Ok(()) => continue,
                    Err(error) if gives_up(&error, deadline) => return Err(error),
                    Err(error) => {
                        metrics::batch("refused");
                        tracing::debug!(%error, messages = batch.len(), "sending a batch singly");
                    }
                }
            }
            for message in batch {
                let span = self.span(message);
                self.store(message, deadline).instrument(span).await?;
            }
        }
        Ok(())
    }

    async fn commit(
        &self,
        batch: &[Prepared],
        deadline: Option<Instant>,
    ) -> Result<(), PublishError> {
        let begun = Instant::now();
        let _spans: Vec<Span> = batch.iter().map(|message| self.span(message)).collect();
        let attempt = self.commit_once(batch);
        let result = match deadline {
            Some(deadline) => tokio::time::timeout_at(deadline, attempt)
                .await
                .unwrap_or(Err(PublishError::Unavailable)),
            None => attempt.await,
        };
        if result.is_ok() {
            metrics::batch("committed");
            for message in batch {
                metrics::published(message.stream, false, begun.elapsed().as_secs_f64());
            }
        }
        result
    }

    async fn commit_once(&self, batch: &[Prepared]) -> Result<(), PublishError> {
        let id = batch_id();
        let Some((last, before)) = batch.split_last() else {
            return Ok(());
        };
        for (place, message) in before.iter().enumerate() {
            let mut headers = message.headers.clone();
            headers.insert(NATS_BATCH_ID, id.as_str());
            headers.insert(NATS_BATCH_SEQUENCE, (place + 1).to_string());
            let (subject, body) = (message.subject.clone(), message.body.clone());
            let sent = self
                .bus
                .client()
                .publish_with_headers(subject, headers, body);
            sent.await.map_err(|_| PublishError::Unavailable)?;
        }
        let mut headers = last.headers.clone();
        headers.insert(NATS_BATCH_ID, id.as_str());
        headers.insert(NATS_BATCH_SEQUENCE, batch.len().to_string());
        headers.insert(NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
        let answer: Result<Committed, Error> = self
            .bus
            .ask(&last.subject, headers, last.body.clone())
            .await;
        match answer {
            Ok(committed) if committed.count == batch.len() as u64 => Ok(()),
            Ok(_) => Err(PublishError::Unavailable),
            Err(error) => Err(classify(&error, last)),
        }
    }
}

/// Whether the sender is told at once instead of sending singly: the stream is full and there is
/// somebody to tell.
fn gives_up(error: &PublishError, deadline: Option<Instant>) -> bool {
    matches!(error, PublishError::Full(_)) && deadline.is_some()
}

fn atomic(batch: &[Prepared]) -> bool {
    use aegis_schemas::Stream;
    batch
        .iter()
        .all(|message| matches!(message.stream, Stream::Metrics | Stream::Events))
}

/// Cuts into batches that the server takes.
fn split(messages: &[Prepared]) -> Vec<&[Prepared]> {
    let mut batches = Vec::new();
    let mut begin = 0;
    let mut bytes = 0;
    for (place, message) in messages.iter().enumerate() {
        if place > begin
            && (place - begin == MAX_MESSAGES || bytes + message.body.len() > MAX_BYTES)
        {
            batches.push(&messages[begin..place]);
            begin = place;
            bytes = 0;
        }
        bytes += message.body.len();
    }
    if begin < messages.len() {
        batches.push(&messages[begin..]);
    }
    batches
}

/// Tells this attempt from all others; nothing is derived from it.
fn batch_id() -> String {
    BASE32_NOPAD.encode(&crate::random::bits())
}
