//! The kill switch: nothing is signed while it is on.

use crate::judge::{Case, View};
use crate::objection::Objection;

pub(super) fn check(view: &View<'_>, case: &Case<'_>) -> Option<Objection> {
    let cluster = &case.target.workload.cluster;
    view.state.orders.is_halted(cluster).then(|| {
        Objection::deny(
            "kill-switch",
            format!("the kill switch of {cluster} is on"),
            "an administrator resumes",
        )
    })
}
