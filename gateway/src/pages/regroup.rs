//! Merging and splitting incidents by forms: what belongs together is chosen on a page of its own.

use std::sync::Arc;

use aegis_schemas::{CommandBody, IncidentId};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Redirect;
use serde::Deserialize;

use super::frame::Frame;
use super::incident::find;
use super::past::Moment;
use super::rows::Incident;
use super::visitor::{Sent, Visitor};
use super::words::{Thing, spoken};
use super::{Done, Page, show};
use crate::app::App;
use crate::problem::Problem;

/// Open incidents but one, by words: those of the same namespace first, then the newest.
const OTHERS: &str = "SELECT incident, entity, kind, severity FROM views.incident
    WHERE state = 'open' AND incident <> $1
      AND ($3::text IS NULL OR strpos(lower(concat_ws(' ', entity, kind, summary, incident)), lower($3)) > 0)
    ORDER BY starts_with(entity, $2) DESC, opened_at DESC, incident";
/// The most that are offered.
const MAX_OTHERS: usize = 100;

/// What is looked for; it stands in the URL.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    q: String,
}

#[derive(Template)]
#[template(path = "merge.html")]
struct Merge {
    frame: Frame,
    wanted: Wanted,
    incident: Incident,
    others: Vec<Other>,
    /// Whether there are more than are offered.
    more: bool,
}

/// An open incident that another may be merged into.
#[derive(Debug, Deserialize)]
struct Other {
    incident: String,
    entity: String,
    kind: String,
    severity: String,
}

impl Other {
    /// What it is, in a line.
    fn told(&self) -> String {
        let (kind, of) = (spoken(&self.kind), Thing(&self.entity));
        format!(
            "{kind} of {} ({}, {})",
            of.name(),
            of.place(),
            self.severity
        )
    }
}

/// Where an incident may belong, for those who may say so.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Page {
    visitor.who.demand(&app, "merge_incidents")?;
    let incident = find(&app, id, Moment::default()).await?;
    // Where it is, up to what it is: `demo/shop/`.
    let place: String = incident.entity.split_inclusive('/').take(2).collect();
    let words = (!wanted.q.is_empty()).then(|| wanted.q.clone());
    let of = [Some(incident.incident.clone()), Some(place), words];
    let limit = i64::try_from(MAX_OTHERS).unwrap_or(i64::MAX) + 1;
    let mut reading = app.store.reading().await?;
    let mut others: Vec<Other> = reading.read(OTHERS, &of, limit).await?;
    let cluster = &app.config.cluster;
    let frame = Frame::read(&mut reading, cluster, &visitor, "incidents", "Merge").await?;
    drop(reading);
    let more = others.len() > MAX_OTHERS;
    others.truncate(MAX_OTHERS);
    show(&Merge {
        frame,
        wanted,
        incident,
        others,
        more,
    })
}

pub(super) async fn merge(State(app): State<Arc<App>>, Path(id): Path<String>, sent: Sent) -> Done {
    sent.visitor.who.demand(&app, "merge_incidents")?;
    let incident = parse(&id)?;
    let into = parse(sent.needed("into")?)?;
    let body = CommandBody::Merge { incident, into };
    put(&app, &sent, body).await?;
    Ok(Redirect::to(&format!("/incidents/{into}?asked=1")))
}

pub(super) async fn split(State(app): State<Arc<App>>, Path(id): Path<String>, sent: Sent) -> Done {
    sent.visitor.who.demand(&app, "split_incident")?;
    let incident = parse(&id)?;
    let entity = sent.needed("entity")?;
    let entity = entity
        .parse()
        .map_err(|_| Problem::invalid(format!("`{entity}` is no entity")))?;
    let body = CommandBody::Split { incident, entity };
    put(&app, &sent, body).await?;
    Ok(Redirect::to(&format!("/incidents/{incident}?asked=1")))
}

fn parse(id: &str) -> Result<IncidentId, Problem> {
    id.parse().map_err(|_| Problem::not_found("incident"))
}

/// No decision answers it, so nobody waits for one; what came of it is seen on the page.
async fn put(app: &App, sent: &Sent, body: CommandBody) -> Result<(), Problem> {
    let who = &sent.visitor.who;
    app.command(who, None, sent.text("reason"), body, None)
        .await?;
    Ok(())
}
