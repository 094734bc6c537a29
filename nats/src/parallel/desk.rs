//! Who is in hand, who waits behind whom.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_nats::jetstream::AckKind;
use futures::FutureExt;
use tokio::task::JoinError;

use super::Handler;
use crate::failpoint::{Point, pass};
use crate::receive::Received;
use crate::topology::Durable;
use crate::{Bus, Failure, dead_letters, metrics, trace};

/// The lanes: what waits in each behind the one in hand.
pub(super) struct Desk<H> {
    shared: Arc<Shared<H>>,
    lanes: HashMap<String, Lane>,
}

struct Lane {
    in_hand: Arc<Received>,
    waiting: VecDeque<Arc<Received>>,
}

struct Shared<H> {
    bus: Bus,
    durable: Durable,
    handler: H,
}

impl<H: Handler> Desk<H> {
    pub(super) fn new(bus: Bus, durable: Durable, handler: H) -> Self {
        Self {
            shared: Arc::new(Shared {
                bus,
                durable,
                handler,
            }),
            lanes: HashMap::new(),
        }
    }

    /// Takes a message; the work to begin, unless its lane is busy.
    pub(super) fn take(
        &mut self,
        received: Received,
    ) -> Option<impl Future<Output = String> + Send + use<H>> {
        let received = Arc::new(received);
        let lane = self.shared.handler.lane(&received.delivery);
        if let Some(busy) = self.lanes.get_mut(&lane) {
            busy.waiting.push_back(received);
            return None;
        }
        let begun = Lane {
            in_hand: Arc::clone(&received),
            waiting: VecDeque::new(),
        };
        self.lanes.insert(lane.clone(), begun);
        Some(work(Arc::clone(&self.shared), lane, received))
    }

    /// A piece of work ended; the next one of its lane.
    pub(super) fn done(
        &mut self,
        done: Result<String, JoinError>,
    ) -> Option<impl Future<Output = String> + Send + use<H>> {
        // Panics of handlers are caught within the work.
        let lane = done.ok()?;
        let next = self.lanes.get_mut(&lane)?.waiting.pop_front();
        let Some(next) = next else {
            self.lanes.remove(&lane);
            return None;
        };
        if let Some(busy) = self.lanes.get_mut(&lane) {
            busy.in_hand = Arc::clone(&next);
        }
        Some(work(Arc::clone(&self.shared), lane, next))
    }

    /// Everything that is held stays ours.
    pub(super) async fn say_progress(&self) {
        for lane in self.lanes.values() {
            for held in std::iter::once(&lane.in_hand).chain(&lane.waiting) {
                say(held, AckKind::Progress).await;
            }
        }
    }

    /// Others may have what was not begun.
    pub(super) async fn give_back_waiting(&mut self) {
        for lane in self.lanes.values_mut() {
            for held in lane.waiting.drain(..) {
                say(&held, AckKind::Nak(None)).await;
            }
        }
    }
}

/// Handles one message within its trace; answers with its lane.
async fn work<H: Handler>(shared: Arc<Shared<H>>, lane: String, received: Arc<Received>) -> String {
    let work = settle(&shared, &received);
    let consumer = &shared.durable.name;
    trace::process(&shared.bus, consumer, &received.delivery, work).await;
    lane
}

/// Handles one message and says what became of it.
async fn settle<H: Handler>(shared: &Shared<H>, received: &Received) {
    let delivery = &received.delivery;
    let durable = &shared.durable;
    pass(Point::Received);
    let handling = AssertUnwindSafe(shared.handler.handle(delivery));
    let result = handling
        .catch_unwind()
        .await
        .unwrap_or_else(|_| Err(Failure::reject("the handler panicked")));
    let last = durable
        .max_deliver
        .is_some_and(|most| delivery.attempt >= most);
    let refused = match result {
        Ok(()) => {
            pass(Point::Stored);
            metrics::handled(&durable.name, delivery.seq, "ok");
            say(received, AckKind::Ack).await;
            return;
        }
        Err(Failure::Retry { after, reason }) if !last => {
            metrics::handled(&durable.name, delivery.seq, "retry");
            let after = after.unwrap_or_else(|| durable.delay(delivery.attempt));
            tracing::warn!(
                consumer = durable.name,
                seq = delivery.seq,
                attempt = delivery.attempt,
                reason,
                ?after,
                "message is tried again"
            );
            say(received, AckKind::Nak(Some(after))).await;
            return;
        }
        Err(Failure::Retry { reason, .. }) => {
            format!("given up after {} tries: {reason}", delivery.attempt)
        }
        Err(Failure::Reject { reason }) => reason,
    };
    trace::refused(&refused);
    match dead_letters::write(&shared.bus, &durable.name, delivery, &refused).await {
        Ok(()) => {
            metrics::handled(&durable.name, delivery.seq, "rejected");
            say(received, AckKind::Term).await;
        }
        Err(error) => {
            tracing::error!(%error, seq = delivery.seq, "a refused message cannot be kept");
        }
    }
}

async fn say(received: &Received, kind: AckKind) {
    if let Err(error) = received.acker.ack_with(kind).await {
        tracing::debug!(%error, "cannot acknowledge");
    }
}
