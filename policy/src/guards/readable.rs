//! When the activated policy set cannot be read any more, nobody can tell what it would forbid.

use crate::judge::{Case, View};
use crate::objection::Objection;

pub(super) fn check(view: &View<'_>, _: &Case<'_>) -> Option<Objection> {
    view.unreadable.map(|digest| {
        Objection::deny(
            "policy-unreadable",
            format!("policy set unreadable: this version of Aegis cannot read {digest}"),
            "run `aegis provision`",
        )
        .passing()
    })
}
