//! How things are, on one page: what is wrong, what waits, what was done and whether it helped.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use serde::Deserialize;

use super::frame::Frame;
use super::rows::{Act, Approval};
use super::triage::{self, Row};
use super::visitor::Visitor;
use super::words::thousands;
use super::{Page, show};
use crate::app::App;
use crate::stages::{Budget, Stage, stages};

/// All else on the page comes from PostgreSQL and does not wait for the bus.
const STAGES_WITHIN: Duration = Duration::from_millis(500);

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    incidents: Vec<Row>,
    approvals: Vec<Approval>,
    acts: Vec<Act>,
    day: Counts,
    week: Counts,
    entries: String,
    /// How every stage is; empty while the bus does not answer.
    stages: Vec<Stage>,
}

impl Overview {
    /// What policy's limits leave, in the order in which they bind.
    fn budgets(&self) -> Vec<(&'static str, Budget)> {
        let said = self.stages.iter().find_map(Stage::acts_left);
        said.map_or_else(Vec::new, |left| {
            vec![
                ("acts at once", left.at_once),
                ("acts without a yes", left.rate),
            ]
        })
    }
}

/// Acts of a while, by what became of them.
#[derive(Debug, Deserialize)]
struct Counts {
    acts: i64,
    verified: i64,
    ineffective: i64,
    regressed: i64,
    refused: i64,
    undone: i64,
    incidents: i64,
    resolved: i64,
}

impl Counts {
    /// The share of judged acts that helped, percent.
    fn share(&self) -> Option<i64> {
        let judged = self.verified + self.ineffective + self.regressed;
        (judged > 0).then(|| self.verified * 100 / judged)
    }
}

const OPEN_INCIDENTS: &str = "SELECT incident, state, severity, kind, entity, confidence, opened_at,
      updated_at, resolved_at, newest_evidence_at, summary
    FROM views.incident WHERE state = 'open'
    ORDER BY array_position(ARRAY['critical', 'error', 'warning', 'info'], severity), opened_at DESC";
pub(super) const OPEN_APPROVALS: &str = "SELECT * FROM views.approval WHERE state = 'open'
    AND expires_at >= (SELECT at FROM views.clock WHERE stream = 'AEGIS_EVENTS') ORDER BY asked_at";
const COUNTS: &str = "SELECT count(*) AS acts,
    count(*) FILTER (WHERE state = 'verified') AS verified,
    count(*) FILTER (WHERE state = 'ineffective') AS ineffective,
    count(*) FILTER (WHERE state = 'regressed') AS regressed,
    count(*) FILTER (WHERE state IN ('refused', 'failed')) AS refused,
    count(*) FILTER (WHERE undo_of IS NOT NULL) AS undone,
    (SELECT count(*) FROM views.incident WHERE opened_at > now() - $1::interval) AS incidents,
    (SELECT count(*) FROM views.incident WHERE opened_at > now() - $1::interval AND state = 'resolved') AS resolved
    FROM views.act WHERE decided_at > now() - $1::interval";

pub(super) async fn page(State(app): State<Arc<App>>, visitor: Visitor) -> Page {
    visitor.who.demand(&app, "list_incidents")?;
    let frame = Frame::around(&app, &visitor, "overview", "Overview").await?;
    let store = &app.store;
    let counts = async |while_: &str| {
        let found: Option<Counts> = store.read_one(COUNTS, &[Some(while_.to_owned())]).await?;
        found.ok_or(sqlx::Error::RowNotFound)
    };
    show(&Overview {
        incidents: triage::rows(&app, store.read(OPEN_INCIDENTS, &[], 12).await?).await?,
        approvals: store.read(OPEN_APPROVALS, &[], 12).await?,
        acts: store
            .read(super::acts::ACTS, &[None, None, None], 8)
            .await?,
        day: counts("24 hours").await?,
        week: counts("7 days").await?,
        entries: thousands(frame.entries),
        stages: tokio::time::timeout(STAGES_WITHIN, stages(&app))
            .await
            .map_or_else(|_| Vec::new(), Result::unwrap_or_default),
        frame,
    })
}
