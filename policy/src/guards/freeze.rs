//! A freeze: no acts in a scope until a time; what is still wrong then is judged anew.

use crate::judge::{Case, View};
use crate::objection::Objection;

pub(super) fn check(view: &View<'_>, case: &Case<'_>) -> Option<Objection> {
    let orders = &view.state.orders;
    let (scope, until) = orders.freeze(&case.target.workload, case.kind(), view.now)?;
    let place = scope
        .namespace
        .as_ref()
        .map_or_else(|| scope.cluster.to_string(), ToString::to_string);
    let text = format!("{place} is frozen until {until}");
    Some(Objection::deny("freeze", text, format!("the end of the freeze at {until}")).until(until))
}
