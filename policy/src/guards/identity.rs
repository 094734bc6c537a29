//! A decision is bound to a cluster's UID and a stream's epoch; without them nothing can be signed.

use crate::judge::{Case, View};
use crate::objection::Objection;

pub(super) fn check(view: &View<'_>, _: &Case<'_>) -> Option<Objection> {
    let identity = &view.state.identity;
    let missing = match (&identity.epoch, &identity.cluster_uid) {
        (Some(_), Some(_)) => return None,
        (None, _) => "the epoch of the stream",
        (Some(_), None) => "the UID of the cluster",
    };
    let text = format!("{missing} is not on the record, so nothing can be signed");
    Some(Objection::deny("identity", text, "run `aegis provision`"))
}
