//! AEGIS_INTAKE to the log.

use std::time::Duration;

use aegis_nats::parallel::Handler;
use aegis_nats::{Delivery, Failure, PublishError};
use aegis_schemas::{Event, SignalBody, codec};
use tokio_util::sync::CancellationToken;

use crate::intake::{id, publisher, read};
use crate::log_rates;
use crate::metrics::{self, From};
use crate::shared::Shared;

/// Checks what is handed in and puts it on the log.
pub(crate) struct Intake {
    pub(crate) shared: Shared,
    pub(crate) stop: CancellationToken,
}

impl Handler for Intake {
    fn lane(&self, delivery: &Delivery) -> String {
        publisher(delivery).to_owned()
    }

    async fn handle(&self, delivery: &Delivery) -> Result<(), Failure> {
        let again = || Failure::Retry {
            after: Some(Duration::from_secs(1)),
            reason: "ingest is stopping".to_owned(),
        };
        let shared = &self.shared;
        let event = read(delivery, &shared.config)?;
        // A closed gate is no fault of the message: it waits here, where its tries are not counted.
        tokio::select! {
            () = self.stop.cancelled() => return Err(again()),
            () = shared.gate.opened() => {}
        }
        let count = match &event {
            Event::Metric(batch) => batch.samples(),
            _ => 0,
        };
        let samples = match &event {
            Event::Signal(signal) => match &signal.body {
                SignalBody::LogRates(rates) => {
                    log_rates::samples(&signal.entity, &signal.source, rates, delivery.time)
                }
                _ => None,
            },
            _ => None,
        };
        let store = async {
            // Before the event itself: both are stored again if either fails, under the same ids.
            let samples = samples.into_iter().collect();
            shared.outbox.batches(samples, delivery.time, None).await?;
            shared
                .outbox
                .handed_in(&event, id(delivery), delivery.time)
                .await
        };
        let stored = tokio::select! {
            () = self.stop.cancelled() => return Err(again()),
            stored = store => stored,
        };
        match stored {
            Ok(()) => {
                let source = format!("intake/{}", publisher(delivery));
                shared.lives.delivered(&source, delivery.time);
                metrics::samples(From::Intake, "taken", count);
                Ok(())
            }
            Err(PublishError::TooLarge(size)) => Err(Failure::reject(format!(
                "the message takes {size} bytes, at most {} are stored",
                codec::MAX_BODY
            ))),
            Err(error) => Err(Failure::retry(error.to_string())),
        }
    }
}
