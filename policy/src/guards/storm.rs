//! In a storm Aegis does nothing by itself: acts on single workloads would add to what nobody understands
//! yet. It asks; what people want or approve goes on, and so do undos.

use super::words;
use crate::judge::{Case, View};
use crate::objection::{Effect, Objection};
use crate::rules::StormLimits;
use crate::storm::Storm;

pub(super) fn check(view: &View<'_>, case: &Case<'_>) -> Option<Objection> {
    if case.approved || case.is_by_person() {
        return None;
    }
    let storm = view.state.storms.lasting.as_ref()?;
    let limits = &view.settings().storm;
    let flip = format!(
        "approve it, or wait until it has been below half for {}",
        words(limits.over_after.0)
    );
    Some(Objection::new(
        Effect::Ask,
        "storm",
        what(storm, limits),
        flip,
    ))
}

/// What made it one, at its worst.
fn what(storm: &Storm, limits: &StormLimits) -> String {
    let workloads = storm.workloads.map(|(sick, of)| {
        let within = words(limits.within.0);
        format!("{sick} of {of} workloads fell sick within {within}")
    });
    let nodes = storm
        .nodes
        .map(|(sick, of)| format!("{sick} of {of} nodes were not ready"));
    let all: Vec<String> = workloads.into_iter().chain(nodes).collect();
    all.join(" and ")
}
