//! Who came in and who was refused, as events: the first time at once, repeats counted and said once a
//! minute, so that a flood of refusals is one line and not a full stream.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aegis_nats::Publisher;
use aegis_schemas::header::Meta;
use aegis_schemas::{Access, AccessOutcome, Event, EventId, Kind, Subject, Timestamp};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::token::random;

/// How long repeats are counted before they are said.
const WINDOW: Duration = Duration::from_secs(60);
/// The most different repeats that are counted; beyond it each is said at once.
const MAX_COUNTED: usize = 10_000;
/// How many accesses may wait for the bus.
const QUEUE: usize = 10_000;

/// What happened, without how often.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Happened {
    pub(crate) actor: Option<String>,
    pub(crate) outcome: AccessOutcome,
    pub(crate) operation: String,
    pub(crate) reason: String,
    pub(crate) address: String,
}

/// Takes note of accesses; clones share one book.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    counted: Arc<Mutex<BTreeMap<Happened, (u64, Timestamp)>>>,
    queue: mpsc::Sender<Access>,
}

/// Publishes what a [`Recorder`] takes note of.
#[derive(Debug)]
pub(crate) struct Writer {
    recorder: Recorder,
    queue: mpsc::Receiver<Access>,
}

pub(crate) fn recorder() -> (Recorder, Writer) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let recorder = Recorder {
        counted: Arc::default(),
        queue: sender,
    };
    let writer = Writer {
        recorder: recorder.clone(),
        queue: receiver,
    };
    (recorder, writer)
}

impl Recorder {
    /// Notes one access.
    pub(crate) fn note(&self, happened: Happened) {
        let now = now();
        {
            let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((count, _)) = counted.get_mut(&happened) {
                *count += 1;
                return;
            }
            if counted.len() < MAX_COUNTED {
                counted.insert(happened.clone(), (0, now));
            }
        }
        self.send(happened, 1, now);
    }

    /// Says what was repeated since the last time, and forgets the rest.
    fn flush(&self) {
        let counted =
            std::mem::take(&mut *self.counted.lock().unwrap_or_else(PoisonError::into_inner));
        for (happened, (count, since)) in counted {
            if count > 0 {
                self.send(happened, count, since);
            }
        }
    }

    fn send(&self, happened: Happened, count: u64, since: Timestamp) {
        let access = Access {
            actor: happened.actor,
            outcome: happened.outcome,
            operation: happened.operation,
            reason: happened.reason,
            address: happened.address,
            count,
            since,
        };
        if self.queue.try_send(access).is_err() {
            crate::metrics::access_dropped();
            tracing::error!("an access could not be noted: the bus does not take them");
        }
    }
}

impl Writer {
    /// Publishes until `stop`, then what is left.
    pub(crate) async fn run(mut self, publisher: Publisher, stop: CancellationToken) {
        let mut windows = tokio::time::interval(WINDOW);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = windows.tick() => self.recorder.flush(),
                Some(access) = self.queue.recv() => publish(&publisher, access, None).await,
            }
        }
        self.recorder.flush();
        while let Ok(access) = self.queue.try_recv() {
            publish(&publisher, access, Some(Duration::from_secs(2))).await;
        }
    }
}

async fn publish(publisher: &Publisher, access: Access, within: Option<Duration>) {
    let subject = Subject::access(access.outcome.as_str());
    let Ok(body) = Event::Access(access).encode() else {
        tracing::error!("an access is too large to be noted");
        return;
    };
    let meta = Meta {
        id: EventId::of_content("gateway/access", &random::<16>()),
        kind: Kind::Access.as_str().to_owned(),
        source: "gateway".to_owned(),
        time: now(),
        cause: None,
        origin: None,
        traceparent: None,
    };
    if let Err(error) = publisher
        .publish(&subject, &meta, body.into(), within)
        .await
    {
        crate::metrics::access_dropped();
        tracing::error!(%error, "an access could not be noted");
    }
}

/// The wall clock: the gateway is a shell and has one.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_counted_not_repeated() {
        let (recorder, mut writer) = recorder();
        let refused = Happened {
            actor: Some("bob".to_owned()),
            outcome: AccessOutcome::Forbidden,
            operation: "POST /api/v1/approvals".to_owned(),
            reason: "auditors read".to_owned(),
            address: "10.0.0.1".to_owned(),
        };
        for _ in 0..1_000 {
            recorder.note(refused.clone());
        }
        assert_eq!(writer.queue.try_recv().expect("the first").count, 1);
        assert!(writer.queue.try_recv().is_err());
        recorder.flush();
        assert_eq!(writer.queue.try_recv().expect("the rest").count, 999);
    }
}
