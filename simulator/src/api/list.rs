//! Lists, whole or page by page.

use http::StatusCode;
use serde_json::json;

use super::cluster::Cluster;
use super::error::Refusal;
use super::request::Call;
use super::store::Key;
use super::verbs::Answer;
use super::{json, wire};

impl Cluster {
    pub(super) fn list(&self, call: &Call) -> Result<Answer, Refusal> {
        let selector = call.selector()?;
        let limit = call.number("limit")?.filter(|limit| *limit > 0);
        let limit = limit.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
        let (version, after) = match call.query("continue") {
            "" => (self.store.version(), None),
            token => {
                let (version, key) = resume(call, token)?;
                // Pages are of the live state: what changed since the first
                // one is told again by a watch from the first one's version.
                if version < self.store.oldest() {
                    return Err(Refusal::expired(version, self.store.oldest()));
                }
                (version, Some(key))
            }
        };
        let mut matching = self
            .store
            .all(call.resource.kind)
            .filter(|(key, _)| call.namespace.is_empty() || key.namespace == call.namespace)
            .filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after))
            .filter(|(_, object)| selector.matches(object));
        let page: Vec<_> = matching.by_ref().take(limit).collect();
        let remaining = matching.count();
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
            metadata["remainingItemCount"] = remaining.into();
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

fn resume(call: &Call, token: &str) -> Result<(u64, Key), Refusal> {
    let parts = token.split_once(':').and_then(|(version, place)| {
        let (namespace, name) = place.split_once('/')?;
        let key = Key::new(call.resource.kind, namespace, name);
        Some((version.parse().ok()?, key))
    });
    parts.ok_or_else(|| Refusal::bad_request("continue key is not valid"))
}
