//! Decisions, acts and what waits for a yes.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{by_index, one};
use crate::app::App;
use crate::document as shape;
use crate::problem::Problem;
use crate::routes::page::{Page, Part};
use crate::routes::{Id, Sought};
use crate::store::Found;

/// What is wanted of decisions and acts.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct OfIncident {
    /// Only for that incident.
    incident: Option<String>,
}

/// What became of an ask.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ApprovalState {
    Open,
    Approved,
    Rejected,
    Expired,
}

impl ApprovalState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }
}

/// Which asks are wanted.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct InState {
    /// Only those of which that became.
    #[param(inline)]
    state: Option<ApprovalState>,
}

/// What policy said, the newest first.
#[utoipa::path(
    get, path = "/decisions", operation_id = "list_decisions", tag = "acts",
    params(OfIncident, Part),
    responses((status = 200, description = "The decisions.", body = Vec<shape::Decision>))
)]
pub(in crate::routes) async fn decisions(
    State(app): State<Arc<App>>,
    Sought(wanted): Sought<OfIncident>,
    page: Page,
) -> Result<Response, Problem> {
    let query = "SELECT * FROM views.decision
        WHERE ($1::text IS NULL OR incident = $1) AND ($2::text IS NULL OR idx < $2::bigint)
        ORDER BY idx DESC";
    by_index(&app, &page, query, vec![wanted.incident]).await
}

/// One decision.
#[utoipa::path(
    get, path = "/decisions/{id}", operation_id = "get_decision", tag = "acts",
    params(("id" = shape::EventId, Path, description = "The decision.")),
    responses((status = 200, description = "The decision.", body = shape::Decision))
)]
pub(in crate::routes) async fn decision(
    State(app): State<Arc<App>>,
    id: Id,
) -> Result<Found, Problem> {
    let query = "SELECT * FROM views.decision WHERE decision = $1";
    one(&app, query, id.0, "decision").await
}

/// Allowed acts and what became of them, the newest first.
#[utoipa::path(
    get, path = "/acts", operation_id = "list_acts", tag = "acts",
    params(OfIncident, Part),
    responses((status = 200, description = "The acts.", body = Vec<shape::Act>))
)]
pub(in crate::routes) async fn acts(
    State(app): State<Arc<App>>,
    Sought(wanted): Sought<OfIncident>,
    page: Page,
) -> Result<Response, Problem> {
    let query = "SELECT * FROM views.act
        WHERE ($1::text IS NULL OR incident = $1) AND ($2::text IS NULL OR idx < $2::bigint)
        ORDER BY idx DESC";
    by_index(&app, &page, query, vec![wanted.incident]).await
}

/// What waits or waited for a yes, the newest first.
#[utoipa::path(
    get, path = "/approvals", operation_id = "list_approvals", tag = "acts",
    params(InState, Part),
    responses((status = 200, description = "The asks.", body = Vec<shape::Approval>))
)]
pub(in crate::routes) async fn approvals(
    State(app): State<Arc<App>>,
    Sought(wanted): Sought<InState>,
    page: Page,
) -> Result<Response, Problem> {
    let query = "SELECT * FROM views.approval
        WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR idx < $2::bigint)
        ORDER BY idx DESC";
    let state = wanted.state.map(|state| state.as_str().to_owned());
    by_index(&app, &page, query, vec![state]).await
}
