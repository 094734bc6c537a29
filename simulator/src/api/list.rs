//! Lists, whole or page by page.

use http::StatusCode;
use serde_json::json;

use super::cluster::Cluster;
use super::error::Refusal;
use super::request::Call;
use super::store::Key;
use super::verbs::Answer;
use super::{json, wire};

/// In a token: the version of the moment, for who goes on with a list that has expired.
const ANY: &str = "-1";

impl Cluster {
    pub(super) fn list(&self, call: &Call) -> Result<Answer, Refusal> {
        let selector = call.selector()?;
        let limit = call.number("limit")?.filter(|limit| *limit > 0);
        let limit = limit.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
        let (version, after) = match call.query("continue") {
            "" => (self.store.version(), None),
            token => {
                let (version, place) = resume(token)?;
                // Pages are of the live state: what changed since the first
                // one is told again by a watch from the first one's version.
                let version = version.unwrap_or(self.store.version());
                if version < self.store.oldest() {
                    return Err(Refusal::expired_page(&format!("{ANY}:{place}")));
                }
                (version, Some(key(call, place)?))
            }
        };
        let mut all = self
            .store
            .all(call.resource.kind)
            .filter(|(key, _)| call.namespace.is_empty() || key.namespace == call.namespace)
            .filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after));
        let matching = all.by_ref().filter(|(_, object)| selector.matches(object));
        let page: Vec<_> = matching.take(limit).collect();
        // What the next page has to look at, whether it is selected or not.
        let remaining = all.count();
        let items: Vec<_> = page
            .iter()
            .map(|(_, object)| {
                let mut item = wire::outward(call.resource, object);
                // A list says them once for all.
                json::put(&mut item, "kind", None);
                json::put(&mut item, "apiVersion", None);
                item
            })
            .collect();
        let mut metadata = json!({ "resourceVersion": version.to_string() });
        if let (Some((last, _)), true) = (page.last(), remaining > 0) {
            let token = format!("{version}:{}/{}", last.namespace, last.name);
            metadata["continue"] = token.into();
            // Nobody counts what a selector would leave.
            if selector.is_empty() {
                metadata["remainingItemCount"] = remaining.into();
            }
        }
        let list = json!({
            "kind": format!("{}List", call.resource.name),
            "apiVersion": call.resource.api_version(),
            "metadata": metadata,
            "items": items,
        });
        Ok((StatusCode::OK, list))
    }
}

/// The version and the place after which a page begins; no version for the one of the moment.
fn resume(token: &str) -> Result<(Option<u64>, &str), Refusal> {
    match token.split_once(':') {
        Some((ANY, place)) => Ok((None, place)),
        Some((version, place)) => Ok((Some(version.parse().map_err(|_| no_token())?), place)),
        None => Err(no_token()),
    }
}

fn key(call: &Call, place: &str) -> Result<Key, Refusal> {
    let (namespace, name) = place.split_once('/').ok_or_else(no_token)?;
    Ok(Key::new(call.resource.kind, namespace, name))
}

fn no_token() -> Refusal {
    Refusal::bad_request("continue key is not valid")
}
