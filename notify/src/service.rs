//! The shell: events in from the bus, people told; one event of each incident at a time.

use std::sync::Arc;
use std::time::Duration;

use aegis_nats::topology::{Durable, token};
use aegis_nats::{Bus, Delivery, Failure, parallel};
use aegis_schemas::{Cluster, Event, Outcome, OutcomePhase, SignalBody};
use tokio_util::sync::CancellationToken;

use crate::alarm::Alarm;
use crate::case::incident_of;
use crate::desk::{Desk, Occasion, now};
use crate::ledger::Record;
use crate::watch::{Heartbeats, Watch};
use crate::{Config, Error, metrics};

/// Tells people of what happens until `stop`; awaits the heartbeats of `clusters`.
///
/// # Errors
///
/// When a secret cannot be read, or the bus ends.
pub async fn run(
    bus: Bus,
    config: Config,
    clusters: Vec<Cluster>,
    stop: CancellationToken,
) -> Result<(), Error> {
    metrics::describe();
    let desk = Arc::new(Desk::open(&bus, config.clone())?);
    let heartbeats = Heartbeats::new(&bus);
    let watch = Watch::open(&bus, &config, &clusters, Arc::clone(&desk))?;
    let handler = Handler {
        desk,
        config,
        clusters,
        heartbeats,
    };
    tokio::select! {
        ended = parallel::run(&bus, Durable::notify(), handler, stop) => ended?,
        () = watch.keep() => {}
    }
    Ok(())
}

struct Handler {
    desk: Arc<Desk>,
    config: Config,
    clusters: Vec<Cluster>,
    heartbeats: Heartbeats,
}

impl parallel::Handler for Handler {
    fn lane(&self, delivery: &Delivery) -> String {
        let event = delivery.event().ok();
        let incident = event.as_ref().and_then(incident_of);
        incident.map_or_else(|| delivery.subject.clone(), |incident| incident.to_string())
    }

    async fn handle(&self, delivery: &Delivery) -> Result<(), Failure> {
        let event = delivery.event().map_err(Failure::reject)?;
        let again = self.take(delivery, &event).await;
        match again.map_err(|error| Failure::retry(error.to_string()))? {
            None => Ok(()),
            Some(after) => Err(Failure::Retry {
                after: Some(after),
                reason: "people are not told yet, or not all".to_owned(),
            }),
        }
    }
}

impl Handler {
    /// Takes in an event; how long to wait before it is taken in again, if that is needed.
    async fn take(
        &self,
        delivery: &Delivery,
        event: &Event,
    ) -> Result<Option<Duration>, aegis_nats::Error> {
        let (seq, at) = (delivery.seq, delivery.time);
        match event {
            Event::Signal(signal) => {
                if matches!(signal.body, SignalBody::Heartbeat(_)) {
                    self.heartbeats.heard(&signal.entity.cluster, at).await?;
                }
                Ok(None)
            }
            Event::Outcome(outcome) if is_forged(outcome) => {
                let place = delivery.subject.split('.').nth(4).unwrap_or_default();
                let mut clusters = self.clusters.iter();
                let cluster = clusters.find(|cluster| token(cluster.as_str()) == place);
                let take = |record: &mut Record| {
                    let kept = record.alarm.as_ref();
                    let said = &outcome.message;
                    let alarm = Alarm::forged(kept, cluster, (seq, at), said, now());
                    record.alarm = Some(alarm);
                };
                self.tell(&format!("alarm.forged.{place}"), delivery, take)
                    .await
            }
            event => match incident_of(event) {
                Some(incident) => {
                    let take = |record: &mut Record| {
                        record.case.get_or_insert_default().take(seq, at, event);
                    };
                    self.tell(&incident.to_string(), delivery, take).await
                }
                None => Ok(None),
            },
        }
    }

    async fn tell(
        &self,
        key: &str,
        delivery: &Delivery,
        take: impl FnMut(&mut Record),
    ) -> Result<Option<Duration>, aegis_nats::Error> {
        let (seq, at) = (delivery.seq, delivery.time);
        let (record, ()) = self.desk.change(key, take).await?;
        let age = now().since(at);
        if age > self.config.give_up_after {
            self.desk.give_up(key, seq).await?;
            return Ok(None);
        }
        let occasion = Occasion {
            by: seq,
            at,
            fresh: age <= self.config.tell_within,
        };
        let again = self.desk.settle(key, &record, occasion).await?;
        let alarm = record.alarm.as_ref();
        let look = alarm.and_then(|alarm| alarm.look_again(seq, now()));
        Ok(again.into_iter().chain(look).min())
    }
}

/// Whether the executor could not even tell what was to be done: no key of ours vouched for it.
const fn is_forged(outcome: &Outcome) -> bool {
    matches!(outcome.phase, OutcomePhase::Refused) && outcome.action.is_none()
}
