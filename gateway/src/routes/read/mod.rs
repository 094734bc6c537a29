//! What people read: the views that the audit sink keeps. Times are RFC 3339, ids as everywhere.

pub(super) mod acts;
pub(super) mod audit;
pub(super) mod incidents;

use axum::response::Response;

use super::page::Page;
use crate::app::App;
use crate::problem::Problem;
use crate::store::Found;

/// A list that is in the order of the audit index, newest first. The query's last filter is the index
/// before which it goes on.
async fn by_index(
    app: &App,
    page: &Page,
    query: &'static str,
    mut filters: Vec<Option<String>>,
) -> Result<Response, Problem> {
    filters.push(page.before_index()?);
    let rows = app.store.rows(query, &filters, page.look_for()).await?;
    page.pass_on(&rows, |row| row["idx"].to_string())
}

/// The one row of a query.
async fn one(app: &App, query: &'static str, id: String, what: &str) -> Result<Found, Problem> {
    let rows = app.store.rows(query, &[Some(id)], 1).await?;
    let first = rows.first().cloned();
    first.ok_or_else(|| Problem::not_found(what))
}
