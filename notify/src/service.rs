//! The shell: events in from the bus, people told; one event of each incident at a time.

use std::sync::Arc;

use aegis_nats::topology::Durable;
use aegis_nats::{Bus, Delivery, Failure, parallel};
use aegis_schemas::{Cluster, Event, SignalBody};
use tokio_util::sync::CancellationToken;

use crate::case::incident_of;
use crate::desk::{Desk, Occasion, now};
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
        let failed = |error: aegis_nats::Error| Failure::retry(error.to_string());
        if let Event::Signal(signal) = &event {
            return match signal.body {
                SignalBody::Heartbeat(_) => {
                    let heard = self.heartbeats.heard(&signal.entity.cluster, delivery.time);
                    heard.await.map_err(failed)
                }
                _ => Ok(()),
            };
        }
        match incident_of(&event) {
            Some(incident) => {
                let told = self.tell(&incident.to_string(), delivery, &event).await;
                told.map_err(failed)?
            }
            None => Ok(()),
        }
    }
}

impl Handler {
    async fn tell(
        &self,
        key: &str,
        delivery: &Delivery,
        event: &Event,
    ) -> Result<Result<(), Failure>, aegis_nats::Error> {
        let (seq, at) = (delivery.seq, delivery.time);
        let take = |record: &mut crate::ledger::Record| {
            record.case.get_or_insert_default().take(seq, at, event);
        };
        let (record, ()) = self.desk.change(key, take).await?;
        let age = now().since(at);
        if age > self.config.give_up_after {
            self.desk.give_up(key, seq).await?;
            return Ok(Ok(()));
        }
        let occasion = Occasion {
            by: seq,
            at,
            fresh: age <= self.config.tell_within,
        };
        let again = self.desk.settle(key, &record, occasion).await?;
        Ok(again.map_or(Ok(()), |after| {
            Err(Failure::Retry {
                after: Some(after),
                reason: "people are not told yet".to_owned(),
            })
        }))
    }
}
