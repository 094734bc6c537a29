//! Who may do what only one process shall do at a time.
//!
//! A lease is a key that its holder writes anew every second. Others take it when its revision stood
//! still for three seconds of their own monotonic clock; wall clocks do not matter. Nothing's safety
//! rests on it: two holders say the same things with the same ids. But a process that stood still for
//! minutes knows by its own clock, before anybody tells it, that it holds nothing any more.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::kv::store::{Entry, Store};
use crate::topology::Bucket;
use crate::{Bus, Error, metrics};

const RENEW: Duration = Duration::from_secs(1);
const STALE: Duration = Duration::from_secs(3);
/// A holder that cannot renew gives up before others take over.
const GIVE_UP: Duration = Duration::from_millis(2_500);
const POLL: Duration = Duration::from_millis(300);

/// A lease that is held; dropping it stops the renewal, so that it goes stale.
#[derive(Debug)]
pub struct Lease {
    store: Store,
    key: String,
    name: String,
    hold: Hold,
    end: CancellationToken,
    renewal: JoinHandle<Option<u64>>,
    _end_on_drop: DropGuard,
}

/// Whether a lease is held; clones are about the same lease.
#[derive(Clone, Debug)]
pub struct Hold {
    lost: CancellationToken,
    /// When the last renewal that succeeded was begun.
    renewed: watch::Receiver<Instant>,
}

impl Hold {
    /// Waits until the lease is known to be lost.
    pub async fn ended(&self) {
        self.lost.cancelled().await;
    }

    /// Whether it may be somebody else's at this moment. Asked before each effect, it keeps a process
    /// that stood still from having one before its renewal finds out.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.lost.is_cancelled() || self.renewed.borrow().elapsed() >= GIVE_UP
    }

    /// Gives up: somebody else does its work.
    pub(crate) fn give_up(&self) {
        self.lost.cancel();
    }
}

impl Lease {
    /// Waits until the lease `name` of this service is free and takes it; `None` when `stop` came first.
    ///
    /// # Errors
    ///
    /// When the server refuses the requests; while it is away, this waits.
    pub async fn acquire(
        bus: &Bus,
        name: &str,
        stop: &CancellationToken,
    ) -> Result<Option<Self>, Error> {
        let store = Store::new(bus.clone(), Bucket::State);
        let key = format!("{}.{name}.lease", bus.service());
        let holder = Bytes::from(data_encoding::HEXLOWER.encode(&crate::random::bits()));
        let mut seen: Option<(u64, Instant)> = None;
        let mut said = false;
        let (revision, begun) = loop {
            if stop.is_cancelled() {
                return Ok(None);
            }
            let begun = Instant::now();
            match attempt(&store, &key, &holder, &mut seen).await {
                Ok(Some(revision)) => break (revision, begun),
                Ok(None) => {
                    if !said {
                        tracing::info!(lease = name, "standing by: somebody else holds the lease");
                        said = true;
                    }
                }
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, lease = name, "cannot ask for the lease");
                }
                Err(error) => return Err(error),
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(None),
                () = tokio::time::sleep(POLL) => {}
            }
        };
        tracing::info!(lease = name, revision, "took the lease");
        metrics::lease_held(name, true);
        let lost = CancellationToken::new();
        let (renewed, seen) = watch::channel(begun);
        let end = CancellationToken::new();
        let renewal = Renewal {
            store: store.clone(),
            key: key.clone(),
            name: name.to_owned(),
            holder,
            revision,
            renewed,
            lost: lost.clone(),
            end: end.clone(),
        };
        Ok(Some(Self {
            store,
            key,
            name: name.to_owned(),
            hold: Hold {
                lost,
                renewed: seen,
            },
            _end_on_drop: end.clone().drop_guard(),
            end,
            renewal: tokio::spawn(renewal.run()),
        }))
    }

    /// Whether it is held.
    #[must_use]
    pub const fn hold(&self) -> &Hold {
        &self.hold
    }

    /// Gives the lease back, so that others need not wait until it is stale.
    pub async fn release(mut self) {
        self.end.cancel();
        let revision = (&mut self.renewal).await.ok().flatten();
        if let Some(revision) = revision {
            let released = self.store.update(&self.key, revision, Bytes::new()).await;
            if let Err(error) = released {
                tracing::warn!(%error, lease = self.name, "cannot give the lease back");
            }
        }
        metrics::lease_held(&self.name, false);
    }
}

/// One look at the key; takes it when it is free, given back or stale.
async fn attempt(
    store: &Store,
    key: &str,
    holder: &Bytes,
    seen: &mut Option<(u64, Instant)>,
) -> Result<Option<u64>, Error> {
    let Some(Entry {
        revision, value, ..
    }) = store.get(key).await?
    else {
        return store.create(key, holder.clone()).await;
    };
    let since = match *seen {
        Some((last, since)) if last == revision => since,
        _ => Instant::now(),
    };
    *seen = Some((revision, since));
    // An answer that was lost on the way may have given it to us already.
    let free = value.is_empty() || value == *holder;
    if !free && since.elapsed() < STALE {
        return Ok(None);
    }
    match store.update(key, revision, holder.clone()).await {
        Err(Error::Conflict(_)) => Ok(None),
        result => result.map(Some),
    }
}

struct Renewal {
    store: Store,
    key: String,
    name: String,
    holder: Bytes,
    revision: u64,
    renewed: watch::Sender<Instant>,
    lost: CancellationToken,
    end: CancellationToken,
}

impl Renewal {
    /// Renews until it is told to end (then the last revision) or the lease is lost (then nothing).
    async fn run(mut self) -> Option<u64> {
        loop {
            tokio::select! {
                () = self.end.cancelled() => return Some(self.revision),
                () = tokio::time::sleep(RENEW) => {}
            }
            let begun = Instant::now();
            let held = tokio::time::timeout(RENEW, self.renew()).await;
            match held {
                Ok(Ok(true)) => {
                    self.renewed.send_replace(begun);
                }
                Ok(Ok(false)) => return self.lose("somebody else took it"),
                Ok(Err(_)) | Err(_) if self.renewed.borrow().elapsed() < GIVE_UP => {}
                Ok(Err(_)) | Err(_) => return self.lose("it could not be renewed"),
            }
        }
    }

    async fn renew(&mut self) -> Result<bool, Error> {
        let holder = self.holder.clone();
        match self.store.update(&self.key, self.revision, holder).await {
            Ok(revision) => {
                self.revision = revision;
                Ok(true)
            }
            Err(Error::Conflict(_)) => {
                // The answer to our own last renewal may have been lost.
                let entry = self.store.get(&self.key).await?;
                let own = entry.filter(|entry| entry.value == self.holder);
                let held = own.is_some();
                self.revision = own.map_or(self.revision, |entry| entry.revision);
                Ok(held)
            }
            Err(error) => Err(error),
        }
    }

    fn lose(&self, reason: &str) -> Option<u64> {
        tracing::warn!(lease = self.name, reason, "lost the lease");
        metrics::lease_held(&self.name, false);
        self.lost.cancel();
        None
    }
}
