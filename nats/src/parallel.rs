//! The loop of acts and intake: side by side, one at a time per lane, shared by replicas.

mod desk;

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::receive::Receiver;
use crate::topology::Durable;
use crate::{Bus, Delivery, Error, Failure};
use desk::Desk;

/// Long work says so, well within every consumer's `ack_wait`.
const PROGRESS_EVERY: Duration = Duration::from_secs(20);
/// How long work in hand may take after `stop`.
const GRACE: Duration = Duration::from_secs(10);

/// Handles messages.
pub trait Handler: Send + Sync + 'static {
    /// Messages of one lane are handled one after the other.
    fn lane(&self, delivery: &Delivery) -> String;

    /// Handles one message. It is handled again when this process dies before the acknowledgement
    /// arrived, so doing it twice must be harmless.
    fn handle(&self, delivery: &Delivery) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Runs `handler` until `stop`. A message that was tried as often as the consumer allows, one that is
/// rejected and one on which the handler panics go to the dead letters.
///
/// # Errors
///
/// None while it runs: what fails is tried again. It is a `Result` as the other loops are.
pub async fn run<H: Handler>(
    bus: &Bus,
    durable: Durable,
    handler: H,
    stop: CancellationToken,
) -> Result<(), Error> {
    let mut receiver = Receiver::new(bus.clone(), durable.clone());
    let mut desk = Desk::new(bus.clone(), durable, handler);
    let mut work = JoinSet::new();
    let mut progress = tokio::time::interval(PROGRESS_EVERY);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(done) = work.join_next() => {
                if let Some(next) = desk.done(done) {
                    work.spawn(next);
                }
            }
            _ = progress.tick() => desk.say_progress().await,
            received = receiver.next() => {
                if let Some(begun) = desk.take(received) {
                    work.spawn(begun);
                }
            }
        }
    }
    receiver.close();
    // What is given back must not come to the request that was just closed.
    let _ = tokio::time::timeout(GRACE, bus.client().flush()).await;
    desk.give_back_waiting().await;
    let drained = tokio::time::timeout(GRACE, async { while work.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::warn!(left = work.len(), "work in hand did not end in time");
    }
    let _ = tokio::time::timeout(GRACE, bus.client().flush()).await;
    Ok(())
}
