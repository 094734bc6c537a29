//! The object must be there, as it was when the act was thought of, and the act must suit it.

use aegis_schemas::Action;

use crate::judge::{Case, View};
use crate::objection::Objection;

pub(super) fn check(view: &View<'_>, case: &Case<'_>) -> Option<Objection> {
    let world = &view.state.world;
    let target = case.target;
    let name = target.entity.short();
    let Some(workload) = world.workloads.get(&target.workload) else {
        let text = format!("{} is not known", target.workload.short());
        return Some(Objection::deny("unknown-target", text, "a workload that exists").passing());
    };
    if matches!(case.action, Action::RestoreTemplate { .. }) {
        return Some(Objection::deny(
            "undo-only",
            "a template is put back only to undo an act",
            "ask to undo the act instead",
        ));
    }
    if workload.deleting {
        let text = format!("{} is being deleted", target.workload.short());
        return Some(Objection::deny("deleting", text, "another target"));
    }
    let changed = |text: String| {
        Some(Objection::deny("target-changed", text, "the target as it is now").passing())
    };
    if let Action::RestartPod { delete } = case.action {
        let pod = world.pods.get(&target.entity);
        let Some(pod) = pod.filter(|pod| pod.uid == target.uid && !pod.deleting) else {
            return changed(format!("{name} is gone or another pod by now"));
        };
        if pod.workload.as_ref() != Some(&target.workload) {
            return changed(format!(
                "{name} does not belong to {}",
                target.workload.short()
            ));
        }
        if *delete && pod.ready {
            let text = format!("{name} is ready: it is evicted, not deleted");
            return Some(Objection::deny("delete-ready", text, "evict it instead"));
        }
        if pod.ready && workload.ready <= 1 {
            let text = format!(
                "{name} is the last ready pod of {}",
                target.workload.short()
            );
            return Some(Objection::deny("last-ready-pod", text, "another ready pod"));
        }
        return None;
    }
    if target.entity != target.workload {
        return Some(Objection::deny(
            "wrong-target",
            format!("{} is done to a workload, not to {name}", case.kind()),
            "the workload as the target",
        ));
    }
    if workload.uid != target.uid {
        return changed(format!("{name} was made anew since"));
    }
    if workload.generation != target.generation {
        return changed(format!(
            "{name} is at generation {}, not {} any more",
            workload.generation, target.generation
        ));
    }
    None
}
