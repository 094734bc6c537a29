//! Incidents: which there are, and one as a person reads it.

use anyhow::Result;
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::output::{Output, print, print_json};
use super::regroup;
use super::row::{cell, line, list, percent, reasons, short, text, time};
use crate::session::Session;

/// Incidents.
#[derive(Debug, Subcommand)]
pub enum Incidents {
    /// List incidents, the newest first.
    #[command(
        after_help = "Examples:\n  aegis incidents ls\n  aegis incidents ls --state open -o json"
    )]
    Ls {
        /// Only those that are `open` or `resolved`.
        #[arg(long, value_parser = ["open", "resolved"])]
        state: Option<String>,
        /// What is printed.
        #[command(flatten)]
        output: Output,
    },
    /// Show one incident: what, since when, how wide, why, what was or would be done, and whether it helped.
    #[command(
        after_help = "Examples:\n  aegis incidents show w4k5m2aq7c3x5jw2mzy4n6p8ra\n  aegis incidents show w4k5m2aq7c3x5jw2mzy4n6p8ra -o json"
    )]
    Show {
        /// The incident's id.
        id: String,
        /// What is printed.
        #[command(flatten)]
        output: Output,
    },
    /// Say that an incident is one trouble with another: it ends, and its entities are the other's.
    #[command(
        after_help = "Example:\n  aegis incidents merge w4k5m2aq7c3x5jw2mzy4n6p8ra 7c3xw4k5m2aq5jw2mzy4n6p8ra --reason 'same database'"
    )]
    Merge {
        /// The incident that ends.
        id: String,
        /// The incident that goes on.
        into: String,
        /// Why, for the record.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Say that an affected entity has a trouble of its own: it gets an incident of its own.
    #[command(
        after_help = "Example:\n  aegis incidents split w4k5m2aq7c3x5jw2mzy4n6p8ra deployment/cart --reason 'its own certificate'"
    )]
    Split {
        /// The incident that it leaves.
        id: String,
        /// Who leaves, as `aegis incidents show` names it: `kind/name`, or in full.
        entity: String,
        /// Why, for the record.
        #[arg(long, default_value = "")]
        reason: String,
    },
}

impl Incidents {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When the gateway refuses.
    pub async fn run(self) -> Result<()> {
        match self {
            Self::Ls { state, output } => {
                let mut session = Session::load()?;
                let filter = state.map_or_else(String::new, |state| format!("?state={state}"));
                let path = format!("/incidents{filter}");
                let rows = session.ask(Method::GET, &path, None).await?;
                let columns = [
                    "incident",
                    "state",
                    "severity",
                    "kind",
                    "entity",
                    "opened_at",
                ];
                let nothing = "no incidents: nothing is wrong that Aegis can see";
                print(&rows, &output, &columns, nothing)
            }
            Self::Merge { id, into, reason } => regroup::merge(&id, &into, &reason).await,
            Self::Split { id, entity, reason } => regroup::split(&id, &entity, &reason).await,
            Self::Show { id, output } => {
                let mut session = Session::load()?;
                let found = Found::ask(&mut session, &id).await?;
                if output.is_json() {
                    return print_json(&found.to_json());
                }
                print!("{}", found.told());
                Ok(())
            }
        }
    }
}

/// All about one incident.
pub(super) struct Found {
    pub(super) incident: Value,
    /// What policy said of it, the newest first.
    pub(super) decisions: Vec<Value>,
    /// What was allowed and became of it, the newest first.
    pub(super) acts: Vec<Value>,
}

impl Found {
    /// Asks the gateway for the incident of that id.
    ///
    /// # Errors
    ///
    /// When there is none, or the gateway refuses.
    pub(super) async fn ask(session: &mut Session, id: &str) -> Result<Self> {
        let mut get = async |path: String| session.ask(Method::GET, &path, None).await;
        let incident = get(format!("/incidents/{id}")).await?;
        let decisions = get(format!("/decisions?incident={id}")).await?;
        let acts = get(format!("/acts?incident={id}")).await?;
        let rows = |rows: Value| rows.as_array().cloned().unwrap_or_default();
        Ok(Self {
            incident,
            decisions: rows(decisions),
            acts: rows(acts),
        })
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "incident": self.incident, "decisions": self.decisions, "acts": self.acts })
    }

    /// In the order in which one asks.
    fn told(&self) -> String {
        let incident = &self.incident;
        let mut told = self.headline();
        told += &line("what", text(incident, "summary").unwrap_or("-"));
        told += &line("since", &since(incident));
        let affected: Vec<String> = list(incident, "affected").iter().map(short).collect();
        told += &line("how wide", &affected.join(", "));
        for one in list(incident, "grouped") {
            let of = one.get("entity").map(short).unwrap_or_default();
            told += &line("", &format!("{of}: {}", cell(one, "because")));
        }
        if let Some(own) = text(incident, "own_severity") {
            let counts = "what a person merged in does not count";
            told += &line(
                "how bad",
                &format!("policy judges acts by: {own}, {counts}"),
            );
        }
        for (place, cause) in list(incident, "causes").iter().enumerate() {
            let label = if place == 0 { "why" } else { "" };
            told += &line(label, &why(cause));
        }
        for act in self.acts.iter().rev() {
            told += &line("done", &how_it_went(act));
        }
        // The newest word of policy, unless it is the act.
        let last = self.decisions.first();
        if let Some(last) = last.filter(|last| text(last, "verdict") != Some("allow")) {
            told += &word(last, text(incident, "state") == Some("open"));
        }
        let undoable = self.acts.iter().find(|act| can_be_undone(act));
        if let Some(act) = undoable {
            told += &line("undo", &format!("aegis undo {}", cell(act, "decision")));
        }
        told
    }

    pub(super) fn headline(&self) -> String {
        let incident = &self.incident;
        let kind = cell(incident, "kind").replace('_', " ");
        format!(
            "{}: {kind}, {}, {}\n",
            cell(incident, "entity"),
            cell(incident, "severity"),
            cell(incident, "state")
        )
    }
}

fn since(incident: &Value) -> String {
    let opened = time(incident, "opened_at");
    match text(incident, "resolved_at") {
        Some(_) => format!("{opened}, until {}", time(incident, "resolved_at")),
        None => opened,
    }
}

/// A cause with why it is believed.
pub(super) fn why(cause: &Value) -> String {
    let because = list(cause, "because").iter().filter_map(Value::as_str);
    let because = because.collect::<Vec<_>>().join("; ");
    let entity = cause.get("entity").map(short).unwrap_or_default();
    format!("{entity}: {because} ({})", percent(cause))
}

/// Whether there is something to take back: a pod that is gone stays gone.
fn can_be_undone(act: &Value) -> bool {
    text(act, "outcome") == Some("applied")
        && text(act, "undo_of").is_none()
        && text(act, "action") != Some("restart_pod")
}

/// An act and whether it helped.
fn how_it_went(act: &Value) -> String {
    let what = format!(
        "{}, {}",
        cell(act, "description"),
        act.get("entity").map(short).unwrap_or_default()
    );
    let seconds = act.get("after_ms").and_then(Value::as_u64);
    let after = seconds.map_or_else(String::new, |ms| format!(" after {} s", ms / 1_000));
    let went = match text(act, "state") {
        Some("verified") => format!("verified{after}"),
        Some("ineffective") => format!("did not help, as was clear{after}"),
        Some("regressed") => format!("made something worse, as was clear{after}"),
        Some("applied") => "done, watching whether it helps".to_owned(),
        Some(state @ ("refused" | "failed")) => {
            format!("{state}, {}", cell(act, "outcome_message"))
        }
        _ => "allowed, not carried out yet".to_owned(),
    };
    let by = list(act, "approvals")
        .iter()
        .filter_map(|approval| text(approval, "by"));
    let by = by.collect::<Vec<_>>().join(", ");
    if by.is_empty() {
        format!("{what}: {went}")
    } else {
        format!("{what}, approved by {by}: {went}")
    }
}

/// What policy said that is no allow.
fn word(decision: &Value, open: bool) -> String {
    let what = text(decision, "description").unwrap_or("nothing");
    let because = reasons(decision);
    match text(decision, "verdict") {
        Some("ask") if open => {
            let proposal: String = cell(decision, "proposal").chars().take(12).collect();
            line("asks", &format!("{what}: {because}"))
                + &line("", &format!("until {}", time(decision, "expires_at")))
                + &line("", &format!("aegis approvals approve {proposal}"))
        }
        Some("escalate") => line("look", &because),
        Some("deny") if decision.get("would_allow") == Some(&Value::Bool(true)) => {
            line("would do", &format!("{what}, but {because}"))
        }
        Some("deny") => line("not done", &format!("{what}: {because}")),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(decisions: Value, acts: Value) -> Found {
        let incident = json!({
            "incident": "w4k5", "state": "open", "severity": "error", "kind": "crash_loop",
            "entity": "demo/shop/deployment/cart", "summary": "3 of 3 pods end again and again",
            "opened_at": "2026-03-01T12:00:00Z", "resolved_at": null,
            "affected": [
                { "cluster": "demo", "namespace": "shop", "kind": "deployment", "name": "cart" },
                { "cluster": "demo", "namespace": "shop", "kind": "deployment", "name": "web" },
            ],
            "grouped": [{
                "entity": { "cluster": "demo", "namespace": "shop", "kind": "deployment", "name": "web" },
                "by": "calls", "because": "it calls deployment/cart",
            }],
            "causes": [
                { "entity": { "kind": "deployment", "name": "cart" }, "confidence": 874, "because": ["revision 7 came before"] },
                { "entity": { "kind": "node", "name": "n1" }, "confidence": 120, "because": ["it is full", "since long"] },
            ],
        });
        let rows = |rows: Value| rows.as_array().cloned().unwrap_or_default();
        Found {
            incident,
            decisions: rows(decisions),
            acts: rows(acts),
        }
    }

    #[test]
    fn an_incident_is_told_in_the_order_in_which_one_asks() {
        let acts = json!([{
            "decision": "d1", "description": "restart the rollout", "entity": "demo/shop/deployment/cart",
            "state": "verified", "outcome": "applied", "undo_of": null, "after_ms": 45_000,
            "approvals": [{ "by": "ann" }],
        }]);
        let told = found(json!([{ "verdict": "allow" }]), acts).told();
        let expected = "\
demo/shop/deployment/cart: crash loop, error, open
what       3 of 3 pods end again and again
since      2026-03-01T12:00:00Z
how wide   deployment/cart, deployment/web
           deployment/web: it calls deployment/cart
why        deployment/cart: revision 7 came before (87 %)
           node/n1: it is full; since long (12 %)
done       restart the rollout, deployment/cart, approved by ann: verified after 45 s
undo       aegis undo d1
";
        assert_eq!(told, expected);
    }

    #[test]
    fn it_is_told_if_policy_judges_an_incident_as_less_bad_than_people_do() {
        let mut found = found(json!([]), json!([]));
        assert!(!found.told().contains("how bad"));
        found.incident["own_severity"] = json!("warning");
        let expected =
            "how bad    policy judges acts by: warning, what a person merged in does not count\n";
        assert!(found.told().contains(expected), "{}", found.told());
    }

    #[test]
    fn what_policy_said_last_is_told_with_what_one_can_do() {
        let said = |verdict: &str, would_allow: bool| {
            json!([{
                "verdict": verdict, "would_allow": would_allow, "description": "restart the rollout",
                "proposal": "0123456789abcdef", "expires_at": "2026-03-01T12:10:00Z",
                "reasons": [{ "policy": "mode", "text": "the mode is observe" }],
            }])
        };
        let cases = [
            ("ask", false, "aegis approvals approve 0123456789ab\n"),
            ("escalate", false, "look       the mode is observe\n"),
            (
                "deny",
                true,
                "would do   restart the rollout, but the mode is observe\n",
            ),
            (
                "deny",
                false,
                "not done   restart the rollout: the mode is observe\n",
            ),
        ];
        for (verdict, would_allow, expected) in cases {
            let told = found(said(verdict, would_allow), json!([])).told();
            assert!(told.ends_with(expected), "{verdict}: {told}");
        }
    }
}
