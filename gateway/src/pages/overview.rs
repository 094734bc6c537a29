//! How things are, on one page: what is wrong, what waits, what was done and whether it helped.

use std::sync::Arc;
use std::time::Duration;

use aegis_nats::kv::Storm;
use askama::Template;
use axum::extract::State;
use serde::Deserialize;

use super::frame::{Frame, MOST_OPEN};
use super::past::Moment;
use super::rows::{Act, Approval, Incident};
use super::triage::{self, Row};
use super::visitor::Visitor;
use super::words::{When, thousands};
use super::{Page, show};
use crate::app::App;
use crate::stages::{Budget, Stage, stages};
use crate::store::Reading;

/// All else on the page comes from PostgreSQL and does not wait for the bus.
const STAGES_WITHIN: Duration = Duration::from_millis(500);

/// Open incidents and asks that are shown at most.
const SHOWN: i64 = 12;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    incidents: Vec<Row>,
    approvals: Vec<Approval>,
    acts: Vec<Act>,
    open: Open,
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

    /// The storm that lasts, if policy says one, and since when. One that is silent or reads what is old knows
    /// none.
    fn storm(&self) -> Option<(Storm, When)> {
        let mut stages = self.stages.iter().filter(|stage| stage.well);
        let storm = stages.find_map(Stage::acts_left)?.storm?;
        let since = i128::from(storm.since.as_nanos());
        let since = jiff::Timestamp::from_nanosecond(since).ok()?;
        Some((storm, When(since)))
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

/// Open incidents, the worst first, as they are or were.
macro_rules! open_incidents {
    ($from:literal) => {
        concat!(
            "SELECT incident, state, severity, kind, entity, confidence, opened_at, updated_at, resolved_at,
               newest_evidence_at, summary
             FROM ", $from, " WHERE state = 'open'
             ORDER BY array_position(ARRAY['critical', 'error', 'warning', 'info'], severity), opened_at DESC"
        )
    };
}
const OPEN_INCIDENTS: &str = open_incidents!("views.incident");
const OPEN_INCIDENTS_THEN: &str = open_incidents!("views.incidents_at($1::timestamptz, true)");
pub(super) const OPEN_APPROVALS: &str = "SELECT * FROM views.approval WHERE state = 'open'
    AND expires_at >= (SELECT at FROM views.clock WHERE stream = 'AEGIS_EVENTS') ORDER BY asked_at";
/// Asks that waited then.
macro_rules! waited {
    () => {
        "FROM views.approval WHERE asked_at <= $1::timestamptz AND expires_at >= $1::timestamptz
           AND (answered_at IS NULL OR answered_at > $1::timestamptz)"
    };
}
const OPEN_APPROVALS_THEN: &str = concat!("SELECT * ", waited!(), " ORDER BY asked_at");
const OPEN_THEN: &str = concat!(
    "SELECT (SELECT count(*) FROM (SELECT 1 FROM views.incidents_at($1::timestamptz, true)
         WHERE state = 'open' LIMIT $2::bigint) AS open) AS incidents,
       (SELECT count(*) ",
    waited!(),
    ") AS approvals"
);
/// Acts and incidents of a while before a moment or now, by what had become of them by then.
const COUNTS: &str = "WITH acts AS (
      SELECT undo_of, coalesce(
        CASE WHEN assessed_at <= coalesce($2::timestamptz, 'infinity') THEN assessment END,
        CASE WHEN outcome_at <= coalesce($2::timestamptz, 'infinity') THEN outcome END, 'allowed') AS state
      FROM views.act WHERE decided_at > coalesce($2::timestamptz, now()) - $1::interval
        AND decided_at <= coalesce($2::timestamptz, 'infinity')),
    incidents AS (
      SELECT CASE WHEN $2::text IS NULL OR i.resolved_at <= $2::timestamptz THEN i.state
        ELSE (SELECT s.state FROM views.incident_said s
              WHERE s.incident = i.incident AND s.updated_at <= $2::timestamptz
              ORDER BY s.position DESC LIMIT 1) END AS state
      FROM views.incident i WHERE i.opened_at > coalesce($2::timestamptz, now()) - $1::interval
        AND i.opened_at <= coalesce($2::timestamptz, 'infinity'))
    SELECT count(*) AS acts,
      count(*) FILTER (WHERE state = 'verified') AS verified,
      count(*) FILTER (WHERE state = 'ineffective') AS ineffective,
      count(*) FILTER (WHERE state = 'regressed') AS regressed,
      count(*) FILTER (WHERE state IN ('refused', 'failed')) AS refused,
      count(*) FILTER (WHERE undo_of IS NOT NULL) AS undone,
      (SELECT count(state) FROM incidents) AS incidents,
      (SELECT count(*) FROM incidents WHERE state = 'resolved') AS resolved
    FROM acts";

/// What is open.
#[derive(Debug, Deserialize)]
struct Open {
    incidents: i64,
    approvals: i64,
}

pub(super) async fn page(State(app): State<Arc<App>>, visitor: Visitor, moment: Moment) -> Page {
    visitor.who.demand(&app, "list_incidents")?;
    let mut reading = app.store.reading().await?;
    let frame = Frame::read(
        &mut reading,
        &app.config.cluster,
        &visitor,
        "overview",
        "Overview",
    )
    .await?
    .at_moment(moment);
    let (incidents, approvals, open) = open(&mut reading, &frame).await?;
    let incidents = triage::rows(&mut reading, incidents, moment).await?;
    let of = [None, None, moment.filter()];
    let acts: Vec<Act> = reading.read(super::acts::LATEST, &of, 8).await?;
    let day = counts(&mut reading, "24 hours", moment).await?;
    let week = counts(&mut reading, "7 days", moment).await?;
    drop(reading);
    show(&Overview {
        incidents,
        approvals,
        acts: acts.into_iter().map(|act| moment.act(act)).collect(),
        open,
        day,
        week,
        entries: thousands(frame.entries),
        stages: stages_now(&app, moment).await,
        frame,
    })
}

async fn counts(
    reading: &mut Reading,
    within: &str,
    moment: Moment,
) -> Result<Counts, sqlx::Error> {
    let asked = [Some(within.to_owned()), moment.filter()];
    let found = reading.read_one(COUNTS, &asked).await?;
    found.ok_or(sqlx::Error::RowNotFound)
}

/// The worst open incidents, the asks that wait, and how many there are of both.
async fn open(
    reading: &mut Reading,
    frame: &Frame,
) -> Result<(Vec<Incident>, Vec<Approval>, Open), sqlx::Error> {
    let then = frame.moment.filter();
    if then.is_none() {
        let open = Open {
            incidents: frame.open_incidents,
            approvals: frame.open_approvals,
        };
        let incidents = reading.read(OPEN_INCIDENTS, &[], SHOWN).await?;
        let approvals = reading.read(OPEN_APPROVALS, &[], SHOWN).await?;
        return Ok((incidents, approvals, open));
    }
    let most = Some(MOST_OPEN.to_string());
    let open = reading.read_one(OPEN_THEN, &[then.clone(), most]).await?;
    let then = [then];
    let approvals: Vec<Approval> = reading.read(OPEN_APPROVALS_THEN, &then, SHOWN).await?;
    let approval = |approval| frame.moment.approval(approval);
    Ok((
        reading.read(OPEN_INCIDENTS_THEN, &then, SHOWN).await?,
        approvals.into_iter().map(approval).collect(),
        open.ok_or(sqlx::Error::RowNotFound)?,
    ))
}

/// How every stage is; of the past nobody knows.
async fn stages_now(app: &App, moment: Moment) -> Vec<Stage> {
    if moment.past().is_some() {
        return Vec::new();
    }
    tokio::time::timeout(STAGES_WITHIN, stages(app))
        .await
        .map_or_else(|_| Vec::new(), Result::unwrap_or_default)
}
