//! The end of a stream that is to be made anew: nothing is accepted any more, the audit sink reads to the
//! end, then it is deleted. Provisioning makes it again, in another epoch.

use std::time::Duration;

use aegis_schemas::Stream;
use async_nats::jetstream::stream::Config;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::provision::{existing_epoch, make_stream, stream_config};
use crate::topology::Durable;
use crate::{Backlog, Bus, Error};

const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Ends `stream`; answers its epoch, or nothing when it is not there.
///
/// # Errors
///
/// When the audit sink has not stored everything `within`: then the stream goes on as it was. Or when the
/// server refuses.
pub async fn retire(bus: &Bus, stream: Stream, within: Duration) -> Result<Option<u16>, Error> {
    let Some(epoch) = existing_epoch(bus, stream).await? else {
        return Ok(None);
    };
    let Some(open) = stream_config(bus, stream.name()).await? else {
        return Ok(None);
    };
    // Who publishes finds nobody there and tries again until the new stream is.
    let closed = Config {
        subjects: vec![format!("aegis.closed.{stream}")],
        ..open.clone()
    };
    make_stream(bus, &closed, true).await?;
    let read = read_to_the_end(bus, stream, within).await;
    if let Ok(Backlog {
        unread: 0,
        unacknowledged: 0,
    }) = read
    {
        let _: Value = bus
            .call(&format!("STREAM.DELETE.{stream}"), &json!({}))
            .await?;
        return Ok(Some(epoch));
    }
    make_stream(bus, &open, true).await?;
    let Backlog {
        unread,
        unacknowledged,
    } = read?;
    Err(Error::Settings(format!(
        "{} messages of {stream} are not on record yet and would be lost: let the audit sink run \
         (`aegis run audit-sink`) and try again; the stream goes on as it was",
        unread + unacknowledged as u64
    )))
}

/// What the audit sink has before it when it has read all, or the time is over.
async fn read_to_the_end(bus: &Bus, stream: Stream, within: Duration) -> Result<Backlog, Error> {
    let end = Instant::now() + within;
    loop {
        let backlog = bus.backlog(&Durable::audit_sink(stream)).await?;
        let done = backlog.unread == 0 && backlog.unacknowledged == 0;
        if done || Instant::now() >= end {
            return Ok(backlog);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
