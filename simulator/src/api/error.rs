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
    /// "" when the server gives none.
    reason: &'static str,
    message: String,
    /// Null when the server gives none.
    details: Box<Value>,
    /// Where a list that expired may go on, "" otherwise.
    resume: String,
}

impl Refusal {
    fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: Box::default(),
            resume: String::new(),
        }
    }

    /// Says that there are details, and none.
    pub(crate) fn vague(mut self) -> Self {
        *self.details = json!({});
        self
    }

    fn about(mut self, resource: &Resource, name: &str) -> Self {
        *self.details = json!({ "kind": resource.plural });
        if !name.is_empty() {
            self.details["name"] = name.into();
        }
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
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "code": self.code.as_u16(),
        });
        if !self.reason.is_empty() {
            status["reason"] = self.reason.into();
        }
        if !self.resume.is_empty() {
            status["metadata"]["continue"] = self.resume.as_str().into();
        }
        if !self.details.is_null() {
            status["details"] = (*self.details).clone();
        }
        status
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

    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("Request entity too large: limit is {limit}");
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            message,
        )
    }

    pub(crate) fn no_such_path() -> Self {
        let message = "the server could not find the requested resource";
        Self::new(StatusCode::NOT_FOUND, "NotFound", message).vague()
    }

    pub(crate) fn no_such_method() -> Self {
        let message = "the server does not allow this method on the requested resource";
        let code = StatusCode::METHOD_NOT_ALLOWED;
        Self::new(code, "MethodNotAllowed", message).vague()
    }

    pub(crate) fn media_type(accepted: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: \
             {accepted}"
        );
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

    /// A deletion means another object, or an older state of this one.
    pub(crate) fn precondition(resource: &Resource, name: &str, why: &str) -> Self {
        let kind = resource.qualified_kind();
        let message = format!("Operation cannot be fulfilled on {kind} \"{name}\": {why}");
        let mut refusal =
            Self::new(StatusCode::CONFLICT, "Conflict", message).about(resource, name);
        refusal.details["kind"] = resource.name.into();
        refusal
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
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message).vague()
    }

    /// What a patch makes of an object is none of its kind.
    pub(crate) fn patched_to_nothing(why: &str) -> Self {
        let why = format!("Invalid value: {why}");
        let message = format!(" \"\" is invalid: patch: {why}");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message)
            .vague()
            .caused("FieldValueInvalid", &why, Some("patch"))
    }

    /// A value that breaks a rule of its kind.
    pub(crate) fn invalid(resource: &Resource, name: &str, field: &str, why: &str) -> Self {
        Self::all_invalid(resource, name, &[(field, why)])
    }

    /// Values that break rules of their kind: fields, and what is wrong with each.
    pub(crate) fn all_invalid(resource: &Resource, name: &str, faults: &[(&str, &str)]) -> Self {
        let kind = resource.qualified_kind();
        let listed: Vec<_> = faults
            .iter()
            .map(|(field, why)| format!("{field}: {why}"))
            .collect();
        let listed = match listed.as_slice() {
            [one] => one.clone(),
            more => format!("[{}]", more.join(", ")),
        };
        let message = format!("{kind} \"{name}\" is invalid: {listed}");
        let mut refusal =
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message).about(resource, name);
        refusal.details["kind"] = resource.name.into();
        let causes = faults
            .iter()
            .map(|(field, why)| json!({ "reason": fault(why), "message": why, "field": field }));
        refusal.details["causes"] = causes.collect();
        refusal
    }

    /// An admission policy says no.
    pub(crate) fn denied(resource: &Resource, name: &str, policy: &str, why: &str) -> Self {
        let said = format!(
            "ValidatingAdmissionPolicy '{policy}' with binding '{policy}' denied request: {why}"
        );
        let message = format!("{} \"{name}\" is forbidden: {said}", resource.qualified());
        let mut refusal =
            Self::new(StatusCode::FORBIDDEN, "Forbidden", message).about(resource, name);
        refusal.details["causes"] = json!([{ "message": said }]);
        refusal
    }

    /// Nothing new comes into a namespace that is being deleted.
    pub(crate) fn terminating(resource: &Resource, name: &str, namespace: &str) -> Self {
        let message = format!(
            "{} \"{name}\" is forbidden: unable to create new content in namespace {namespace} \
             because it is being terminated",
            resource.qualified()
        );
        let why = format!("namespace {namespace} is being terminated");
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message)
            .about(resource, name)
            .caused("NamespaceTerminating", &why, Some("metadata.namespace"))
    }

    /// The client's place in the history is no longer kept.
    pub(crate) fn expired(asked: u64, oldest: u64) -> Self {
        let message = format!("too old resource version: {asked} ({oldest})");
        Self::new(StatusCode::GONE, "Expired", message)
    }

    /// The rest of a list is no longer that of its beginning; with `token` it goes on all the same.
    pub(crate) fn expired_page(token: &str) -> Self {
        let message = "The provided continue parameter is too old to display a consistent list \
            result. You can start a new list without the continue parameter, or use the continue \
            token in this response to retrieve the remainder of the results. Continuing with the \
            provided token results in an inconsistent list - objects that were created, modified, \
            or deleted between the time the first chunk was returned and now may show up in the \
            list.";
        let mut refusal = Self::new(StatusCode::GONE, "Expired", message);
        token.clone_into(&mut refusal.resume);
        refusal
    }

    /// A disruption budget has no room.
    pub(crate) fn budget(why: &str) -> Self {
        let message = "Cannot evict pod as it would violate the pod's disruption budget.";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message)
            .vague()
            .caused("DisruptionBudget", why, None)
    }

    /// What the real server does not expect either: an error without a reason.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "", message)
    }
}

/// The reason of a cause, which its words begin with.
fn fault(why: &str) -> &'static str {
    match why.split(':').next() {
        Some("Required value") => "FieldValueRequired",
        Some("Forbidden") => "FieldValueForbidden",
        Some("Unsupported value") => "FieldValueNotSupported",
        Some("Duplicate value") => "FieldValueDuplicate",
        _ => "FieldValueInvalid",
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
