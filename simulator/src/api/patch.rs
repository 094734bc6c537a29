//! The four kinds of patch.

use serde_json::Value;

use super::cluster::Cluster;
use super::error::Refusal;
use super::request::Call;
use super::verbs::{Answer, Sent, scaled};
use super::{apply, json, managed, merge, wire};

const MEDIA_TYPES: &str = "application/json-patch+json, application/merge-patch+json, \
    application/strategic-merge-patch+json, application/apply-patch+yaml";

impl Cluster {
    pub(super) fn patch(&mut self, call: &Call, sent: &Sent<'_>) -> Result<Answer, Refusal> {
        if sent.content_type.starts_with("application/apply-patch") {
            return self.apply(call, sent);
        }
        let old = self.find(call)?;
        if call.subresource == "scale" {
            let scale = patched(sent, &wire::scale(&old))?;
            let wanted = scaled(&old, &scale)?;
            return self.modify(call, sent, &old, wanted, None);
        }
        let seen = wire::outward(call.resource, &old);
        let wanted = wire::inward(call.resource, patched(sent, &seen)?)?;
        self.modify(call, sent, &old, wanted, None)
    }

    fn apply(&mut self, call: &Call, sent: &Sent<'_>) -> Result<Answer, Refusal> {
        let manager = call.query("fieldManager");
        if manager.is_empty() {
            return Err(Refusal::bad_request(
                "fieldManager is required for apply patch",
            ));
        }
        let mut wanted = wire::inward(call.resource, sent.body.clone())?;
        if !json::list(&wanted, "/metadata/managedFields").is_empty() {
            return Err(Refusal::bad_request("metadata.managedFields must be nil"));
        }
        json::set(&mut wanted, &["metadata", "name"], call.name.clone());
        match self.find(call) {
            Ok(old) => {
                let force = call.flag("force");
                let (merged, fields) = apply::apply(&old, &wanted, manager, force)?;
                self.modify(call, sent, &old, merged, Some(fields))
            }
            Err(refusal) if refusal.is_not_found() && call.subresource.is_empty() => {
                let fields = managed::leaves(&wanted).into_keys().collect();
                self.create(call, sent, wanted, Some(fields))
            }
            Err(refusal) => Err(refusal),
        }
    }
}

fn patched(sent: &Sent<'_>, current: &Value) -> Result<Value, Refusal> {
    let mut document = current.clone();
    let media_type = sent.content_type.split(';').next().unwrap_or("").trim();
    match media_type {
        "application/json-patch+json" => {
            if !sent.body.is_array() {
                return Err(Refusal::bad_request("error decoding patch: it is no array"));
            }
            let patch: json_patch::Patch =
                serde_json::from_value(sent.body.clone()).map_err(|_| Refusal::patch_failed())?;
            json_patch::patch(&mut document, &patch).map_err(|_| Refusal::patch_failed())?;
        }
        "application/merge-patch+json" => json_patch::merge(&mut document, &sent.body),
        "application/strategic-merge-patch+json" => {
            merge::strategic(&mut document, &sent.body, "");
        }
        _ => return Err(Refusal::media_type(MEDIA_TYPES).vague()),
    }
    Ok(document)
}
