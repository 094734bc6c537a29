//! Old evidence does not act, also when an approval comes late.

use super::words;
use crate::judge::{Case, View};
use crate::objection::Objection;

pub(super) fn check(view: &View<'_>, case: &Case<'_>) -> Option<Objection> {
    let newest = case.incident?.incident.newest_evidence;
    let most = view.settings().evidence_max_age.0;
    let age = view.now.since(newest);
    (age > most).then(|| {
        let text = format!(
            "the newest evidence is {} old, {} are allowed",
            words(age),
            words(most)
        );
        Objection::deny("old-evidence", text, "new evidence").passing()
    })
}
