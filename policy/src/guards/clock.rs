//! When ingest's clock and the stream's are apart, nobody can be trusted about ages.

use super::words;
use crate::judge::{Case, View};
use crate::objection::Objection;

pub(super) fn check(view: &View<'_>, _: &Case<'_>) -> Option<Objection> {
    let most = view.settings().clock_max_apart.0;
    let apart = view.state.clock_apart;
    (apart > most).then(|| {
        let text = format!(
            "the clocks of ingest and of the stream are {} apart, {} are allowed",
            words(apart),
            words(most)
        );
        Objection::deny("clock", text, "clocks that agree").passing()
    })
}
