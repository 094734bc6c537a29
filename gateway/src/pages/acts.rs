//! What was done, and taking it back.

use std::sync::Arc;

use aegis_schemas::CommandBody;
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Redirect;
use serde::Deserialize;

use super::frame::Frame;
use super::rows::Act;
use super::visitor::{Sent, Visitor};
use super::{Done, Page, ask, show};
use crate::app::App;
use crate::problem::Problem;

/// The acts that a condition finds, the newest first; of a moment those that were decided by then, and what came of
/// them is cut by [`super::past::Moment::act`].
macro_rules! acts {
    ($condition:literal, $moment:literal) => {
        concat!(
            "SELECT a.*,
               EXISTS (SELECT 1 FROM views.decision u WHERE u.undo_of = a.decision AND u.verdict = 'allow'
                 AND (", $moment, "::text IS NULL OR u.decided_at <= ", $moment, "::timestamptz)) AS undone
             FROM views.act a WHERE ", $condition, "
               AND (", $moment, "::text IS NULL OR a.decided_at <= ", $moment, "::timestamptz)
             ORDER BY a.idx DESC"
        )
    };
}
/// Acts by state and before an audit index.
pub(super) const LATEST: &str = acts!(
    "($1::text IS NULL OR a.state = $1) AND ($2::text IS NULL OR a.idx < $2::bigint)",
    "$3"
);
/// Those of an incident: a query of its own, for one that serves all conditions looks at all acts.
pub(super) const OF_INCIDENT: &str = acts!("a.incident = $1", "$2");
const PAGE: usize = 50;

/// What is wanted; it stands in the URL.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    state: String,
    before: Option<i64>,
}

#[derive(Template)]
#[template(path = "acts.html")]
struct Acts {
    frame: Frame,
    wanted: Wanted,
    acts: Vec<Act>,
    next: Option<i64>,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Page {
    visitor.who.demand(&app, "list_acts")?;
    let filters = [
        (!wanted.state.is_empty()).then(|| wanted.state.clone()),
        wanted.before.map(|before| before.to_string()),
        None,
    ];
    let limit = i64::try_from(PAGE).unwrap_or(i64::MAX) + 1;
    let mut acts: Vec<Act> = app.store.read(LATEST, &filters, limit).await?;
    let more = acts.len() > PAGE;
    acts.truncate(PAGE);
    show(&Acts {
        frame: Frame::around(&app, &visitor, "acts", "Acts").await?,
        next: acts.last().filter(|_| more).map(|last| last.idx),
        wanted,
        acts,
    })
}

pub(super) async fn undo(State(app): State<Arc<App>>, Path(id): Path<String>, sent: Sent) -> Done {
    sent.visitor.who.demand(&app, "undo_act")?;
    let decision = id.parse().map_err(|_| Problem::not_found("act"))?;
    let body = CommandBody::Undo { decision };
    ask(&app, &sent.visitor, None, sent.text("reason"), body).await?;
    let back = sent.field("incident").map_or_else(
        || "/acts".to_owned(),
        |incident| format!("/incidents/{}", super::encoded(incident)),
    );
    Ok(Redirect::to(&back))
}
