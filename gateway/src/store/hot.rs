//! Rows that were read since the log grew last: many who look at the same page at once are one query.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgListener, PgPool};
use tokio_util::sync::CancellationToken;

use super::row::Row;

/// Where the audit sink tells that the views have changed, in the transaction that changes them.
pub(crate) const CHANNEL: &str = "audit";
/// How long rows are used at most: some queries depend on the time.
const LONGEST: Duration = Duration::from_secs(1);
/// The most results that are kept.
const MAX_KEPT: usize = 256;
/// How long it waits before it listens again.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// A query, its filters and how many rows were wanted.
pub(super) type Question = (&'static str, Vec<Option<String>>, i64);

/// What was read, and when.
#[derive(Debug)]
struct Kept {
    generation: u64,
    at: Instant,
    rows: Arc<[Row]>,
}

/// The rows that are kept.
#[derive(Debug, Default)]
pub(super) struct Hot {
    /// Whether changes are heard of; nothing is kept otherwise.
    listening: AtomicBool,
    /// Rises with every change.
    generation: AtomicU64,
    kept: Mutex<BTreeMap<Question, Kept>>,
}

impl Hot {
    /// What is current now; rows that are read after it may be kept under it.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// The views have changed.
    pub(super) fn changed(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// The rows, if nothing has changed since they were read.
    pub(super) fn get(&self, question: &Question, now: Instant) -> Option<Arc<[Row]>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.get(question)?;
        let current = found.generation == self.generation()
            && now.duration_since(found.at) < LONGEST
            && self.listening.load(Ordering::SeqCst);
        current.then(|| Arc::clone(&found.rows))
    }

    /// Keeps rows that were read since `generation`.
    pub(super) fn put(&self, question: Question, generation: u64, at: Instant, rows: Arc<[Row]>) {
        if !self.listening.load(Ordering::SeqCst) {
            return;
        }
        let current = self.generation();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, found| {
            found.generation == current && at.duration_since(found.at) < LONGEST
        });
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        let found = Kept {
            generation,
            at,
            rows,
        };
        kept.insert(question, found);
    }

    /// Hears of changes until `stop`.
    pub(super) async fn listen(&self, pool: &PgPool, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            let heard = stop.run_until_cancelled(self.hear(pool)).await;
            self.listening.store(false, Ordering::SeqCst);
            if let Some(Err(error)) = heard {
                tracing::warn!(%error, "cannot hear of changes; nothing is kept meanwhile");
            }
            let pause = tokio::time::sleep(LISTEN_AGAIN);
            let _ = stop.run_until_cancelled(pause).await;
        }
    }

    async fn hear(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(CHANNEL).await?;
        // What was read before nobody heard of changes may be old.
        self.changed();
        self.listening.store(true, Ordering::SeqCst);
        // None: the connection was lost, and with it maybe a change.
        while listener.try_recv().await?.is_some() {
            self.changed();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_used_until_something_changes_or_they_are_old() {
        let hot = Hot::default();
        let question: Question = ("SELECT", vec![Some("open".to_owned())], 50);
        let start = Instant::now();
        let put = |generation| {
            let rows = Arc::from([Row::new("{}".to_owned())]);
            hot.put(question.clone(), generation, start, rows);
        };
        put(hot.generation());
        hot.listening.store(true, Ordering::SeqCst);
        assert!(hot.get(&question, start).is_none(), "nobody listened");
        put(hot.generation());
        assert!(hot.get(&question, start).is_some());
        assert!(hot.get(&("SELECT", vec![None], 50), start).is_none());
        assert!(hot.get(&question, start + LONGEST).is_none());
        hot.changed();
        assert!(hot.get(&question, start).is_none());
        // Changed while it was read: what was read is of before.
        let before = hot.generation();
        hot.changed();
        put(before);
        assert!(hot.get(&question, start).is_none());
    }
}
