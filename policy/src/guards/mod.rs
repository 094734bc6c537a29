//! The guards: each looks at one thing, and objects or is silent. They hold for everybody, besides the
//! policies; their numbers are in the settings.

pub(crate) mod blast;
mod breaker;
mod clock;
mod cooldown;
mod evidence;
mod freeze;
mod halt;
mod identity;
pub(crate) mod rate;
mod readable;
mod room;
mod storm;
mod target;
mod waiting;

use crate::judge::{Case, View};
use crate::objection::Objection;

/// A guard.
pub(crate) type Guard = fn(&View<'_>, &Case<'_>) -> Option<Objection>;

/// All guards, in the order in which their reasons are read.
pub(crate) const ALL: [Guard; 14] = [
    halt::check,
    readable::check,
    identity::check,
    clock::check,
    room::check,
    freeze::check,
    storm::check,
    target::check,
    evidence::check,
    waiting::check,
    breaker::check,
    cooldown::check,
    blast::check,
    rate::check,
];

/// A duration for people, in seconds or minutes.
fn words(duration: std::time::Duration) -> String {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, 0) => format!("{minutes} min"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}
