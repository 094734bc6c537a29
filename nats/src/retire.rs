//! The end of streams that are to be made anew: nothing is accepted any more, who must have read them reads
//! to the end, then they are deleted. Provisioning makes them again, in another epoch.

use std::time::Duration;

use aegis_schemas::Stream;
use async_nats::jetstream::stream::Config;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::provision::{existing_epoch, make_stream};
use crate::topology::{Durable, Settings, declaration};
use crate::{Bus, Error};

const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Ends `streams`, all of them or none; answers the highest epoch of those that were there.
///
/// # Errors
///
/// When something of them is not read `within`: then they go on. Or when the server refuses.
pub async fn retire(
    bus: &Bus,
    settings: &Settings,
    streams: &[Stream],
    within: Duration,
) -> Result<Option<u16>, Error> {
    let mut there = Vec::new();
    for stream in streams {
        if let Some(epoch) = existing_epoch(bus, *stream).await? {
            there.push((*stream, epoch));
        }
    }
    let ended = async {
        for (stream, epoch) in &there {
            // Who publishes finds nobody there and tries again until the new stream is.
            let closed = Config {
                subjects: vec![format!("aegis.closed.{stream}")],
                ..declaration(*stream, settings, *epoch)
            };
            make_stream(bus, &closed, true).await?;
        }
        let end = Instant::now() + within;
        for (stream, _) in &there {
            read_to_the_end(bus, *stream, end).await?;
        }
        Ok(())
    };
    if let Err(error) = ended.await {
        for (stream, epoch) in &there {
            make_stream(bus, &declaration(*stream, settings, *epoch), true).await?;
        }
        return Err(error);
    }
    for (stream, _) in &there {
        let _: Value = bus
            .call(&format!("STREAM.DELETE.{stream}"), &json!({}))
            .await?;
    }
    Ok(there.into_iter().map(|(_, epoch)| epoch).max())
}

/// Who must have read all of a stream before it may go. What was accepted from outside is promised to get
/// further than the record; a core's own state ends with its stream.
fn readers(stream: Stream) -> Vec<Durable> {
    let mut readers = vec![Durable::audit_sink(stream)];
    if stream == Stream::Intake {
        readers.push(Durable::ingest());
    }
    readers
}

async fn read_to_the_end(bus: &Bus, stream: Stream, end: Instant) -> Result<(), Error> {
    for durable in readers(stream) {
        loop {
            let left = bus.backlog(&durable).await?.left();
            if left == 0 {
                break;
            }
            if Instant::now() >= end {
                return Err(Error::Settings(format!(
                    "{left} messages of {stream} were not read by `{}` yet and would be lost: let it run \
                     (`aegis run audit-sink`, for AEGIS_INTAKE `aegis run ingest` too) and try again; the \
                     stream goes on as it was",
                    durable.name
                )));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    Ok(())
}
