//! The floor under every latency: messages that are stored and read, one after the other, with nobody
//! thinking in between. What the pipeline takes is measured against it.

use std::time::{Duration, Instant};

use aegis_schemas::header::Meta;
use aegis_schemas::{EventId, Subject, Timestamp};
use bytes::Bytes;

use crate::receive::Receiver;
use crate::topology::Durable;
use crate::{Bus, Error};

/// How long one hop may take.
const WITHIN: Duration = Duration::from_secs(10);

/// One arrow: who says how much to whom.
#[derive(Clone, Debug)]
pub struct Hop {
    /// Who says it.
    pub from: Bus,
    /// Where.
    pub subject: Subject,
    /// How long the body is.
    pub bytes: usize,
    /// Who reads it.
    pub to: Bus,
    /// With which consumer.
    pub durable: Durable,
}

struct Arrow {
    hop: Hop,
    receiver: Receiver,
    body: Bytes,
}

/// A chain of hops on a provisioned server that nobody else reads from.
pub struct Floor {
    arrows: Vec<Arrow>,
    said: u64,
}

impl Floor {
    /// Over those hops, the first one first.
    #[must_use]
    pub fn new(hops: Vec<Hop>) -> Self {
        let arrows = hops.into_iter().map(|hop| Arrow {
            receiver: Receiver::new(hop.to.clone(), hop.durable.clone()),
            // Not one byte again and again: streams are compressed.
            body: (0..hop.bytes).map(|at| (at * 131 % 251) as u8).collect(),
            hop,
        });
        Self {
            arrows: arrows.collect(),
            said: 0,
        }
    }

    /// Sends one message down the chain; answers how long it took until the last one was stored and read.
    ///
    /// # Errors
    ///
    /// When a message is not stored or does not arrive.
    pub async fn sample(&mut self) -> Result<Duration, Error> {
        let begun = Instant::now();
        for (place, arrow) in self.arrows.iter_mut().enumerate() {
            self.said += 1;
            let id = EventId::of_content("floor", &self.said.to_be_bytes());
            let meta = Meta {
                id,
                kind: "floor".to_owned(),
                source: format!("floor/{place}"),
                time: Timestamp::EPOCH,
                cause: None,
                origin: None,
                traceparent: None,
            };
            let publisher = arrow.hop.from.publisher();
            let stored =
                publisher.publish(&arrow.hop.subject, &meta, arrow.body.clone(), Some(WITHIN));
            let arrived = tokio::time::timeout(WITHIN, arrival(&mut arrow.receiver, id));
            let (stored, arrived) = tokio::join!(stored, arrived);
            stored?;
            arrived.map_err(|_| Error::NoAnswer {
                subject: arrow.hop.subject.to_string(),
                reason: "the message did not arrive".to_owned(),
            })?;
        }
        Ok(begun.elapsed())
    }
}

/// Waits for that message; others were there before.
async fn arrival(receiver: &mut Receiver, id: EventId) {
    loop {
        let received = receiver.next().await;
        // One that is lost comes again and is passed over again.
        let _ = received.acker.ack().await;
        if received.delivery.meta().is_ok_and(|meta| meta.id == id) {
            return;
        }
    }
}
