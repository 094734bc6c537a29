//! Follows the log by index and sends what is new.

use std::time::Duration;

use aegis_nats::retry::Backoff;
use aegis_schemas::Timestamp;
use sqlx::Row as _;
use sqlx::postgres::{PgPool, PgPoolOptions, PgRow};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::client::{Client, Pushed};
use super::{Line, line};
use crate::health::wall_clock;
use crate::sequencer::Head;
use crate::{Error, database, metrics};

/// How many entries are read at once; some are 256 KiB large.
const ENTRIES: i64 = 500;
/// Loki takes 4 MiB at once, and so much each second, unless it is told otherwise.
const MAX_PUSH: usize = 1 << 20;
/// Longer than Loki has ever to be waited for.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Sends the log to Loki.
pub(crate) struct Follower<'a> {
    pub(crate) client: &'a Client,
    pub(crate) log: &'a str,
    pub(crate) database_url_file: &'a std::path::Path,
    pub(crate) heads: watch::Receiver<Head>,
}

impl Follower<'_> {
    /// Sends what is committed until `stop`. Whatever fails is said and tried again; nobody waits for it.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        metrics::copying_to_loki();
        let mut backoff = Backoff::standard();
        loop {
            let work = self.follow(&mut backoff);
            match stop.run_until_cancelled(work).await {
                None => return,
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    tracing::warn!(%error, "cannot read the log for Loki, trying again");
                    let pause = tokio::time::sleep(backoff.delay());
                    let _ = stop.run_until_cancelled(pause).await;
                }
            }
        }
    }

    async fn follow(&mut self, backoff: &mut Backoff) -> Result<(), Error> {
        let url = database::read_url(self.database_url_file)?;
        let options = database::options(&url)?;
        let pool = PgPoolOptions::new().max_connections(1);
        let pool = pool.connect_with(options).await?;
        let target = self.client.target();
        let mut next = next_of(&pool, &target).await?.unwrap_or(0);
        tracing::info!(target, next, "the log is copied to Loki");
        loop {
            let lines = read(&pool, self.log, next).await?;
            if lines.is_empty() {
                metrics::copied_to_loki(0, Duration::ZERO);
                // The writer is gone when this ends; `stop` follows.
                let grown = self.heads.wait_for(|head| head.size > next.cast_unsigned());
                if grown.await.is_err() {
                    std::future::pending::<()>().await;
                }
                continue;
            }
            for batch in batches(&lines) {
                self.deliver(batch, next, backoff).await;
                next += i64::try_from(batch.len()).expect("a few hundred");
                keep(&pool, &target, next).await?;
                backoff.reset();
            }
        }
    }

    /// Sends lines, the first of which is entry `next`, until Loki has all that it will ever take.
    async fn deliver(&self, lines: &[Line], next: i64, backoff: &mut Backoff) {
        // Loki says of a whole push that something in it is wrong: halves find out what.
        let mut parts = vec![lines];
        while let Some(part) = parts.pop() {
            self.measure(next, part);
            match self.client.push(part).await {
                Pushed::Stored => metrics::loki_push("stored", part.len()),
                Pushed::Later(error, after) => {
                    metrics::loki_push("later", 0);
                    let wait = after.unwrap_or_else(|| backoff.delay()).min(MAX_WAIT);
                    tracing::warn!(error, ?wait, "Loki takes nothing now, trying again");
                    tokio::time::sleep(wait).await;
                    parts.push(part);
                }
                Pushed::Never(error) => match part {
                    [line] => {
                        metrics::loki_push("refused", 1);
                        let entry = &line.metadata;
                        tracing::error!(error, ?entry, "Loki refuses an entry, it is left out");
                    }
                    part => {
                        metrics::loki_push("split", 0);
                        let (left, right) = part.split_at(part.len() / 2);
                        parts.extend([right, left]);
                    }
                },
            }
        }
    }

    /// How far behind the copy is.
    fn measure(&self, next: i64, lines: &[Line]) {
        let head = self.heads.borrow().size;
        let oldest = lines.first().map_or(Timestamp::EPOCH, |line| line.at);
        metrics::copied_to_loki(
            head.saturating_sub(next.cast_unsigned()),
            wall_clock().since(oldest),
        );
    }
}

/// Cuts where a push would become too large.
fn batches(lines: &[Line]) -> Vec<&[Line]> {
    let mut batches = Vec::new();
    let (mut begin, mut bytes) = (0, 0);
    for (at, line) in lines.iter().enumerate() {
        if at > begin && bytes + line.text.len() > MAX_PUSH {
            batches.push(&lines[begin..at]);
            (begin, bytes) = (at, 0);
        }
        bytes += line.text.len();
    }
    batches.push(&lines[begin..]);
    batches
}

/// Where the copy at `target` goes on: every entry below was sent.
pub(super) async fn next_of(pool: &PgPool, target: &str) -> Result<Option<i64>, Error> {
    Ok(
        sqlx::query_scalar("SELECT next FROM audit.copy WHERE target = $1")
            .bind(target)
            .fetch_optional(pool)
            .await?,
    )
}

async fn keep(pool: &PgPool, target: &str, next: i64) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO audit.copy (target, next) VALUES ($1, $2)
         ON CONFLICT (target) DO UPDATE SET next = excluded.next",
    )
    .bind(target)
    .bind(next)
    .execute(pool)
    .await?;
    Ok(())
}

/// The lines of the entries from `next` on.
pub(super) async fn read(pool: &PgPool, log: &str, next: i64) -> Result<Vec<Line>, Error> {
    let rows = sqlx::query(
        "SELECT idx, leaf FROM audit.audit_entry WHERE idx >= $1 ORDER BY idx LIMIT $2",
    )
    .bind(next)
    .bind(ENTRIES)
    .fetch_all(pool)
    .await?;
    rows.iter().map(|row| of_row(log, row)).collect()
}

fn of_row(log: &str, row: &PgRow) -> Result<Line, Error> {
    let idx = row.try_get::<i64, _>("idx")?.cast_unsigned();
    line(log, idx, row.try_get("leaf")?).map_err(|reason| Error::Unreadable { idx, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_push_is_too_large_and_none_is_empty() {
        let lines: Vec<Line> = [10, MAX_PUSH - 10, 1, MAX_PUSH + 5, 7]
            .into_iter()
            .map(|length| Line {
                labels: String::new(),
                at: Timestamp::EPOCH,
                text: "x".repeat(length),
                metadata: Vec::new(),
            })
            .collect();
        let cut: Vec<usize> = batches(&lines).iter().map(|batch| batch.len()).collect();
        assert_eq!(cut, [2, 1, 1, 1]);
    }
}
