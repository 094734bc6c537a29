//! Merging and splitting incidents by the forms on an incident's page.

use std::sync::Arc;

use aegis_schemas::{CommandBody, IncidentId};
use axum::extract::{Path, State};
use axum::response::Redirect;
use serde::Deserialize;

use super::Done;
use super::visitor::Sent;
use super::words::{Thing, spoken};
use crate::app::App;
use crate::problem::Problem;

const OTHERS: &str = "SELECT incident, entity, kind, severity FROM views.incident
    WHERE state = 'open' AND incident <> $1 ORDER BY opened_at DESC";
/// The most that are offered.
const MAX_OTHERS: i64 = 100;

/// An open incident that another may be merged into.
#[derive(Debug, Deserialize)]
pub(super) struct Other {
    pub(super) incident: String,
    entity: String,
    kind: String,
    severity: String,
}

impl Other {
    /// What it is, in a line.
    pub(super) fn told(&self) -> String {
        let (kind, of) = (spoken(&self.kind), Thing(&self.entity));
        format!(
            "{kind} of {} ({}, {})",
            of.name(),
            of.place(),
            self.severity
        )
    }
}

/// The open incidents but that one, the newest first.
pub(super) async fn others(app: &App, incident: &str) -> Result<Vec<Other>, Problem> {
    let of = [Some(incident.to_owned())];
    Ok(app.store.read(OTHERS, &of, MAX_OTHERS).await?)
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
