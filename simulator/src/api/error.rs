//! Refusals, in the words of the real API server.

use http::StatusCode;
use serde_json::{Value, json};
use thiserror::Error;

use super::resources::Resource;

/// A refusal: what becomes a `metav1.Status`.
#[derive(Debug, Error)]
#[error("{message}")]
pub(crate) struct Refusal {
    pub(crate) code: StatusCode,
    reason: &'static str,
    message: String,
    details: Value,
}

impl Refusal {
    fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: json!({}),
        }
    }

    fn about(mut self, resource: &Resource, name: &str) -> Self {
        self.details = json!({ "name": name, "kind": resource.plural });
        if !resource.group.is_empty() {
            self.details["group"] = resource.group.into();
        }
        self
    }

    fn caused(mut self, reason: &str, message: &str, field: Option<&str>) -> Self {
        let mut cause = json!({ "reason": reason, "message": message });
        if let Some(field) = field {
            cause["field"] = field.into();
        }
        self.details["causes"] = json!([cause]);
        self
    }

    /// The body of the answer.
    pub(crate) fn status(&self) -> Value {
        json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details,
            "code": self.code.as_u16(),
        })
    }

    pub(crate) fn is_not_found(&self) -> bool {
        self.code == StatusCode::NOT_FOUND
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    pub(crate) fn no_such_path() -> Self {
        let message = "the server could not find the requested resource";
        Self::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    pub(crate) fn no_such_method() -> Self {
        let message = "the server does not allow this method on the requested resource";
        let code = StatusCode::METHOD_NOT_ALLOWED;
        Self::new(code, "MethodNotAllowed", message)
    }

    pub(crate) fn media_type() -> Self {
        let message = "the body of the request was in an unknown format - accepted media types \
            include: application/json-patch+json, application/merge-patch+json, \
            application/strategic-merge-patch+json, application/apply-patch+yaml";
        let code = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Self::new(code, "UnsupportedMediaType", message)
    }

    pub(crate) fn not_found(resource: &Resource, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", resource.qualified());
        Self::new(StatusCode::NOT_FOUND, "NotFound", message).about(resource, name)
    }

    pub(crate) fn already_exists(resource: &Resource, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", resource.qualified());
        Self::new(StatusCode::CONFLICT, "AlreadyExists", message).about(resource, name)
    }

    pub(crate) fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        let resource_name = resource.qualified();
        let message = format!("Operation cannot be fulfilled on {resource_name} \"{name}\": {why}");
        Self::new(StatusCode::CONFLICT, "Conflict", message).about(resource, name)
    }

    /// Someone else wrote since the caller read.
    pub(crate) fn modified(resource: &Resource, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest \
            version and try again";
        Self::conflict(resource, name, why)
    }

    /// Server-side apply meets a field that another manager owns.
    pub(crate) fn apply_conflict(conflicts: &[(String, String)]) -> Self {
        let listed: Vec<_> = conflicts
            .iter()
            .map(|(manager, field)| format!("conflict with \"{manager}\": {field}"))
            .collect();
        let plural = if conflicts.len() == 1 { "" } else { "s" };
        let count = conflicts.len();
        let listed = listed.join(", ");
        let message = format!("Apply failed with {count} conflict{plural}: {listed}");
        let mut refusal = Self::new(StatusCode::CONFLICT, "Conflict", message);
        let causes = conflicts.iter().map(|(manager, field)| {
            json!({
                "reason": "FieldManagerConflict",
                "message": format!("conflict with \"{manager}\""),
                "field": field,
            })
        });
        refusal.details["causes"] = causes.collect();
        refusal
    }

    /// What the server says to a JSON Patch that cannot be applied, a failed
    /// `test` included: it does not say which line.
    pub(crate) fn patch_failed() -> Self {
        let message = "the server rejected our request due to an error in our request";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message)
    }

    /// A value that breaks a rule of its kind.
    pub(crate) fn invalid(resource: &Resource, name: &str, field: &str, why: &str) -> Self {
        let kind = resource.qualified_kind();
        let message = format!("{kind} \"{name}\" is invalid: {field}: {why}");
        let mut refusal = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message)
            .about(resource, name)
            .caused("FieldValueInvalid", why, Some(field));
        refusal.details["kind"] = resource.name.into();
        refusal
    }

    /// An admission policy says no.
    pub(crate) fn denied(resource: &Resource, name: &str, policy: &str, why: &str) -> Self {
        let message = format!(
            "{} \"{name}\" is forbidden: ValidatingAdmissionPolicy '{policy}' with binding \
             '{policy}' denied request: {why}",
            resource.qualified()
        );
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message)
            .about(resource, name)
            .caused("", why, None)
    }

    pub(crate) fn forbidden(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {why}", resource.qualified());
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message).about(resource, name)
    }

    /// The client's place in the history is no longer kept.
    pub(crate) fn expired(asked: u64, oldest: u64) -> Self {
        let message = format!("too old resource version: {asked} ({oldest})");
        Self::new(StatusCode::GONE, "Expired", message)
    }

    /// A disruption budget has no room.
    pub(crate) fn budget(name: &str, why: &str) -> Self {
        let message = "Cannot evict pod as it would violate the pod's disruption budget.";
        let code = StatusCode::TOO_MANY_REQUESTS;
        let mut refusal =
            Self::new(code, "TooManyRequests", message).caused("DisruptionBudget", why, None);
        refusal.details["name"] = name.into();
        refusal
    }

    pub(crate) fn internal(message: &str) -> Self {
        let code = StatusCode::INTERNAL_SERVER_ERROR;
        Self::new(code, "InternalError", message)
    }
}

/// The answer to a deletion that is complete.
pub(crate) fn success(resource: &Resource, name: &str, uid: &str) -> Value {
    let mut details = json!({ "name": name, "kind": resource.plural, "uid": uid });
    if !resource.group.is_empty() {
        details["group"] = resource.group.into();
    }
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    })
}
