//! One incident, in the order in which people ask: what, since when, how wide, why we think so, what we
//! did or would do, whether it worked, how to take it back.

use std::collections::BTreeMap;
use std::sync::Arc;

use aegis_schemas::{CommandBody, FeedbackVerdict, IncidentId};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use jiff::Timestamp;

use super::different::{Different, different};
use super::frame::Frame;
use super::oops::Oops;
use super::owners::{Owners, owners};
use super::past::Moment;
use super::rows::{Act, Approval, Decision, Incident};
use super::timeline::{Row, Timeline};
use super::visitor::{Sent, Visitor};
use super::{Done, Page, show};
use crate::app::App;
use crate::problem::Problem;
use crate::store::Reading;

const ONE: &str = "SELECT * FROM views.incident WHERE incident = $1";
const DECISIONS: &str = "SELECT * FROM views.decision
    WHERE incident = $1 AND ($2::text IS NULL OR decided_at <= $2::timestamptz) ORDER BY idx DESC";
const APPROVALS: &str = "SELECT * FROM views.approval
    WHERE incident = $1 AND ($2::text IS NULL OR asked_at <= $2::timestamptz) ORDER BY asked_at";
const ENTRIES: &str = "SELECT e.idx, e.kind FROM views.incident_entry w
    JOIN audit.audit_entry e USING (idx)
    WHERE w.incident = $1 AND ($2::text IS NULL OR e.stream_time <= $2::timestamptz) ORDER BY e.idx DESC";
const FIRST: &str = "SELECT min(updated_at) AS at FROM views.incident_said WHERE incident = $1";
/// Entries of the record that are listed.
const ENTRIES_SHOWN: i64 = 60;

#[derive(Debug, serde::Deserialize)]
struct Entry {
    idx: i64,
    kind: String,
}

impl Entry {
    /// The kind without what all have in common.
    fn said(&self) -> &str {
        let kind = self.kind.strip_prefix("aegis.").unwrap_or(&self.kind);
        kind.split('.').next().unwrap_or(kind)
    }
}

#[derive(Debug, serde::Deserialize)]
struct First {
    at: Option<Timestamp>,
}

#[derive(Template)]
#[template(path = "incident.html")]
struct Shown {
    frame: Frame,
    incident: Incident,
    timeline: String,
    decisions: Vec<Decision>,
    approvals: Vec<Approval>,
    acts: Vec<Act>,
    entries: Vec<Entry>,
    different: Vec<Different>,
    /// None on the page of a moment that is past: only how things stand now is kept.
    owners: Option<Owners>,
    /// When it was first said.
    first: Option<Timestamp>,
    noted: bool,
    asked: bool,
}

/// The incident, as it is or was.
pub(super) async fn find(app: &App, id: String, moment: Moment) -> Result<Incident, Problem> {
    if let Some(at) = moment.past() {
        return super::past::incident(app, id, at).await;
    }
    app.store
        .read_one(ONE, &[Some(id)])
        .await?
        .ok_or_else(|| Problem::not_found("incident"))
}

/// The newest acts of an incident, the oldest first.
pub(super) async fn acts_of(
    reading: &mut Reading,
    incident: &Incident,
    moment: Moment,
    most: i64,
) -> Result<Vec<Act>, sqlx::Error> {
    let of = [Some(incident.incident.clone()), moment.filter()];
    let acts: Vec<Act> = reading.read(super::acts::OF_INCIDENT, &of, most).await?;
    let mut acts: Vec<Act> = acts.into_iter().rev().map(|act| moment.act(act)).collect();
    count_tries(&mut acts);
    Ok(acts)
}

/// Which time it is that an incident sees the same done to the same.
fn count_tries(acts: &mut [Act]) {
    let mut tries: BTreeMap<(Option<String>, Option<String>), u32> = BTreeMap::new();
    for act in acts.iter_mut().filter(|act| act.undo_of.is_none()) {
        let same = (act.description.clone(), act.entity.clone());
        let tries = tries.entry(same).or_default();
        *tries += 1;
        act.tries = *tries;
    }
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(id): Path<String>,
    moment: Moment,
    Query(noted): Query<Noted>,
) -> Page {
    visitor.who.demand(&app, "get_incident")?;
    let incident = find(&app, id, moment).await?;
    let different = different(&app, &incident).await;
    let of = [Some(incident.incident.clone()), moment.filter()];
    let mut reading = app.store.reading().await?;
    let decisions: Vec<Decision> = reading.read(DECISIONS, &of, 100).await?;
    let approvals: Vec<Approval> = reading.read(APPROVALS, &of, 20).await?;
    let approvals: Vec<Approval> = approvals
        .into_iter()
        .map(|approval| moment.approval(approval))
        .collect();
    let acts = acts_of(&mut reading, &incident, moment, 50).await?;
    let first: Option<First> = reading.read_one(FIRST, &of[..1]).await?;
    let entries = reading.read(ENTRIES, &of, ENTRIES_SHOWN).await?;
    let owners = match moment.past() {
        Some(_) => None,
        None => Some(owners(&mut reading, &incident).await?),
    };
    let title = format!("{} of {}", incident.kind(), incident.thing().name());
    let frame = Frame::read(
        &mut reading,
        &app.config.cluster,
        &visitor,
        "incidents",
        title,
    )
    .await?
    .at_moment(moment);
    drop(reading);
    show(&Shown {
        frame,
        timeline: timeline(&incident, &approvals, &acts).svg(),
        entries,
        decisions: told(decisions),
        first: first.and_then(|first| first.at),
        different,
        owners,
        incident,
        approvals,
        acts,
        noted: noted.noted.is_some(),
        asked: noted.asked.is_some(),
    })
}

/// The incident as the API gives it, for whoever looks at its page.
pub(super) async fn json(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Oops> {
    visitor.who.demand(&app, "get_incident")?;
    let found = app.store.rows(ONE, &[Some(id)], 1).await?;
    let found = found.first().cloned();
    Ok(found
        .ok_or_else(|| Problem::not_found("incident"))?
        .into_response())
}

/// Whether an opinion was just given, or a merge or a split asked for: nobody knows yet what comes of that.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Noted {
    noted: Option<String>,
    asked: Option<String>,
}

/// Decisions as people want them told: a denial that is repeated while the incident lasts is one.
fn told(decisions: Vec<Decision>) -> Vec<Decision> {
    let mut told: Vec<Decision> = Vec::new();
    for decision in decisions {
        let same = told.last().is_some_and(|last| {
            last.verdict == decision.verdict
                && last.reasons == decision.reasons
                && last.description == decision.description
        });
        if !same {
            told.push(decision);
        }
    }
    told
}

/// One row for the incident, one for each ask and each act.
fn timeline(incident: &Incident, approvals: &[Approval], acts: &[Act]) -> Timeline {
    let mut rows = vec![Row {
        label: incident.kind(),
        from: incident.opened_at,
        to: incident.resolved_at,
        class: if incident.is_open() {
            "open"
        } else {
            "resolved"
        },
        marks: Vec::new(),
        link: None,
    }];
    rows.extend(approvals.iter().map(|approval| {
        Row {
            label: format!("ask: {}", approval.what()),
            from: approval.asked_at,
            to: approval
                .answered_at
                .or(approval.expires_at.filter(|_| approval.state == "expired")),
            class: match approval.state.as_str() {
                "approved" => "approved",
                "open" => "ask",
                _ => "rejected",
            },
            marks: Vec::new(),
            link: Some(format!("/approvals/{}", approval.proposal)),
        }
    }));
    rows.extend(acts.iter().map(|act| {
        Row {
            label: act.again().map_or_else(
                || act.what().to_owned(),
                |again| format!("{}, {again}", act.what()),
            ),
            from: act.decided_at,
            to: act.assessed_at.or(act
                .outcome_at
                .filter(|_| act.outcome.as_deref() != Some("applied"))),
            class: match act.state.as_str() {
                "verified" => "verified",
                "ineffective" | "regressed" => "regressed",
                "refused" | "failed" => "rejected",
                _ => "act",
            },
            marks: act.outcome_at.into_iter().collect(),
            link: act.outcome_idx.map(|idx| format!("/audit/{idx}")),
        }
    }));
    Timeline {
        rows,
        now: incident.updated_at,
    }
}

pub(super) async fn feedback(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    sent: Sent,
) -> Done {
    sent.visitor.who.demand(&app, "give_feedback")?;
    let incident: IncidentId = id.parse().map_err(|_| Problem::not_found("incident"))?;
    let verdict = match sent.needed("verdict")? {
        "right" => FeedbackVerdict::Right,
        "wrong_cause" => FeedbackVerdict::WrongCause,
        "not_a_problem" => FeedbackVerdict::NotAProblem,
        "withdrawn" => FeedbackVerdict::Withdrawn,
        other => return Err(Problem::invalid(format!("`{other}` is no verdict")).into()),
    };
    let body = CommandBody::Feedback { incident, verdict };
    // Nobody answers an opinion, so nobody waits for one.
    app.command(&sent.visitor.who, None, sent.text("reason"), body, None)
        .await?;
    Ok(Redirect::to(&format!("/incidents/{incident}?noted=1")))
}
