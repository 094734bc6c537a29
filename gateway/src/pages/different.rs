//! What was different about what is sick: the features that the scorer blamed, those furthest from what is
//! usual first. A certificate that ends is as it always was; the evidence tells of it.

use std::collections::BTreeMap;

use aegis_schemas::{Anomaly, Blame, Evidence, EvidenceSource};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Deserialize;

use super::chart;
use super::rows::Incident;
use super::words::Thing;
use crate::app::App;
use crate::record::{Entry, Unavailable};

/// Anomalies of an incident that are read, and rows that are shown.
const READ: usize = 8;
const SHOWN: usize = 10;
/// Entries that are read at once: others read the record as well.
const AT_ONCE: usize = 2;
/// The first entry of each of these events, apart by spaces.
const ENTRIES: &str = "SELECT min(idx) AS idx FROM audit.audit_key
    WHERE event_id = ANY(string_to_array($1, ' ')) GROUP BY event_id";

#[derive(Deserialize)]
struct Found {
    idx: u64,
}

/// One feature that was not as usual.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Different {
    /// Whose.
    pub(super) of: String,
    /// What.
    pub(super) feature: String,
    pub(super) usual: String,
    pub(super) was: String,
    /// In robust standard deviations, signed.
    pub(super) off: f64,
    /// The entry that says so.
    pub(super) idx: u64,
}

/// What was different, as the anomalies on record say on which an incident was last said to rest. What cannot
/// be read is left out: the page has more to tell.
pub(super) async fn different(app: &App, incident: &Incident) -> Vec<Different> {
    let anomalies = read(app, &events(&incident.evidence)).await;
    anomalies.map_or_else(
        |error| {
            tracing::warn!(%error, "cannot read what was different");
            Vec::new()
        },
        |anomalies| ranked(&anomalies),
    )
}

/// The anomalies that these events say, with their entries.
async fn read(app: &App, events: &[String]) -> Result<Vec<(u64, Anomaly)>, Unavailable> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let limit = i64::try_from(READ).unwrap_or(i64::MAX);
    let asked = [Some(events.join(" "))];
    let found: Result<Vec<Found>, sqlx::Error> = app.store.read(ENTRIES, &asked, limit).await;
    let found = found.map_err(|error| Unavailable::Failed(error.to_string()))?;
    let entries = stream::iter(found).map(|it| app.cores.entry(it.idx));
    let entries: Vec<Entry> = entries.buffered(AT_ONCE).try_collect().await?;
    let anomaly = |entry: Entry| {
        let anomaly = serde_json::from_value(entry.event_json?).ok()?;
        Some((entry.idx, anomaly))
    };
    Ok(entries.into_iter().filter_map(anomaly).collect())
}

/// The events of anomalies among the evidence, each once.
fn events(evidence: &[Evidence]) -> Vec<String> {
    let mut events: Vec<String> = Vec::new();
    let anomalies = evidence
        .iter()
        .filter(|piece| piece.source == EvidenceSource::Metrics)
        .map(|piece| piece.event.to_string());
    for event in anomalies {
        if !events.contains(&event) {
            events.push(event);
        }
    }
    events.truncate(READ);
    events
}

/// Each feature of each entity where it was furthest off, the furthest first.
fn ranked(anomalies: &[(u64, Anomaly)]) -> Vec<Different> {
    let mut furthest: BTreeMap<(String, &str), (u64, &Blame)> = BTreeMap::new();
    for (idx, anomaly) in anomalies {
        let entity = anomaly.entity.to_string();
        let is_told =
            |it: &&Blame| it.deviation.is_finite() && !it.feature.starts_with("certificate.");
        for blame in anomaly.blame.iter().filter(is_told) {
            let of = match &blame.pod {
                Some(pod) => format!("pod/{pod}"),
                None => Thing(&entity).name(),
            };
            let kept = furthest
                .entry((of, &blame.feature))
                .or_insert((*idx, blame));
            if blame.deviation.abs() > kept.1.deviation.abs() {
                *kept = (*idx, blame);
            }
        }
    }
    let mut all: Vec<Different> = furthest
        .into_iter()
        .map(|((of, feature), (idx, blame))| Different {
            of,
            feature: chart::feature_in_words(feature),
            usual: chart::said(feature, blame.expected),
            was: chart::said(feature, blame.value),
            off: blame.deviation,
            idx,
        })
        .collect();
    all.sort_by(|a, b| b.off.abs().total_cmp(&a.off.abs()));
    all.truncate(SHOWN);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use aegis_schemas::{Entity, EventId};
    use serde_json::json;

    #[test]
    fn each_feature_is_told_once_where_it_was_furthest_off() {
        let entity: Entity = "demo/shop/deployment/cart".parse().expect("an entity");
        let anomaly = |blame: serde_json::Value| -> Anomaly {
            serde_json::from_value(json!({
                "episode": EventId::from_bytes([7; 16]),
                "entity": entity,
                "phase": "opened", "since": "2026-11-30T10:00:00Z", "newest": "2026-11-30T10:00:00Z",
                "score": 9.0, "threshold": 4.0, "blame": blame,
            }))
            .expect("an anomaly")
        };
        let blame = |feature: &str, value: f64, deviation: f64| json!({"feature": feature, "value": value, "expected": 0.01, "deviation": deviation});
        let anomalies = [
            (
                3,
                anomaly(json!([
                    blame("error_ratio", 0.2, 8.0),
                    blame("request_rate", 1.0, -30.0)
                ])),
            ),
            (
                5,
                anomaly(json!([
                    blame("error_ratio", 0.4, 12.0),
                    blame("certificate.shop/web", 9_000.0, 0.0)
                ])),
            ),
        ];
        let told: Vec<(String, String, u64)> = ranked(&anomalies)
            .into_iter()
            .map(|it| (it.feature, it.was, it.idx))
            .collect();
        let row = |feature: &str, was: &str, idx| (feature.to_owned(), was.to_owned(), idx);
        assert_eq!(
            told,
            [
                row("request rate", "1.00/s", 3),
                row("error ratio", "40.0 %", 5)
            ]
        );
    }
}
