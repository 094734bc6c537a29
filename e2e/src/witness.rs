//! A system outside of Aegis that hands events in and remembers which of them it was told are stored.

use std::time::Duration;

use aegis_nats::{Bus, Service};
use aegis_schemas::header::Meta;
use aegis_schemas::signal::LogRates;
use aegis_schemas::{Entity, Event, EventId, Kind, Signal, SignalBody, Subject, Timestamp};
use anyhow::{Context, Result};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::Stack;

/// Time between two events.
const EVERY: Duration = Duration::from_millis(100);
/// How long one event is tried; nobody knows what became of it then, so it is not counted.
const PATIENCE: Duration = Duration::from_secs(20);
/// What it hands in is about this entity, which is in no scenario.
const ABOUT: &str = "demo/shop/deployment/witness";

/// An event that was accepted.
#[derive(Clone, Copy, Debug)]
pub struct Accepted {
    /// Its id.
    pub id: EventId,
    /// Where AEGIS_INTAKE keeps it.
    pub seq: u64,
}

impl Accepted {
    /// The id of what ingest makes of it.
    #[must_use]
    pub fn becomes(&self) -> EventId {
        EventId::of_content("intake/gateway", self.id.to_string().as_bytes())
    }
}

/// Hands in events, one after the other, until it is asked what was accepted.
#[derive(Debug)]
pub struct Witness {
    stop: CancellationToken,
    task: JoinHandle<Result<Vec<Accepted>>>,
}

impl Witness {
    /// Begins, with the gateway's place on the bus.
    ///
    /// # Errors
    ///
    /// When the bus does not take it.
    pub async fn begin(stack: &Stack) -> Result<Self> {
        let bus = stack.bus(Service::Gateway).await?;
        let stop = CancellationToken::new();
        let task = tokio::spawn(hand_in(bus, stop.clone()));
        Ok(Self { stop, task })
    }

    /// Ends; answers what was accepted.
    ///
    /// # Errors
    ///
    /// When an event was refused.
    pub async fn end(self) -> Result<Vec<Accepted>> {
        self.stop.cancel();
        self.task.await.context("the witness failed")?
    }
}

async fn hand_in(bus: Bus, stop: CancellationToken) -> Result<Vec<Accepted>> {
    let publisher = bus.publisher();
    let subject = Subject::intake("gateway", "signals")?;
    let about: Entity = ABOUT.parse()?;
    let mut accepted = Vec::new();
    for number in 0_u64.. {
        let body = Event::Signal(Signal {
            entity: about.clone(),
            observed: Timestamp::EPOCH,
            source: "witness".to_owned(),
            // The one kind that other systems may hand in and no core decides by.
            body: SignalBody::LogRates(LogRates {
                // Any that may be handed in: what differs is the id.
                interval_ms: 1 + number % 60_000,
                ..LogRates::default()
            }),
        })
        .encode()?;
        let meta = Meta {
            id: EventId::of_content("witness", &number.to_be_bytes()),
            kind: Kind::Signal.as_str().to_owned(),
            source: "gateway/witness".to_owned(),
            time: Timestamp::EPOCH,
            cause: None,
            origin: None,
            traceparent: None,
        };
        match publisher
            .publish(&subject, &meta, body.into(), Some(PATIENCE))
            .await
        {
            Ok(stored) => accepted.push(Accepted {
                id: meta.id,
                seq: stored.seq,
            }),
            Err(aegis_nats::PublishError::Unavailable) => {}
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
    Ok(accepted)
}
