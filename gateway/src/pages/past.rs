//! Pages as they were at a moment that is over, from what the record had by then.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::encoded;
use super::oops::Oops;
use super::rows::{Act, Approval, Incident};
use super::words::When;
use crate::app::App;
use crate::problem::Problem;
use crate::record::Unavailable;

/// An incident as it was last said by then.
const SAID: &str = "SELECT * FROM views.incidents_at($2::timestamptz) WHERE incident = $1";
/// What only the entry tells that said so.
const IN_ENTRY: [&str; 6] = [
    "affected",
    "grouped",
    "own_severity",
    "evidence",
    "causes",
    "recommendations",
];

/// The moment that a page tells of: now, or an earlier one that the address names as `at`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moment(Option<Timestamp>);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    at: String,
}

impl Moment {
    /// The moment in that text; without text it is now.
    fn parse(text: &str, now: Timestamp) -> Result<Self, Problem> {
        if text.trim().is_empty() {
            return Ok(Self(None));
        }
        let at: Timestamp = text.trim().parse().map_err(|_| {
            Problem::invalid(format!(
                "`at={text}` is no moment; give one as in `at=2026-11-30T14:05:00Z`"
            ))
        })?;
        if at > now {
            return Err(Problem::invalid(format!("`at={text}` is still to come")));
        }
        Ok(Self(Some(at)))
    }

    /// The moment, if it is over.
    pub(super) const fn past(self) -> Option<Timestamp> {
        self.0
    }

    /// As the banner says it.
    pub(super) fn said(self) -> Option<When> {
        self.0.map(When)
    }

    /// As a query takes it.
    pub(super) fn filter(self) -> Option<String> {
        self.0.map(|at| at.to_string())
    }

    /// What makes a path without a query stay at this moment.
    pub(super) fn query(self) -> String {
        self.filter()
            .map_or_else(String::new, |at| format!("?at={}", encoded(&at)))
    }

    /// As [`Moment::query`], of a path that has one.
    pub(super) fn and(self) -> String {
        self.query().replace('?', "&")
    }

    /// An act as it was then.
    pub(super) fn act(self, mut act: Act) -> Act {
        if self.is_before(act.outcome_at) {
            act.outcome = None;
            act.outcome_code = None;
            act.outcome_message = None;
            act.outcome_at = None;
            act.outcome_idx = None;
            act.pre_image = None;
        }
        if self.is_before(act.assessed_at) {
            act.checks = None;
            act.assessed_at = None;
        }
        if act.assessed_at.is_none() {
            act.state = act.outcome.clone().unwrap_or_else(|| "allowed".to_owned());
        }
        act
    }

    /// An ask as it was then.
    pub(super) fn approval(self, mut approval: Approval) -> Approval {
        if self.is_before(approval.answered_at) || approval.state == "expired" {
            let expired = !self.is_before(approval.expires_at);
            approval.state = if expired { "expired" } else { "open" }.to_owned();
            approval.answered_by = None;
            approval.answer_reason = None;
            approval.answered_at = None;
            approval.result = None;
        }
        approval
    }

    /// Whether it is before that one. Now is before nothing.
    fn is_before(self, other: Option<Timestamp>) -> bool {
        self.0.zip(other).is_some_and(|(at, other)| other > at)
    }
}

impl FromRequestParts<Arc<App>> for Moment {
    type Rejection = Oops;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Oops> {
        let asked = Query::<Asked>::try_from_uri(&parts.uri)
            .map_err(|error| Problem::invalid(error.body_text()))?;
        Ok(Self::parse(&asked.at, Timestamp::now())?)
    }
}

/// The incident as it was last said by then, from the entry that said so.
pub(super) async fn incident(app: &App, id: String, at: Timestamp) -> Result<Incident, Problem> {
    let found: Option<Value> = app
        .store
        .read_one(SAID, &[Some(id), Some(at.to_string())])
        .await?;
    let row =
        found.ok_or_else(|| Problem::missing(format!("there was no such incident at {at}")))?;
    let unreadable = || Problem::unavailable("what was said of the incident cannot be read");
    let idx = row["idx"].as_u64().ok_or_else(unreadable)?;
    let entry = app.cores.entry(idx).await.map_err(|error| match error {
        Unavailable::NotFound(what) => Problem::not_found(what),
        other => Problem::unavailable(other.to_string()),
    })?;
    let mut said = entry.event_json.ok_or_else(unreadable)?;
    serde_json::from_value(whole(row, &mut said)).map_err(|error| {
        tracing::error!(%error, idx, "an incident of the past cannot be read");
        unreadable()
    })
}

/// The row with what only the entry tells. An entry leaves out what is empty.
fn whole(mut row: Value, said: &mut Value) -> Value {
    for part in IN_ENTRY {
        row[part] = said[part].take();
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn moment(text: &str) -> Moment {
        let now = "2026-11-30T12:00:00Z".parse().expect("a time");
        Moment::parse(text, now).expect("a moment")
    }

    #[test]
    fn a_moment_is_a_time_that_is_over() {
        assert_eq!(moment(" "), Moment::default());
        assert_eq!(moment("").query(), "");
        let past = moment("2026-11-30T12:30:00+01:00");
        assert_eq!(past.query(), "?at=2026-11-30T11%3A30%3A00Z");
        assert_eq!(past.and(), "&at=2026-11-30T11%3A30%3A00Z");
        let now = "2026-11-30T12:00:00Z".parse().expect("a time");
        for (text, why) in [
            ("yesterday", "is no moment"),
            // A plus sign in an address is a space.
            ("2026-11-30T12:30:00 01:00", "is no moment"),
            ("2026-11-30T12:00:01Z", "is still to come"),
        ] {
            let refused = Moment::parse(text, now).expect_err("no moment");
            assert_eq!(refused.status(), 400);
            assert!(refused.detail().contains(why), "{}", refused.detail());
        }
    }

    #[test]
    fn an_incident_of_the_past_tells_why_it_was_grouped_and_how_bad_it_was_of_its_own() {
        let row = || {
            json!({
                "incident": "i", "state": "open", "severity": "critical", "kind": "crash_loop",
                "entity": "demo/shop/deployment/cart", "confidence": 900, "summary": "it crashes",
                "opened_at": "2026-11-30T10:00:00Z", "updated_at": "2026-11-30T10:00:00Z",
                "resolved_at": null, "newest_evidence_at": "2026-11-30T10:00:00Z",
            })
        };
        let web = json!({
            "cluster": "demo", "namespace": "shop", "kind": "deployment", "name": "web",
        });
        let mut said = json!({
            "affected": [web], "evidence": [], "causes": [], "recommendations": [],
        });
        let incident = |said: &Value| -> Incident {
            serde_json::from_value(whole(row(), &mut said.clone())).expect("an incident")
        };
        let alone = incident(&said);
        assert!(alone.grouped().is_empty() && alone.own_severity.is_none());
        said["grouped"] = json!([{"entity": web, "by": "person", "because": "`ann` merged it"}]);
        said["own_severity"] = json!("error");
        let merged = incident(&said);
        assert_eq!(merged.grouped()[0].because, "`ann` merged it");
        assert_eq!(merged.own_severity.as_deref(), Some("error"));
    }

    #[test]
    fn what_came_later_was_not_known_then() {
        let act = || -> Act {
            let row = json!({
                "decision": "d", "idx": 1, "actor": "aegis", "decided_at": "2026-11-30T10:00:00Z",
                "state": "verified", "outcome": "applied", "outcome_at": "2026-11-30T10:00:02Z",
                "outcome_idx": 2, "checks": [], "assessed_at": "2026-11-30T10:01:00Z",
                "pre_image": {"kind": "deployment"},
            });
            serde_json::from_value(row).expect("an act")
        };
        for (at, state, judged) in [
            ("2026-11-30T10:00:01Z", "allowed", false),
            ("2026-11-30T10:00:30Z", "applied", false),
            ("2026-11-30T10:02:00Z", "verified", true),
            ("", "verified", true),
        ] {
            let then = moment(at).act(act());
            assert_eq!(
                (then.state.as_str(), then.checks.is_some()),
                (state, judged),
                "{at}"
            );
            assert_eq!(then.can_be_undone(), state != "allowed", "{at}");
        }
        let ask = |answer: Option<&str>, state: &str| -> Approval {
            let row = json!({
                "proposal": "p", "idx": 1, "reasons": [], "policy": "x", "state": state,
                "asked_at": "2026-11-30T10:00:00Z", "expires_at": "2026-11-30T10:15:00Z",
                "answered_at": answer, "answered_by": answer.map(|_| "ada"),
            });
            serde_json::from_value(row).expect("an ask")
        };
        let answered = Some("2026-11-30T10:05:00Z");
        for (at, answer, now, then) in [
            ("2026-11-30T10:01:00Z", answered, "approved", "open"),
            ("2026-11-30T10:06:00Z", answered, "approved", "approved"),
            ("2026-11-30T10:06:00Z", None, "expired", "open"),
            ("2026-11-30T10:16:00Z", None, "expired", "expired"),
            ("", None, "expired", "expired"),
            ("", answered, "approved", "approved"),
        ] {
            let was = moment(at).approval(ask(answer, now));
            assert_eq!(was.state, then, "{at} {answer:?}");
            assert_eq!(was.answered_by.is_some(), then == "approved");
        }
    }
}
