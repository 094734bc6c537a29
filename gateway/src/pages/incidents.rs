//! The list of incidents.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use serde::Deserialize;

use super::frame::Frame;
use super::past::Moment;
use super::rows::Incident;
use super::triage::{self, Row};
use super::visitor::Visitor;
use super::{Page, encoded, show};
use crate::app::App;

/// Rows of one page.
const PAGE: usize = 50;

/// Incidents by state, severity, words and after a place in the list, as they are or were.
macro_rules! incidents {
    ($from:literal) => {
        concat!(
            "SELECT incident, state, severity, kind, entity, confidence, opened_at, updated_at, resolved_at,
               newest_evidence_at, summary
             FROM ", $from, "
             WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR severity = $2)
               AND ($3::text IS NULL OR strpos(lower(concat_ws(' ', entity, kind, summary, incident)), lower($3)) > 0)
               AND ($4::text IS NULL OR (opened_at, incident) < (split_part($4, ' ', 1)::timestamptz, split_part($4, ' ', 2)))
             ORDER BY opened_at DESC, incident DESC"
        )
    };
}
const INCIDENTS: &str = incidents!("views.incident");
const INCIDENTS_THEN: &str =
    incidents!("views.incidents_at($5::timestamptz, coalesce($1::text = 'open', false))");

/// What is wanted; it stands in the URL.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    state: String,
    severity: String,
    q: String,
    after: String,
}

impl Wanted {
    fn some(text: &str) -> Option<String> {
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The address of the same list as it is now.
    fn now(&self) -> String {
        self.with_state(&encoded(&self.state), &Moment::default())
    }

    /// The address of the list with another state, of the same moment.
    fn with_state(&self, state: &str, moment: &Moment) -> String {
        let (severity, q) = (encoded(&self.severity), encoded(&self.q));
        let at = moment.and();
        format!("/incidents?state={state}&severity={severity}&q={q}{at}")
    }
}

#[derive(Template)]
#[template(path = "incidents.html")]
struct Incidents {
    frame: Frame,
    wanted: Wanted,
    incidents: Vec<Row>,
    next: Option<String>,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    moment: Moment,
    Query(wanted): Query<Wanted>,
) -> Page {
    visitor.who.demand(&app, "list_incidents")?;
    let mut filters = vec![
        Wanted::some(&wanted.state),
        Wanted::some(&wanted.severity),
        Wanted::some(&wanted.q),
        Wanted::some(&wanted.after).filter(|after| is_cursor(after)),
    ];
    let query = match moment.filter() {
        Some(at) => {
            filters.push(Some(at));
            INCIDENTS_THEN
        }
        None => INCIDENTS,
    };
    let limit = i64::try_from(PAGE).unwrap_or(i64::MAX) + 1;
    let mut reading = app.store.reading().await?;
    let mut incidents: Vec<Incident> = reading.read(query, &filters, limit).await?;
    let more = incidents.len() > PAGE;
    incidents.truncate(PAGE);
    let next = incidents.last().filter(|_| more).map(|last| {
        let after = format!("{} {}", last.opened_at, last.incident);
        format!(
            "{}&after={}",
            wanted.with_state(&encoded(&wanted.state), &moment),
            encoded(&after)
        )
    });
    let incidents = triage::rows(&mut reading, incidents, moment).await?;
    let frame = Frame::read(
        &mut reading,
        &app.config.cluster,
        &visitor,
        "incidents",
        "Incidents",
    )
    .await?
    .at_moment(moment);
    drop(reading);
    show(&Incidents {
        frame,
        wanted,
        incidents,
        next,
    })
}

/// Whether text is the end of a page: a time and an incident. Anything else begins at the top.
fn is_cursor(text: &str) -> bool {
    let time = text.split_once(' ').map(|(time, _)| time);
    time.is_some_and(|time| time.parse::<jiff::Timestamp>().is_ok())
}
