//! What ingest reads.

use aegis_ingest::ObjectKind;
use reqwest::Method;

use super::case::{Case, INGEST};

/// A list of each kind that is watched, and the beginning of its watch.
pub(super) fn of_ingest() -> Vec<Case> {
    let collection = |kind: ObjectKind| {
        let (group, version, _, plural) = kind.resource();
        match group {
            "" => format!("/api/{version}/{plural}"),
            _ => format!("/apis/{group}/{version}/{plural}"),
        }
    };
    let list = |kind| {
        Case::of(
            INGEST,
            "list what it watches",
            Method::GET,
            collection(kind),
        )
    };
    let watch = |kind| {
        let path = format!("{}?watch=true&timeoutSeconds=1", collection(kind));
        Case::of(INGEST, "watch it", Method::GET, path)
    };
    let kinds = ObjectKind::ALL.into_iter();
    kinds.flat_map(|kind| [list(kind), watch(kind)]).collect()
}
