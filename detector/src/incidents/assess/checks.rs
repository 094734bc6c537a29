//! What an assessment was judged by, in words and numbers.

use aegis_schemas::{Action, Check, Entity, Timestamp};

use super::{Act, View, neighbours};

impl Act {
    /// Every check with whether it held and what was measured.
    pub(super) fn checks(&self, view: &View<'_>, harmed: Option<&Entity>) -> Vec<Check> {
        let now = view.now;
        let lasting = |since: Option<Timestamp>| {
            since.map_or_else(
                || "not now".to_owned(),
                |since| format!("for {:.1} s", now.since(since).as_secs_f64()),
            )
        };
        let state = view
            .world
            .workloads
            .get(self.workload())
            .map(|workload| workload.state.clone())
            .unwrap_or_default();
        let check = |name: &str, held: bool, measured: String| Check {
            name: name.to_owned(),
            held,
            measured,
        };
        let symptoms: Vec<String> = view
            .symptoms(self.workload())
            .iter()
            .filter(|symptom| symptom.kind.is_harm())
            .map(|symptom| symptom.text.clone())
            .collect();
        vec![
            check(
                "settled",
                self.settled_since.is_some(),
                format!(
                    "generation {} observed, {} of {} updated, {}",
                    state.observed_generation,
                    state.updated,
                    state.replicas,
                    lasting(self.settled_since)
                ),
            ),
            check(
                "ready",
                self.ready_since.is_some(),
                format!(
                    "{} of {} ready {}",
                    state.ready,
                    state.replicas,
                    lasting(self.ready_since)
                ),
            ),
            check(
                "silent",
                self.silent_since.is_some(),
                if symptoms.is_empty() {
                    format!("no symptom {}", lasting(self.silent_since))
                } else {
                    symptoms.join("; ")
                },
            ),
            check(
                "neighbours",
                self.harmed_since.is_empty(),
                harmed
                    .or_else(|| self.harmed_since.keys().next())
                    .map_or_else(
                        || format!("{} unharmed", neighbours(view.world, self.workload()).len()),
                        |near| {
                            let texts: Vec<String> =
                                view.symptoms(near).iter().map(|s| s.text.clone()).collect();
                            format!("{} is worse since: {}", near.short(), texts.join("; "))
                        },
                    ),
            ),
            check(
                "replicas",
                matches!(self.action, Action::Scale { .. })
                    || state.replicas >= self.before.replicas,
                format!("{} now, {} before", state.replicas, self.before.replicas),
            ),
        ]
    }
}
