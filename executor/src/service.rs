//! The shell: decisions in from the bus, outcomes out; one at a time for each target.

use std::sync::Mutex;
use std::time::Duration;

use aegis_nats::retry::Backoff;
use aegis_nats::topology::Durable;
use aegis_nats::{Bus, Delivery, Failure, parallel};
use aegis_schemas::{Event, Outcome, OutcomePhase, RefusalCode};
use tokio_util::sync::CancellationToken;

use crate::board::{Board, NatsBoard};
use crate::executor::Executor;
use crate::keys::Watch;
use crate::trial::{Received, Step, Trial};
use crate::{Config, Error, announce, clock, connect, metrics};

/// Carries out the decisions for one cluster until `stop`.
///
/// # Errors
///
/// When the keys cannot be read, it is not said how to reach the API server, or the bus ends.
pub async fn run(bus: Bus, config: Config, stop: CancellationToken) -> Result<(), Error> {
    metrics::describe();
    let (watch, keys) = Watch::open(config.keys_file.clone())?;
    let client = connect::client(&config).await?;
    let Some(uid) = find_cluster(&client, &stop).await else {
        return Ok(());
    };
    tracing::info!(cluster = %config.cluster, uid, "carrying out decisions");
    let durable = Durable::executor(&config.cluster);
    let board = NatsBoard::new(&bus, config.cluster.clone());
    let clock_board = board.clone();
    let handler = Handler {
        executor: Executor::new(client, config.clone(), keys, uid, board),
        watch: Mutex::new(watch),
        bus: bus.clone(),
        config,
        stop: stop.clone(),
    };
    tokio::select! {
        ended = parallel::run(&bus, durable.clone(), handler, stop) => ended?,
        () = clock::watch(&bus, &durable, &clock_board) => {}
    }
    Ok(())
}

/// The cluster's UID, however long the API server takes to be there; none when stopped before.
async fn find_cluster(client: &kube::Client, stop: &CancellationToken) -> Option<String> {
    let mut backoff = Backoff::standard();
    loop {
        let found = tokio::select! {
            () = stop.cancelled() => return None,
            found = connect::uid(client) => found,
        };
        match found {
            Ok(uid) => return Some(uid),
            Err(error) => tracing::warn!(%error, "waiting for the API server"),
        }
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(backoff.delay()) => {}
        }
    }
}

struct Handler {
    executor: Executor<NatsBoard>,
    watch: Mutex<Watch>,
    bus: Bus,
    config: Config,
    stop: CancellationToken,
}

impl parallel::Handler for Handler {
    fn lane(&self, delivery: &Delivery) -> String {
        // The subject names the target; one that lies is refused.
        delivery.subject.clone()
    }

    async fn handle(&self, delivery: &Delivery) -> Result<(), Failure> {
        self.refresh_keys();
        let received = Received {
            seq: delivery.seq,
            time: delivery.time,
            subject: &delivery.subject,
            body: &delivery.body,
            redelivered: delivery.attempt > 1,
        };
        let outcome = self.settle(Trial::new(received)).await?;
        let now = self.executor.board().now();
        metrics::ended(&outcome, now.since(delivery.time));
        tell(&outcome);
        self.publish(delivery, &received, &outcome).await?;
        match (outcome.phase, outcome.code) {
            (OutcomePhase::Refused, Some(code)) => {
                Err(Failure::reject(format!("{code}: {}", outcome.message)))
            }
            _ => Ok(()),
        }
    }
}

impl Handler {
    /// Attempts until there is an outcome.
    async fn settle(&self, mut trial: Trial<'_>) -> Result<Box<Outcome>, Failure> {
        loop {
            let (after, reason) = match self.executor.attempt(&mut trial).await {
                Step::Done(outcome) => return Ok(outcome),
                Step::Wait { after, reason } => (after, reason),
            };
            metrics::waits();
            let seq = trial.received.seq;
            tracing::warn!(seq, ?after, reason, "a decision waits");
            tokio::select! {
                () = tokio::time::sleep(after) => {}
                () = self.stop.cancelled() => {
                    return Err(Failure::Retry { after: Some(Duration::ZERO), reason });
                }
            }
        }
    }

    async fn publish(
        &self,
        delivery: &Delivery,
        received: &Received<'_>,
        outcome: &Outcome,
    ) -> Result<(), Failure> {
        let cause = delivery.meta().ok().map(|meta| meta.id);
        let now = self.executor.board().now();
        let (subject, meta) = announce(&self.config.cluster, received, cause, outcome, now);
        let body = Event::Outcome(outcome.clone())
            .encode()
            .map_err(|error| Failure::reject(format!("the outcome cannot be said: {error}")))?;
        let publisher = self.bus.publisher();
        let stored = publisher.publish(&subject, &meta, body.into(), None).await;
        stored.map_err(|error| Failure::retry(error.to_string()))?;
        Ok(())
    }

    fn refresh_keys(&self) {
        let mut watch = self
            .watch
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(keys) = watch.changed() {
            let kids: Vec<_> = keys.kids().collect();
            tracing::info!(?kids, "the key file changed");
            self.executor.set_keys(keys);
        }
    }
}

/// Says what became of a decision. One that is not believed is somebody in policy's place, or keys that
/// do not match: a person must look.
fn tell(outcome: &Outcome) {
    let (decision, seq) = (outcome.decision, outcome.stream_seq);
    let phase = outcome.phase.as_str();
    let code = outcome.code.map(RefusalCode::as_str);
    match outcome.code {
        Some(forged) if outcome.action.is_none() => {
            metrics::forged(forged);
            let envelope = outcome.envelope;
            tracing::error!(%decision, phase, code, seq, %envelope, "{}", outcome.message);
        }
        _ => tracing::info!(%decision, phase, code, seq, "{}", outcome.message),
    }
}
