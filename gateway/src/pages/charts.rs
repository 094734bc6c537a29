//! How the metrics of what is sick went around an incident; the page loads it after the rest.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use jiff::{SignedDuration, Timestamp};

use super::frame::Frame;
use super::incident::{acts_of, find};
use super::past::Moment;
use super::rows::Incident;
use super::visitor::Visitor;
use super::{Page, chart, show};
use crate::app::App;
use crate::problem::Problem;
use crate::record::Unavailable;

/// The least and the most of the time before that is charted: three times as long as the incident.
const BEFORE: (SignedDuration, SignedDuration) =
    (SignedDuration::from_secs(90), SignedDuration::from_mins(30));
/// And after: half as long.
const AFTER: (SignedDuration, SignedDuration) =
    (SignedDuration::from_secs(15), SignedDuration::from_mins(5));
/// Features that are charted: those that moved most.
const CHARTS: usize = 6;

#[derive(Template)]
#[template(path = "charts.html")]
struct Charts {
    frame: Frame,
    incident: Incident,
    charts: Vec<chart::Chart>,
}

/// How the features of the sick entity went, with what was expected, and where the acts fell.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(id): Path<String>,
    moment: Moment,
) -> Page {
    visitor.who.demand(&app, "get_incident")?;
    let incident = find(&app, id, moment).await?;
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
    let to = moment.past().map_or(to, |at| at.min(to));
    let mut reading = app.store.reading().await?;
    let acts = acts_of(&mut reading, &incident, moment, 20).await?;
    drop(reading);
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
        frame: Frame::around(&app, &visitor, "incidents", title)
            .await?
            .at_moment(moment),
        charts: chart::draw(&scene, traces, CHARTS),
        incident,
    })
}

/// A moment so much later; the same one where the calendar ends.
fn moved(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.checked_add(by).unwrap_or(moment)
}
