//! The audit log of the server: the oracle for "one effect", and for "nothing was even asked".

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::identity;

/// What comes before the name of one of Aegis' service accounts.
const ACCOUNTS: &str = "system:serviceaccount:aegis:";

/// How many requests each user made, by HTTP method, whatever was answered.
pub type Requests = BTreeMap<String, BTreeMap<String, u64>>;

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
    /// Whether the object changed (always false for a dry run). A real server does not tell: what it
    /// took counts as a change.
    pub changed: bool,
    /// A digest of the request's body, "" without one.
    pub digest: String,
    /// The decision that the body names, if any.
    pub decision_id: Option<String>,
    /// The resource version after the write.
    pub resource_version: u64,
}

impl Entry {
    /// The write that an event of a real server's audit log tells of, by the same rules.
    pub(crate) fn from_audit(event: &Value) -> Option<Self> {
        let text = |at: &str| {
            event
                .pointer(at)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let verb = text("/verb");
        let code = event
            .pointer("/responseStatus/code")
            .and_then(Value::as_u64)?;
        let written = matches!(
            verb,
            "create" | "update" | "patch" | "delete" | "deletecollection"
        ) && (200..300).contains(&code);
        let (user, kind) = (text("/user/username"), text("/objectRef/resource"));
        // Aegis' own service accounts have the names that they have in the simulator.
        let user = user.strip_prefix(ACCOUNTS).unwrap_or(user);
        let subresource = text("/objectRef/subresource");
        let group = text("/objectRef/apiGroup");
        // Who asks what it may do writes nothing.
        let no_act = user.starts_with("system:")
            || kind == "leases"
            || group == "authorization.k8s.io"
            || subresource == "status";
        if !written || no_act {
            return None;
        }
        let resource = match group {
            "" => kind.to_owned(),
            group => format!("{kind}.{group}"),
        };
        let generated = text("/responseObject/metadata/name");
        let name = Some(text("/objectRef/name")).filter(|name| !name.is_empty());
        let body = event.get("requestObject").unwrap_or(&Value::Null);
        // The options of a deletion are its body.
        let dry_run = text("/requestURI").contains("dryRun=All")
            || body["dryRun"].as_array().is_some_and(|all| !all.is_empty());
        let version = text("/responseObject/metadata/resourceVersion");
        Some(Self {
            time: text("/requestReceivedTimestamp").parse().ok()?,
            user: user.to_owned(),
            verb: verb.to_owned(),
            resource,
            subresource: subresource.to_owned(),
            namespace: text("/objectRef/namespace").to_owned(),
            name: name.unwrap_or(generated).to_owned(),
            dry_run,
            changed: !dry_run,
            digest: digest(body),
            decision_id: decision_id(body),
            resource_version: version.parse().unwrap_or(0),
        })
    }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(user: &str, verb: &str, code: u16, uri: &str) -> Value {
        json!({
            "kind": "Event", "stage": "ResponseComplete", "verb": verb, "requestURI": uri,
            "user": {"username": user}, "requestReceivedTimestamp": "2026-11-29T10:00:00.5Z",
            "objectRef": {"resource": "deployments", "apiGroup": "apps", "namespace": "shop", "name": "web"},
            "responseStatus": {"code": code},
            "requestObject": [{"op": "add", "value": "d-1",
                "path": "/metadata/annotations/aegis.dev~1decision-id"}],
            "responseObject": {"metadata": {"name": "web", "resourceVersion": "71"}},
        })
    }

    #[test]
    fn an_audit_event_of_an_accepted_write_is_an_entry() {
        let found =
            Entry::from_audit(&event("aegis-executor", "patch", 200, "/x")).expect("a write");
        assert_eq!(found.resource, "deployments.apps");
        assert_eq!(found.decision_id.as_deref(), Some("d-1"));
        assert_eq!((found.changed, found.resource_version), (true, 71));
        let account = "system:serviceaccount:aegis:aegis-executor";
        let by_account = Entry::from_audit(&event(account, "patch", 200, "/x")).expect("a write");
        assert_eq!(by_account, found);
        let by_query = event("aegis-executor", "patch", 200, "/x?dryRun=All");
        let mut by_body = event("aegis-executor", "delete", 200, "/x");
        by_body["requestObject"] = json!({"kind": "DeleteOptions", "dryRun": ["All"]});
        for dry in [by_query, by_body] {
            let dry = Entry::from_audit(&dry).expect("a write");
            assert_eq!((dry.dry_run, dry.changed), (true, false));
        }
    }

    #[test]
    fn reads_reviews_refusals_and_the_writes_of_controllers_are_no_entries() {
        for (user, verb, code) in [
            ("aegis-executor", "get", 200),
            ("aegis-executor", "patch", 409),
            ("system:kube-controller-manager", "update", 200),
        ] {
            assert_eq!(
                Entry::from_audit(&event(user, verb, code, "/x")),
                None,
                "{user} {verb} {code}"
            );
        }
        let mut review = event("aegis-executor", "create", 201, "/x");
        review["objectRef"] = json!({
            "resource": "selfsubjectaccessreviews", "apiGroup": "authorization.k8s.io",
        });
        assert_eq!(Entry::from_audit(&review), None);
    }
}
