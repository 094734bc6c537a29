//! The audit log of the server: the oracle for "one effect".

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::identity;

/// One accepted write.
///
/// Writes of the `status` subresource and of leases are left out, as are the
/// controllers' own: they are not acts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// The server's time.
    pub time: Timestamp,
    /// Who wrote.
    pub user: String,
    /// `create`, `update`, `patch`, `delete` or `deletecollection`.
    pub verb: String,
    /// The plural with its group, such as `deployments.apps`.
    pub resource: String,
    /// `scale`, `eviction` …, "" for the object itself.
    pub subresource: String,
    /// "" for cluster-wide objects.
    pub namespace: String,
    /// The object's name, as generated where it was.
    pub name: String,
    /// Whether `dryRun=All` was set: nothing was written.
    pub dry_run: bool,
    /// Whether the object changed (always false for a dry run).
    pub changed: bool,
    /// A digest of the request's body, "" without one.
    pub digest: String,
    /// The decision that the body names, if any.
    pub decision_id: Option<String>,
    /// The resource version after the write.
    pub resource_version: u64,
}

/// The digest of a body.
pub(crate) fn digest(body: &Value) -> String {
    if body.is_null() {
        String::new()
    } else {
        identity::content_hash(body)
    }
}

/// The decision id in a body, be it an object, a merge patch or a JSON Patch.
pub(crate) fn decision_id(body: &Value) -> Option<String> {
    const KEY: &str = "aegis.dev/decision-id";
    match body {
        Value::Object(fields) => {
            if let Some(Value::String(id)) = fields.get(KEY) {
                return Some(id.clone());
            }
            let path = fields.get("path").and_then(Value::as_str);
            if path.is_some_and(|path| path.ends_with("/aegis.dev~1decision-id"))
                && let Some(Value::String(id)) = fields.get("value")
            {
                return Some(id.clone());
            }
            fields.values().find_map(decision_id)
        }
        Value::Array(items) => items.iter().find_map(decision_id),
        _ => None,
    }
}
