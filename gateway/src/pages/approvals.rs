//! What waits for a yes, in words and exactly; and the yes or no.

use std::sync::Arc;

use aegis_schemas::{CommandBody, Digest};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Redirect;
use serde::Deserialize;

use super::facts::facts;
use super::frame::Frame;
use super::overview::OPEN_APPROVALS;
use super::rows::{Approval, Incident};
use super::visitor::{Sent, Visitor};
use super::{Done, Page, ask, show};
use crate::app::App;
use crate::problem::Problem;

const ANSWERED: &str = "SELECT * FROM views.approval WHERE state <> 'open' ORDER BY asked_at DESC";
const ONE: &str = "SELECT * FROM views.approval WHERE proposal = $1 ORDER BY asked_at DESC";
const INCIDENT: &str = "SELECT * FROM views.incident WHERE incident = $1";
const RESULT: &str = "SELECT d.verdict, d.reasons FROM views.approval a
    JOIN views.decision d ON d.decision = a.result_decision
    WHERE a.proposal = $1 ORDER BY a.asked_at DESC";

#[derive(Template)]
#[template(path = "approvals.html")]
struct Approvals {
    frame: Frame,
    open: Vec<Approval>,
    answered: Vec<Approval>,
}

/// What policy said to the answer.
#[derive(Debug, Deserialize)]
struct Answered {
    verdict: String,
    reasons: Vec<aegis_schemas::Reason>,
}

#[derive(Template)]
#[template(path = "approval.html")]
struct One {
    frame: Frame,
    approval: Approval,
    incident: Option<Incident>,
    answered: Option<Answered>,
    /// What stands in the proposal and follows from it, one fact a line.
    facts: Vec<(&'static str, String)>,
    /// The roles that may answer.
    who: String,
}

pub(super) async fn page(State(app): State<Arc<App>>, visitor: Visitor) -> Page {
    visitor.who.demand(&app, "list_approvals")?;
    show(&Approvals {
        frame: Frame::around(&app, &visitor, "approvals", "Approvals").await?,
        open: app.store.read(OPEN_APPROVALS, &[], 100).await?,
        answered: app.store.read(ANSWERED, &[], 25).await?,
    })
}

pub(super) async fn one(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(digest): Path<String>,
) -> Page {
    visitor.who.demand(&app, "list_approvals")?;
    let approval: Approval = app
        .store
        .read_one(ONE, &[Some(digest.clone())])
        .await?
        .ok_or_else(|| Problem::not_found("proposal"))?;
    let incident = match &approval.incident {
        Some(incident) => {
            app.store
                .read_one(INCIDENT, &[Some(incident.clone())])
                .await?
        }
        None => None,
    };
    show(&One {
        frame: Frame::around(&app, &visitor, "approvals", approval.what()).await?,
        facts: facts(&approval, incident.as_ref()),
        who: app.document.roles_for("approve_proposal").join(" or "),
        answered: app.store.read_one(RESULT, &[Some(digest)]).await?,
        approval,
        incident,
    })
}

pub(super) async fn answer(
    State(app): State<Arc<App>>,
    Path(digest): Path<String>,
    sent: Sent,
) -> Done {
    let proposal: Digest = digest.parse().map_err(|_| Problem::not_found("proposal"))?;
    let reason = sent.text("reason");
    let body = match sent.needed("answer")? {
        "approve" => {
            sent.visitor.who.demand(&app, "approve_proposal")?;
            CommandBody::Approve { proposal }
        }
        "deny" if reason.is_empty() => {
            return Err(Problem::invalid("a denial needs a reason: others will read it").into());
        }
        "deny" => {
            sent.visitor.who.demand(&app, "reject_proposal")?;
            CommandBody::Reject { proposal }
        }
        other => return Err(Problem::invalid(format!("`{other}` is no answer")).into()),
    };
    ask(&app, &sent.visitor, None, reason, body).await?;
    Ok(Redirect::to(&format!("/approvals/{proposal}")))
}
