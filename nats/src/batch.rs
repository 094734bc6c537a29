//! The loop of the sinks: many messages at once, acknowledged when all of them are stored. It never
//! gives up, so what it reads is stored at least once.

use std::future::Future;
use std::time::Duration;

use async_nats::jetstream::AckKind;
use async_nats::jetstream::message::Acker;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::failpoint::{Point, pass};
use crate::receive::{Received, Receiver};
use crate::retry::Backoff;
use crate::topology::Durable;
use crate::{Bus, Delivery, Error, metrics, trace};

/// A batch that cannot be stored yet stays ours, well within `ack_wait`.
const PROGRESS_EVERY: Duration = Duration::from_secs(20);
/// How often a sink to which nothing comes is told so.
const REST_EVERY: Duration = Duration::from_secs(3);

/// Where batches go.
pub trait Sink: Send {
    /// Stores all of `batch` or nothing of it. The same batch, or parts of it, comes again after an
    /// error or a crash, so it must be harmless to store a message twice.
    fn store(
        &mut self,
        batch: &[Delivery],
    ) -> impl Future<Output = Result<(), Box<dyn std::error::Error + Send + Sync>>> + Send;

    /// Nothing came for three seconds: for a sink that has to show that it lives.
    fn rest(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// Collects messages of all `durables` until there are `max` or `linger` is over, and stores them.
/// On `stop` the batch in hand is stored first.
///
/// # Errors
///
/// None while it runs: what fails is tried again. It is a `Result` as the other loops are.
pub async fn run<S: Sink>(
    bus: &Bus,
    durables: Vec<Durable>,
    max: usize,
    linger: Duration,
    mut sink: S,
    stop: CancellationToken,
) -> Result<(), Error> {
    let max = max.max(1);
    let (sender, mut queue) = mpsc::channel(max);
    let mut readers = JoinSet::new();
    let label = durables
        .first()
        .map_or_else(String::new, |first| first.name.clone());
    for durable in durables {
        let receiver = Receiver::new(bus.clone(), durable);
        readers.spawn(read(receiver, sender.clone()));
    }
    drop(sender);
    loop {
        let first = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            first = queue.recv() => first,
            () = tokio::time::sleep(REST_EVERY) => {
                sink.rest().await;
                continue;
            }
        };
        let Some(first) = first else { break };
        let batch = collect(&mut queue, first, max, linger).await;
        pass(Point::Received);
        let (deliveries, ackers) = split(batch);
        let spans = trace::batch(bus, &label, &deliveries);
        let timer = metrics::handling(&label);
        let mut backoff = Backoff::standard();
        let mut progress = Instant::now() + PROGRESS_EVERY;
        while let Err(error) = sink.store(&deliveries).await {
            metrics::sink_retried(&label);
            tracing::warn!(%error, messages = deliveries.len(), "cannot store, trying again");
            if Instant::now() >= progress {
                progress = Instant::now() + PROGRESS_EVERY;
                for acker in &ackers {
                    let _ = acker.ack_with(AckKind::Progress).await;
                }
            }
            tokio::select! {
                // Nothing was acknowledged: it comes again.
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(backoff.delay()) => {}
            }
        }
        drop((spans, timer));
        pass(Point::Stored);
        acknowledge(&label, &deliveries, &ackers).await;
    }
    // What has arrived is stored if that works at once; the rest comes again after `ack_wait`.
    readers.shutdown().await;
    while let Ok(first) = queue.try_recv() {
        let (deliveries, ackers) = split(collect(&mut queue, first, max, linger).await);
        if let Err(error) = sink.store(&deliveries).await {
            tracing::warn!(%error, messages = deliveries.len(), "cannot store before the end");
            break;
        }
        acknowledge(&label, &deliveries, &ackers).await;
    }
    let _ = tokio::time::timeout(Duration::from_secs(5), bus.client().flush()).await;
    Ok(())
}

fn split(batch: Vec<Received>) -> (Vec<Delivery>, Vec<Acker>) {
    let pairs = batch.into_iter();
    pairs
        .map(|received| (received.delivery, received.acker))
        .unzip()
}

async fn acknowledge(label: &str, deliveries: &[Delivery], ackers: &[Acker]) {
    for (delivery, acker) in deliveries.iter().zip(ackers) {
        metrics::handled(label, delivery.seq, "ok");
        // A lost acknowledgement only means that the message comes again.
        if let Err(error) = acker.ack().await {
            tracing::debug!(%error, "cannot acknowledge");
        }
    }
}

async fn read(mut receiver: Receiver, queue: mpsc::Sender<Received>) {
    loop {
        let received = receiver.next().await;
        if queue.send(received).await.is_err() {
            return;
        }
    }
}

async fn collect(
    queue: &mut mpsc::Receiver<Received>,
    first: Received,
    max: usize,
    linger: Duration,
) -> Vec<Received> {
    let mut batch = vec![first];
    let end = Instant::now() + linger;
    while batch.len() < max {
        match tokio::time::timeout_at(end, queue.recv()).await {
            Ok(Some(received)) => batch.push(received),
            Ok(None) | Err(_) => break,
        }
    }
    batch
}
