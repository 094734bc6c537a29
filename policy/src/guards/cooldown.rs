//! A workload is left alone for a while after an act, longer after each one of its kind that did not help.

use std::time::Duration;

use aegis_schemas::{ActionKind, Entity, Timestamp};

use super::words;
use crate::acts::Standing;
use crate::judge::{Case, View};
use crate::objection::Objection;

pub(super) fn check(view: &View<'_>, case: &Case<'_>) -> Option<Objection> {
    let workload = &case.target.workload;
    let of_any = view
        .state
        .acts
        .on(workload)
        // What was refused left the workload alone.
        .find(|act| act.counts())
        .map(|act| act.decided + view.settings().cooldown.any_action.0);
    let end = of_any.max(of_kind(view, workload, case.kind()))?;
    (end > view.now).then(|| {
        let left = words(end.since(view.now));
        let text = format!(
            "{} rests for {left} more after the last act",
            workload.short()
        );
        Objection::deny("cooldown", text, format!("wait {left}")).until(end)
    })
}

/// When the rest after the last act of that kind ends.
fn of_kind(view: &View<'_>, workload: &Entity, kind: ActionKind) -> Option<Timestamp> {
    let settings = view.settings();
    let standings: Vec<_> = view
        .state
        .acts
        .on(workload)
        .filter(|act| act.action.kind() == kind && act.undo_of.is_none())
        .map(|act| (act.decided, act.standing(settings, view.now)))
        .filter(|(_, standing)| *standing != Standing::Void)
        .collect();
    let (last, _) = standings.first()?;
    let useless = standings
        .iter()
        .take_while(|(_, standing)| matches!(standing, Standing::Useless(_) | Standing::Futile(_)))
        .count();
    Some(
        *last
            + rest(
                settings.cooldown.same_action.0,
                useless,
                settings.cooldown.longest.0,
            ),
    )
}

fn rest(base: Duration, doublings: usize, longest: Duration) -> Duration {
    let factor = 1_u32 << doublings.min(16);
    base.saturating_mul(factor).min(longest.max(base))
}
