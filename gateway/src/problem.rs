//! Errors as people and programs get them: RFC 9457 problem details.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::trace;

/// A refused or failed request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// `about:blank`: the code says which one it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// A stable name for programs.
    code: &'static str,
    /// Why, and what to do, in the user's words.
    detail: String,
    /// When it is worth trying again, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    /// What the request log calls the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("error"),
            status: status.as_u16(),
            code,
            detail: detail.into(),
            retry_after: None,
            trace_id: None,
        }
    }

    /// 400: the request makes no sense.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", detail)
    }

    /// 401: nobody knows who this is.
    pub(crate) fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
    }

    /// 403: known, but may not.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 404: there is none.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::missing(format!("there is no such {what}"))
    }

    /// 405: nothing is done to that in this way.
    pub(crate) fn method_not_allowed() -> Self {
        let detail = "that method is not for this path; see /api/docs";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
    }

    /// 408: it took too long.
    pub(crate) fn timeout() -> Self {
        let detail = "the request took too long; try again";
        Self::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail)
    }

    /// 415: the body is not JSON.
    pub(crate) fn not_json() -> Self {
        let detail = "the body must be JSON, with `content-type: application/json`";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", detail)
    }

    /// 422: well-formed, but it cannot be done like that.
    pub(crate) fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable", detail)
    }

    /// 404, in other words.
    pub(crate) fn missing(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// 409: it is not in a state for that.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    /// 413: too much at once.
    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    }

    /// 413: the body is longer than so many bytes.
    pub(crate) fn body_too_large(most: usize) -> Self {
        Self::too_large(format!("the body is larger than {most} bytes"))
    }

    /// 429: too often.
    pub(crate) fn too_many(after: Duration) -> Self {
        let seconds = after.as_secs().max(1);
        Self {
            retry_after: Some(seconds),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                format!("too many requests; try again in {seconds} s"),
            )
        }
    }

    /// 503: nothing was accepted; try again.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self {
            retry_after: Some(5),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
        }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Why.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl From<sqlx::Error> for Problem {
    /// What went wrong inside goes to the log; the user learns that it is not their fault.
    fn from(error: sqlx::Error) -> Self {
        // SQLSTATE class 22, data exception: what was asked for is nothing that PostgreSQL can look for, such
        // as text with the character 0.
        let code = error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code);
        if code.is_some_and(|code| code.starts_with("22")) {
            return Self::invalid(
                "a value is out of range or has characters that no text may have",
            );
        }
        tracing::warn!(%error, "database request failed");
        Self::unavailable("the database does not answer; try again")
    }
}

impl From<aegis_nats::PublishError> for Problem {
    fn from(error: aegis_nats::PublishError) -> Self {
        tracing::warn!(%error, "publish failed");
        Self::unavailable(format!("nothing was accepted: {error}"))
    }
}

impl IntoResponse for Problem {
    fn into_response(mut self) -> Response {
        self.trace_id = trace::current();
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
