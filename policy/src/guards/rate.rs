//! How many acts in a window; what is above becomes a question to a person, and is never lost.

use crate::judge::{Case, View};
use crate::objection::{Effect, Objection};

pub(super) fn check(view: &View<'_>, case: &Case<'_>) -> Option<Objection> {
    if case.approved {
        return None;
    }
    let limits = &view.settings().rate;
    let namespace = &case.target.workload.namespace;
    let recent: Vec<_> = view
        .state
        .acts
        .iter()
        .take_while(|act| view.now.since(act.decided) < limits.window.0)
        .filter(|act| act.undo_of.is_none())
        .collect();
    let here = recent
        .iter()
        .filter(|act| act.workload().namespace == *namespace)
        .count();
    let over = |count: usize, limit: u32| count >= usize::try_from(limit).unwrap_or(usize::MAX);
    let text = if over(recent.len(), limits.per_cluster) {
        format!(
            "{} acts in the cluster of late, {} are allowed",
            recent.len(),
            limits.per_cluster
        )
    } else if over(here, limits.per_namespace) {
        format!(
            "{here} acts in the namespace of late, {} are allowed",
            limits.per_namespace
        )
    } else {
        return None;
    };
    Some(Objection::new(
        Effect::Ask,
        "rate-limit",
        text,
        "approve it, or wait",
    ))
}
