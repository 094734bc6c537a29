//! One incident, in the order in which people ask: what, since when, how wide, why we think so, what we
//! did or would do, whether it worked, how to take it back.

use std::sync::Arc;

use aegis_schemas::{CommandBody, FeedbackVerdict, IncidentId};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Redirect;
use jiff::{SignedDuration, Timestamp};

use super::frame::Frame;
use super::regroup::{Other, others};
use super::rows::{Act, Approval, Decision, Incident};
use super::timeline::{Row, Timeline};
use super::visitor::{Sent, Visitor};
use super::{Done, Page, chart, show};
use crate::app::App;
use crate::problem::Problem;
use crate::record::Unavailable;

const ONE: &str = "SELECT * FROM views.incident WHERE incident = $1";
const DECISIONS: &str = "SELECT * FROM views.decision WHERE incident = $1 ORDER BY idx DESC";
const APPROVALS: &str = "SELECT * FROM views.approval WHERE incident = $1 ORDER BY asked_at";
const ENTRIES: &str = "SELECT e.idx, e.kind FROM views.incident_entry w
    JOIN audit.audit_entry e USING (idx) WHERE w.incident = $1 ORDER BY e.idx DESC";
/// Entries of the record that are listed.
const ENTRIES_SHOWN: i64 = 60;
/// The least and the most of the time before that is charted: three times as long as the incident.
const BEFORE: (SignedDuration, SignedDuration) =
    (SignedDuration::from_secs(90), SignedDuration::from_mins(30));
/// And after: half as long.
const AFTER: (SignedDuration, SignedDuration) =
    (SignedDuration::from_secs(15), SignedDuration::from_mins(5));
/// Features that are charted: those that moved most.
const CHARTS: usize = 6;

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
    /// Where it may belong, for those who may say so while it lasts.
    others: Vec<Other>,
    noted: bool,
}

#[derive(Template)]
#[template(path = "charts.html")]
struct Charts {
    frame: Frame,
    incident: Incident,
    charts: Vec<chart::Chart>,
}

async fn find(app: &App, id: String) -> Result<Incident, Problem> {
    app.store
        .read_one(ONE, &[Some(id)])
        .await?
        .ok_or_else(|| Problem::not_found("incident"))
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(noted): Query<Noted>,
) -> Page {
    visitor.who.demand(&app, "get_incident")?;
    let incident = find(&app, id).await?;
    let of = [Some(incident.incident.clone()), None, None];
    let store = &app.store;
    let decisions: Vec<Decision> = store.read(DECISIONS, &of[..1], 100).await?;
    let approvals: Vec<Approval> = store.read(APPROVALS, &of[..1], 20).await?;
    let mut acts: Vec<Act> = store.read(super::acts::ACTS, &of, 50).await?;
    acts.reverse();
    let title = format!("{} of {}", incident.kind(), incident.thing().name());
    let frame = Frame::around(&app, &visitor, "incidents", title).await?;
    let others = if frame.operates && incident.is_open() {
        others(&app, &incident.incident).await?
    } else {
        Vec::new()
    };
    show(&Shown {
        frame,
        others,
        timeline: timeline(&incident, &approvals, &acts).svg(),
        entries: store.read(ENTRIES, &of[..1], ENTRIES_SHOWN).await?,
        decisions: told(decisions),
        incident,
        approvals,
        acts,
        noted: noted.noted.is_some(),
    })
}

/// Whether an opinion was just given.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Noted {
    noted: Option<String>,
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
            label: act.what().to_owned(),
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

/// How the features of the sick entity went, with what was expected, and where the acts fell.
pub(super) async fn charts(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Page {
    visitor.who.demand(&app, "get_incident")?;
    let incident = find(&app, id).await?;
    let entity = incident
        .entity
        .parse()
        .map_err(|_| Problem::not_found("entity"))?;
    let end = incident.resolved_at.unwrap_or(incident.updated_at);
    let lasted = end.duration_since(incident.opened_at);
    let before = lasted.saturating_mul(3).clamp(BEFORE.0, BEFORE.1);
    let (from, to) = (
        moved(incident.opened_at, -before),
        moved(end, (lasted / 2).clamp(AFTER.0, AFTER.1)),
    );
    let of = [Some(incident.incident.clone()), None, None];
    let acts: Vec<Act> = app.store.read(super::acts::ACTS, &of, 20).await?;
    let traces = match app.cores.traces(&entity, from, to).await {
        Ok(traces) => traces,
        Err(Unavailable::NotFound(_)) => Vec::new(),
        Err(error) => return Err(Problem::unavailable(error.to_string()).into()),
    };
    let newest = traces
        .iter()
        .filter_map(|trace| trace.points.last())
        .filter_map(|point| Timestamp::from_millisecond(point.at_ms).ok())
        .max();
    let scene = chart::Scene {
        from,
        // Nothing is drawn where nothing is known yet.
        to: newest.map_or(to, |newest| newest.min(to)),
        anomaly: (incident.opened_at, incident.resolved_at),
        acts: acts
            .iter()
            .map(|act| {
                (
                    act.outcome_at.unwrap_or(act.decided_at),
                    act.assessed_at,
                    act.state.clone(),
                )
            })
            .collect(),
    };
    let title = format!("Charts of {}", incident.thing().name());
    show(&Charts {
        frame: Frame::around(&app, &visitor, "incidents", title).await?,
        charts: chart::draw(&scene, traces, CHARTS),
        incident,
    })
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

/// A moment so much later; the same one where the calendar ends.
fn moved(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.checked_add(by).unwrap_or(moment)
}
