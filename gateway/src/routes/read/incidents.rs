//! Incidents, and what happened in one.

use std::sync::Arc;

use aegis_schemas::{IncidentId, Severity, Timestamp};
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::one;
use crate::app::App;
use crate::document as shape;
use crate::problem::Problem;
use crate::routes::page::{Page, Part, no_cursor};
use crate::routes::{Id, Sought};
use crate::store::{self, Found};

/// Incidents by state, severity, kind, namespace, entity and since when, after a place in the list.
pub(crate) const INCIDENTS: &str = "SELECT * FROM views.incident
    WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR severity = $2)
      AND ($3::text IS NULL OR kind = $3) AND ($4::text IS NULL OR namespace = $4)
      AND ($5::text IS NULL OR entity = $5)
      AND ($6::text IS NULL OR opened_at >= $6::timestamptz)
      AND ($7::text IS NULL OR (opened_at, incident) < ($7::timestamptz, $8))
    ORDER BY opened_at DESC, incident DESC";
pub(crate) const INCIDENT: &str = "SELECT * FROM views.incident WHERE incident = $1";
/// The most lines of a story.
const MAX_LINES: i64 = 1_000;

/// Where an incident is in its life.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum IncidentState {
    Open,
    Resolved,
}

/// Which incidents are wanted.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Only open or only resolved ones.
    #[param(inline)]
    state: Option<IncidentState>,
    /// Only those that are so bad.
    #[param(value_type = Option<shape::Severity>)]
    severity: Option<Severity>,
    /// Only those that are called so, such as `crash_loop`.
    kind: Option<String>,
    /// Only in that namespace.
    namespace: Option<String>,
    /// Only about that object: `cluster/namespace/kind/name`.
    entity: Option<String>,
    /// Only those that were opened then or later.
    #[param(value_type = Option<shape::Timestamp>)]
    since: Option<Timestamp>,
}

/// Incidents, the newest first.
#[utoipa::path(
    get, path = "/incidents", operation_id = "list_incidents", tag = "incidents",
    params(Wanted, Part),
    responses((status = 200, description = "The incidents.", body = Vec<shape::Incident>))
)]
pub(in crate::routes) async fn list(
    State(app): State<Arc<App>>,
    Sought(wanted): Sought<Wanted>,
    page: Page,
) -> Result<Response, Problem> {
    let (at, id) = page.after().map(place).transpose()?.unzip();
    let filters = [
        wanted.state.map(|state| match state {
            IncidentState::Open => "open".to_owned(),
            IncidentState::Resolved => "resolved".to_owned(),
        }),
        wanted.severity.map(|severity| severity.as_str().to_owned()),
        wanted.kind,
        wanted.namespace,
        wanted.entity,
        wanted.since.map(|since| since.to_string()),
        at,
        id,
    ];
    let rows = app.store.rows(INCIDENTS, &filters, page.look_for()).await?;
    page.pass_on(&rows, |row| {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        format!("{} {}", text("opened_at"), text("incident"))
    })
}

/// The time and the id in a cursor.
fn place(cursor: &str) -> Result<(String, String), Problem> {
    let (at, id) = cursor.split_once(' ').ok_or_else(no_cursor)?;
    let _: Timestamp = at.parse().map_err(|_| no_cursor())?;
    Ok((at.to_owned(), id.to_owned()))
}

/// One incident.
#[utoipa::path(
    get, path = "/incidents/{id}", operation_id = "get_incident", tag = "incidents",
    params(("id" = shape::EventId, Path, description = "The incident.")),
    responses((status = 200, description = "The incident.", body = shape::Incident))
)]
pub(in crate::routes) async fn one_of_them(
    State(app): State<Arc<App>>,
    id: Id,
) -> Result<Found, Problem> {
    one(&app, INCIDENT, id.0, "incident").await
}

/// What happened in an incident, in the order of the log.
#[utoipa::path(
    get, path = "/incidents/{id}/story", operation_id = "get_story", tag = "incidents",
    params(("id" = shape::EventId, Path, description = "The incident.")),
    responses((status = 200, description = "Each line names the audit entry that proves it.", body = Vec<shape::StoryLine>))
)]
pub(in crate::routes) async fn story(
    State(app): State<Arc<App>>,
    id: Id,
) -> Result<Response, Problem> {
    let incident: IncidentId = id.parse()?;
    let known = "SELECT incident FROM views.incident WHERE incident = $1";
    one(&app, known, incident.to_string(), "incident").await?;
    let query = "SELECT * FROM (
          SELECT (SELECT min(e.idx) FROM views.incident_entry e WHERE e.incident = i.incident) AS idx,
            opened_at AS at, 'incident' AS what, summary AS text,
            jsonb_build_object('kind', kind, 'severity', severity, 'causes', causes) AS detail
          FROM views.incident i WHERE incident = $1
          UNION ALL
          SELECT idx, decided_at, 'decision', concat_ws(': ', verdict, description),
            jsonb_build_object('decision', decision, 'reasons', reasons, 'flip', flip)
          FROM views.decision WHERE incident = $1
          UNION ALL
          SELECT idx, at, 'answer', concat_ws(' ', answer, 'by', actor), jsonb_build_object('proposal', proposal, 'reason', reason)
          FROM views.answer WHERE proposal IN (SELECT proposal FROM views.decision WHERE incident = $1)
          UNION ALL
          SELECT idx, at, 'outcome', concat_ws(': ', phase, nullif(message, '')), jsonb_build_object('decision', decision, 'code', code)
          FROM views.outcome WHERE decision IN (SELECT decision FROM views.decision WHERE incident = $1)
          UNION ALL
          SELECT idx, at, 'assessment', verdict, jsonb_build_object('decision', decision, 'checks', checks)
          FROM views.assessment WHERE decision IN (SELECT decision FROM views.decision WHERE incident = $1)
          UNION ALL
          SELECT idx, resolved_at, 'incident', 'resolved', NULL FROM views.incident
          WHERE incident = $1 AND state = 'resolved'
        ) AS lines ORDER BY idx";
    let incident = [Some(incident.to_string())];
    let lines = app.store.rows(query, &incident, MAX_LINES).await?;
    Ok(store::array(&lines))
}
