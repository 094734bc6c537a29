//! One act at a time: nothing else is done to a workload before the last act's verdict is in.

use crate::judge::{Case, View};
use crate::objection::Objection;

pub(super) fn check(view: &View<'_>, case: &Case<'_>) -> Option<Objection> {
    let workload = &case.target.workload;
    let pending = view
        .state
        .acts
        .pending_on(workload, view.settings(), view.now)?;
    let text = format!(
        "{} has an act whose verdict is not in: {} (decision {})",
        workload.short(),
        pending.action.describe(),
        pending.decision
    );
    Some(
        Objection::deny("one-at-a-time", text, "the verdict on that act")
            .passing()
            .quiet(),
    )
}
