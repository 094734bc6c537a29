//! The views that the audit sink keeps, as JSON.

use std::sync::Arc;
use std::time::Instant;

use aegis_schemas::EventId;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgListener;
use sqlx::{AssertSqlSafe, PgConnection, Postgres};
use tokio_util::sync::CancellationToken;

use super::Store;
use super::hot::CHANNEL;
use super::row::Row;

impl Store {
    /// Hears of changes of the views until `stop`; nothing that was read is kept without it.
    pub(crate) async fn listen(&self, stop: &CancellationToken) {
        self.hot.listen(&self.listeners, stop).await;
    }

    /// The rows of a query on the views as JSON objects, at most `limit`; from memory if nothing has changed
    /// since they were read.
    pub(crate) async fn rows(
        &self,
        query: &'static str,
        filters: &[Option<String>],
        limit: i64,
    ) -> Result<Arc<[Row]>, sqlx::Error> {
        let (now, generation) = (Instant::now(), self.hot.generation());
        let question = (query, filters.to_vec(), limit);
        if let Some(rows) = self.hot.get(&question, now) {
            return Ok(rows);
        }
        let rows: Arc<[Row]> = self.fresh(query, filters, limit).await?.into();
        self.hot.put(question, generation, now, Arc::clone(&rows));
        Ok(rows)
    }

    /// As [`Store::rows`], never from memory.
    pub(crate) async fn fresh(
        &self,
        query: &'static str,
        filters: &[Option<String>],
        limit: i64,
    ) -> Result<Vec<Row>, sqlx::Error> {
        ask(&mut *self.pool.acquire().await?, query, filters, limit).await
    }

    /// A connection for whoever has several questions.
    pub(crate) async fn reading(&self) -> Result<Reading, sqlx::Error> {
        Ok(Reading(self.pool.acquire().await?))
    }

    /// As [`Store::rows`], each as a `T` and never from memory.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        query: &'static str,
        filters: &[Option<String>],
        limit: i64,
    ) -> Result<Vec<T>, sqlx::Error> {
        self.reading().await?.read(query, filters, limit).await
    }

    /// The first row of a query as a `T`.
    pub(crate) async fn read_one<T: DeserializeOwned>(
        &self,
        query: &'static str,
        filters: &[Option<String>],
    ) -> Result<Option<T>, sqlx::Error> {
        self.reading().await?.read_one(query, filters).await
    }

    /// A listener for what the audit sink says is new.
    pub(crate) async fn news(&self) -> Result<PgListener, sqlx::Error> {
        let mut listener = PgListener::connect_with(&self.listeners).await?;
        listener.listen(CHANNEL).await?;
        Ok(listener)
    }

    /// The index of the log's last entry; -1 of an empty log.
    pub(crate) async fn head(&self) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar("SELECT size - 1 FROM audit.audit_head")
            .fetch_one(&self.pool)
            .await
    }

    /// What policy said to the event `cause`.
    pub(crate) async fn decision_of(&self, cause: EventId) -> Result<Option<Value>, sqlx::Error> {
        let cause = [Some(cause.to_string())];
        let found = self.read(crate::routes::DECISION_OF, &cause, 1).await?;
        if !found.is_empty() {
            // Whoever waited for it sees it in whatever they read next, heard of or not.
            self.hot.changed();
        }
        Ok(found.into_iter().next())
    }
}

/// One connection for all questions of a page: it is waited for, and tried, once. Whoever holds it asks the
/// store for nothing else: if all did, all would wait for each other.
pub(crate) struct Reading(PoolConnection<Postgres>);

impl Reading {
    /// The rows of a query, each as a `T`, at most `limit`.
    pub(crate) async fn read<T: DeserializeOwned>(
        &mut self,
        query: &'static str,
        filters: &[Option<String>],
        limit: i64,
    ) -> Result<Vec<T>, sqlx::Error> {
        let rows = ask(&mut self.0, query, filters, limit).await?;
        rows.iter().map(Row::read).collect()
    }

    /// The first row of a query as a `T`.
    pub(crate) async fn read_one<T: DeserializeOwned>(
        &mut self,
        query: &'static str,
        filters: &[Option<String>],
    ) -> Result<Option<T>, sqlx::Error> {
        Ok(self.read(query, filters, 1).await?.into_iter().next())
    }
}

async fn ask(
    connection: &mut PgConnection,
    query: &'static str,
    filters: &[Option<String>],
    limit: i64,
) -> Result<Vec<Row>, sqlx::Error> {
    // A constant around a constant: no input becomes SQL.
    let sql = AssertSqlSafe(format!(
        "SELECT to_jsonb(found)::text FROM ({query}) AS found LIMIT {}",
        limit.clamp(1, 1_000)
    ));
    let mut prepared = sqlx::query_scalar::<_, String>(sql);
    for filter in filters {
        prepared = prepared.bind(filter.clone());
    }
    let rows = prepared.fetch_all(connection).await?;
    Ok(rows.into_iter().map(Row::new).collect())
}
