//! `aegis explain`: everything that speaks for what was thought and decided in an incident.

use anyhow::Result;
use clap::Args;

use super::incidents::{Found, why};
use super::output::{Output, print_json};
use super::row::{cell, line, list, percent, short, text, time};
use crate::session::Session;

/// Explains an incident.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  aegis explain w4k5m2aq7c3x5jw2mzy4n6p8ra")]
pub struct Explain {
    /// The incident's id.
    incident: String,
    /// What is printed.
    #[command(flatten)]
    output: Output,
}

impl Explain {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When there is no such incident, or the gateway refuses.
    pub async fn run(self) -> Result<()> {
        let mut session = Session::load()?;
        let found = Found::ask(&mut session, &self.incident).await?;
        if self.output.is_json() {
            return print_json(&found.to_json());
        }
        print!("{}", explained(&found));
        Ok(())
    }
}

/// Evidence, causes, what could be done, and each decision with what would turn it.
fn explained(found: &Found) -> String {
    let incident = &found.incident;
    let mut told = found.headline();
    let name = cell(incident, "kind").replace('_', " ");
    told += &line("named", &format!("{name} ({})", percent(incident)));
    for evidence in list(incident, "evidence") {
        let entity = evidence.get("entity").map(short).unwrap_or_default();
        let (source, said) = (cell(evidence, "source"), cell(evidence, "text"));
        told += &line("evidence", &format!("{entity}: {said} ({source})"));
    }
    for cause in list(incident, "causes") {
        told += &line("cause", &why(cause));
    }
    for act in list(incident, "recommendations") {
        let action = act.get("action").map(|action| cell(action, "action"));
        let action = action.unwrap_or_default().replace('_', " ");
        let because = list(act, "because").iter().filter_map(|text| text.as_str());
        let because = because.collect::<Vec<_>>().join("; ");
        told += &line("could", &format!("{action}: {because} ({})", percent(act)));
        for against in list(act, "against").iter().filter_map(|text| text.as_str()) {
            told += &line("", &format!("against: {against}"));
        }
    }
    for decision in found.decisions.iter().rev() {
        let what = text(decision, "description").unwrap_or("no act");
        let at = time(decision, "decided_at");
        let verdict = cell(decision, "verdict");
        told += &line(&verdict, &format!("{what}, {at}"));
        for reason in list(decision, "reasons") {
            let said = format!("{}: {}", cell(reason, "policy"), cell(reason, "text"));
            told += &line("", &said);
        }
        if let Some(flip) = text(decision, "flip") {
            told += &line("", &format!("it would turn: {flip}"));
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_explanation_names_evidence_reasons_and_what_would_turn_them() {
        let found = Found {
            incident: json!({
                "state": "open", "severity": "error", "kind": "crash_loop", "confidence": 910,
                "entity": "demo/shop/deployment/cart",
                "evidence": [{ "entity": { "kind": "pod", "name": "cart-1" }, "source": "object_state", "text": "7 restarts" }],
                "causes": [],
                "recommendations": [{ "action": { "action": "rollout_restart" }, "confidence": 800, "because": ["helped 3 of 3 times"], "against": ["it has an autoscaler"] }],
            }),
            decisions: vec![json!({
                "verdict": "deny", "description": "restart the rollout", "decided_at": "2026-03-01T12:00:01Z",
                "reasons": [{ "policy": "cooldown", "text": "35 s are left" }], "flip": "wait 35 s",
            })],
            acts: Vec::new(),
        };
        let expected = "\
demo/shop/deployment/cart: crash loop, error, open
named      crash loop (91 %)
evidence   pod/cart-1: 7 restarts (object_state)
could      rollout restart: helped 3 of 3 times (80 %)
           against: it has an autoscaler
deny       restart the rollout, 2026-03-01T12:00:01Z
           cooldown: 35 s are left
           it would turn: wait 35 s
";
        assert_eq!(explained(&found), expected);
    }
}
