//! What the holder of the lease does until it is lost or asked to stop.

use std::future::Future;
use std::time::Duration;

use aegis_schemas::pipeline::{Core, Input, Output};
use serde::Deserialize;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Options;
use super::keeper::{self, Job};
use super::machine::Machine;
use crate::failpoint::{Point, pass};
use crate::lease::Hold;
use crate::receive::{Received, Receiver};
use crate::retry::Backoff;
use crate::snapshot::{Place, Snapshots};
use crate::{Bus, Error, dead_letters, metrics, trace};

/// Why a tenure ended.
pub(super) enum Ended {
    Stopped,
    LostLease,
    /// The stream is another one than the state is of.
    Anew,
}

/// It does not hold the core itself: a core can be sent to another thread, but not shared.
pub(super) struct Tenure<'a> {
    pub(super) bus: &'a Bus,
    pub(super) options: &'a Options,
    pub(super) hold: &'a Hold,
    pub(super) stop: &'a CancellationToken,
    pub(super) producer: String,
}

/// Where the line stands.
pub(super) struct Line<C> {
    pub(super) machine: Machine<C>,
    pub(super) epoch: u16,
    /// The last message handled.
    pub(super) seq: u64,
    /// Outputs of inputs up to this one are published already.
    pub(super) through: u64,
    pub(super) published: watch::Sender<Option<Place>>,
}

impl<C: Core> Line<C> {
    const fn place(&self) -> Place {
        Place {
            epoch: self.epoch,
            seq: self.seq,
            now: self.machine.now(),
        }
    }

    fn job(&self) -> Result<Job, Error> {
        Ok(Job {
            place: self.place(),
            state: rmp_serde::to_vec_named(&self.machine.core().state())?,
        })
    }

    /// A message is done with, its outputs are stored.
    fn done(&mut self, seq: u64) {
        self.seq = seq;
        let place = self.place();
        if seq > self.through {
            self.published.send_replace(Some(place));
        }
    }
}

/// What happened while waiting for a message.
enum Next {
    Message(Box<Received>),
    Broken(String),
    Snapshot,
    Ended(Ended),
}

impl<'a> Tenure<'a> {
    pub(super) const fn new(
        bus: &'a Bus,
        producer: String,
        options: &'a Options,
        hold: &'a Hold,
        stop: &'a CancellationToken,
    ) -> Self {
        Self {
            bus,
            options,
            hold,
            stop,
            producer,
        }
    }

    /// Loads the snapshot and reads on from there.
    pub(super) async fn serve<C: Core>(
        &self,
        core: C,
        observe: &mut (impl FnMut(&C, &Input, &[Output]) + Send),
    ) -> Result<Ended, Error> {
        let mut snapshots = Snapshots::new(self.bus, &self.producer);
        let (published, watched) = watch::channel(None);
        let mut line = match self.begin(&mut snapshots, core, published).await? {
            Ok(line) => line,
            Err(ended) => return Ok(ended),
        };
        tracing::info!(
            producer = self.producer,
            from = line.seq + 1,
            silent_until = line.through,
            "reading in order"
        );
        let (jobs, queue) = mpsc::channel(1);
        let producer = self.producer.clone();
        let keeper = keeper::keep(snapshots, queue, watched, producer, self.hold.clone());
        let keeper = tokio::spawn(keeper);
        let ended = self.read(&mut line, &jobs, observe).await;
        // Only a state whose last message is done with in full may be kept.
        if matches!(ended, Ok(Ended::Stopped)) {
            let job = line.job()?;
            let _ = jobs.send(job).await;
        }
        drop(jobs);
        let kept = tokio::time::timeout(2 * self.options.grace, keeper).await;
        if kept.is_err() {
            tracing::warn!(
                producer = self.producer,
                "the last snapshot was not kept in time"
            );
        }
        ended
    }

    /// Message after message, going back to the last handled one whenever something does not fit.
    async fn read<C: Core>(
        &self,
        line: &mut Line<C>,
        jobs: &mpsc::Sender<Job>,
        observe: &mut (impl FnMut(&C, &Input, &[Output]) + Send),
    ) -> Result<Ended, Error> {
        let durable = &self.options.durable;
        let mut receiver = Receiver::new(self.bus.clone(), durable.clone());
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(10));
        let mut snapshot_at = Instant::now() + self.options.snapshot_every;
        let mut kept = line.seq;
        loop {
            receiver.close();
            if let Some(ended) = self.changed(line.place()).await? {
                return Ok(ended);
            }
            if let Some(ended) = self.reset(line.seq + 1).await? {
                return Ok(ended);
            }
            let mut expected = 1;
            loop {
                let received = match self.next(&mut receiver, snapshot_at).await {
                    Next::Ended(ended) => return Ok(ended),
                    Next::Snapshot => {
                        snapshot_at = Instant::now() + self.options.snapshot_every;
                        if line.seq > kept && jobs.capacity() > 0 {
                            kept = line.seq;
                            let _ = jobs.try_send(line.job()?);
                        }
                        continue;
                    }
                    Next::Broken(reason) => {
                        receiver.recover(&reason).await;
                        break;
                    }
                    Next::Message(received) => received,
                };
                let seq = received.delivery.seq;
                // A first delivery of what is handled may be of a stream that was made anew.
                let again = received.delivery.attempt == 1 && seq <= line.seq;
                if received.consumer_seq != expected || again {
                    metrics::reset(&durable.name);
                    tracing::debug!(
                        consumer = durable.name,
                        expected,
                        got = received.consumer_seq,
                        "not the next delivery: going back"
                    );
                    if let Some(ended) = self.pause(backoff.delay()).await {
                        return Ok(ended);
                    }
                    break;
                }
                expected += 1;
                backoff.reset();
                if seq > line.seq {
                    let work = self.handle(line, &received, observe);
                    let delivery = &received.delivery;
                    let handled = trace::process(self.bus, &durable.name, delivery, work);
                    if let Some(ended) = handled.await? {
                        return Ok(ended);
                    }
                    line.done(seq);
                }
                // A lost acknowledgement only means that the message comes again.
                if let Err(error) = received.acker.ack().await {
                    tracing::debug!(%error, "cannot acknowledge");
                }
            }
        }
    }

    async fn next(&self, receiver: &mut Receiver, snapshot_at: Instant) -> Next {
        tokio::select! {
            biased;
            () = self.hold.ended() => Next::Ended(Ended::LostLease),
            () = self.stop.cancelled() => Next::Ended(Ended::Stopped),
            () = tokio::time::sleep_until(snapshot_at) => Next::Snapshot,
            received = receiver.try_next() => match received {
                // Who stood still finds what was sent to it before it finds out that others took over.
                Ok(_) if self.hold.is_over() => Next::Ended(Ended::LostLease),
                Ok(received) => Next::Message(Box::new(received)),
                Err(reason) => Next::Broken(reason),
            },
        }
    }

    /// The core takes one message and its outputs are stored; or the message is refused and kept.
    async fn handle<C: Core>(
        &self,
        line: &mut Line<C>,
        received: &Received,
        observe: &mut (impl FnMut(&C, &Input, &[Output]) + Send),
    ) -> Result<Option<Ended>, Error> {
        let delivery = &received.delivery;
        let consumer = &self.options.durable.name;
        pass(Point::Received);
        let taken = delivery
            .input(line.epoch)
            .and_then(|input| line.machine.take(input, delivery.body.len()));
        let mut refused = None;
        match taken {
            Ok((input, outputs)) => {
                let silent = delivery.seq <= line.through || outputs.is_empty();
                let publisher = self.bus.publisher();
                let published = if silent {
                    Ok(())
                } else {
                    pass(Point::Handled);
                    let published = match self.in_time(publisher.publish_outputs(&outputs)).await {
                        Ok(published) => published,
                        Err(ended) => return Ok(Some(ended)),
                    };
                    pass(Point::Stored);
                    published
                };
                match published {
                    Ok(()) => observe(line.machine.core(), &input, &outputs),
                    // Nothing that passes: the server will never take what the core says.
                    Err(error) => {
                        line.machine.undo();
                        refused = Some(format!("an output cannot be published: {error}"));
                    }
                }
            }
            Err(reason) => refused = Some(reason),
        }
        if let Some(reason) = &refused {
            trace::refused(reason);
            let keeping = dead_letters::write(self.bus, consumer, delivery, reason);
            match self.in_time(keeping).await {
                Ok(kept) => kept?,
                Err(ended) => return Ok(Some(ended)),
            }
        }
        let result = if refused.is_some() { "rejected" } else { "ok" };
        metrics::handled(consumer, delivery.seq, result);
        Ok(None)
    }

    /// Handling is not cut off by `stop`, but a server that is away must not keep the process alive.
    /// What is cut off is not part of any snapshot and is done again.
    async fn in_time<T>(&self, work: impl Future<Output = T> + Send) -> Result<T, Ended> {
        let grace = async {
            self.stop.cancelled().await;
            tokio::time::sleep(self.options.grace).await;
        };
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = self.hold.ended() => Err(Ended::LostLease),
            () = grace => Err(Ended::LostLease),
        }
    }

    /// Sets the consumer to deliver the message at `seq` next, as its first delivery.
    async fn reset(&self, seq: u64) -> Result<Option<Ended>, Error> {
        #[derive(Deserialize)]
        struct Reset {}
        let durable = &self.options.durable;
        let endpoint = format!("CONSUMER.RESET.{}.{}", durable.stream, durable.name);
        let mut backoff = Backoff::standard();
        loop {
            // What was closed must be gone at the server before the reset, or it takes messages.
            let _ = tokio::time::timeout(Duration::from_secs(1), self.bus.client().flush()).await;
            let body = serde_json::json!({ "seq": seq });
            match self.bus.call::<Reset>(&endpoint, &body).await {
                Ok(Reset {}) => return Ok(None),
                Err(error) if error.is_transient() || error.is_missing() => {
                    tracing::warn!(%error, consumer = durable.name, "cannot go back yet");
                }
                Err(error) => return Err(error),
            }
            if let Some(ended) = self.pause(backoff.delay()).await {
                return Ok(Some(ended));
            }
        }
    }

    pub(super) async fn pause(&self, delay: Duration) -> Option<Ended> {
        tokio::select! {
            () = self.hold.ended() => Some(Ended::LostLease),
            () = self.stop.cancelled() => Some(Ended::Stopped),
            () = tokio::time::sleep(delay) => None,
        }
    }
}
