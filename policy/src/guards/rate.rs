//! How many acts in a window; what is above becomes a question to a person, and is never lost.

use crate::acts::Act;
use crate::judge::{Case, View};
use crate::objection::{Effect, Objection};

pub(super) fn check(view: &View<'_>, case: &Case<'_>) -> Option<Objection> {
    if case.approved {
        return None;
    }
    let limits = &view.settings().rate;
    let namespace = &case.target.workload.namespace;
    let recent = recent(view);
    let here = recent
        .iter()
        .filter(|act| act.workload().namespace == *namespace)
        .count();
    let text = if left_of(limits.per_cluster, recent.len()) == 0 {
        format!(
            "{} acts in the cluster of late, {} are allowed",
            recent.len(),
            limits.per_cluster
        )
    } else if left_of(limits.per_namespace, here) == 0 {
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

/// How many more acts the cluster may see in this window without a person's yes, and how many in all.
pub(crate) fn left(view: &View<'_>) -> (u32, u32) {
    let all = view.settings().rate.per_cluster;
    (left_of(all, recent(view).len()), all)
}

fn left_of(limit: u32, taken: usize) -> u32 {
    limit.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX))
}

fn recent<'a>(view: &View<'a>) -> Vec<&'a Act> {
    let acts = view.state.acts.iter();
    acts.take_while(|act| view.now.since(act.decided) < view.settings().rate.window.0)
        .filter(|act| act.undo_of.is_none())
        .collect()
}
