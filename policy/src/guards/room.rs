//! When AEGIS_EVENTS is nearly full, what is left is for commands, outcomes and undos.

use crate::judge::{Case, View};
use crate::objection::Objection;

pub(super) fn check(view: &View<'_>, _: &Case<'_>) -> Option<Objection> {
    let most = view.settings().events_max_fill_percent;
    let fill = view.state.events_fill * 100.0;
    // Asked this way round, so that what is no number counts as too much.
    let has_room = fill < f64::from(most);
    (!has_room).then(|| {
        let text = format!("AEGIS_EVENTS is {fill:.0} % full, from {most} % on nothing is allowed");
        Objection::deny("stream-full", text, "room in AEGIS_EVENTS").passing()
    })
}
