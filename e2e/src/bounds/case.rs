//! One request, and what should become of it.

use reqwest::Method;
use serde_json::Value;

use crate::attack::Finding;

pub(super) const EXECUTOR: &str = "aegis-executor";
pub(super) const INGEST: &str = "aegis-ingest";
pub(super) const JSON: &str = "application/json";
const JSON_PATCH: &str = "application/json-patch+json";

/// One request, and what should become of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// In a few words.
    pub(super) tried: &'static str,
    pub(super) user: &'static str,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) content_type: &'static str,
    pub(super) body: Option<Value>,
    pub(super) impersonates: Option<&'static str>,
    /// Whether nothing is kept of it.
    pub(super) dry_run: bool,
    /// A part of the words with which it must be refused; none when it must be taken.
    refused: Option<&'static str>,
}

impl Case {
    /// A request without a body that must be taken.
    pub(super) fn of(
        user: &'static str,
        tried: &'static str,
        method: Method,
        path: impl Into<String>,
    ) -> Self {
        Self {
            tried,
            user,
            dry_run: method != Method::GET,
            method,
            path: path.into(),
            content_type: JSON,
            body: None,
            impersonates: None,
            refused: None,
        }
    }

    /// A JSON Patch of the executor.
    pub(super) fn patch(tried: &'static str, path: &str, operations: Vec<Value>) -> Self {
        let mut case = Self::of(EXECUTOR, tried, Method::PATCH, path).body(operations.into());
        case.content_type = JSON_PATCH;
        case
    }

    pub(super) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    pub(super) const fn impersonating(mut self, somebody: &'static str) -> Self {
        self.impersonates = Some(somebody);
        self
    }

    /// A connection, of which there is no dry run.
    pub(super) const fn connecting(mut self) -> Self {
        self.dry_run = false;
        self
    }

    /// It must be refused in these words, among others.
    pub(super) const fn refused(mut self, words: &'static str) -> Self {
        self.refused = Some(words);
        self
    }

    /// Compares the answer with what should come of it.
    pub(super) fn judge(&self, code: u16, body: &Value) -> Finding {
        let said = message(body);
        let seen = match (code, self.refused) {
            (200..=299, _) => "taken".to_owned(),
            (403, Some(words)) if said.contains(words) => format!("refused, {words}"),
            _ => format!("{code} {said}"),
        };
        let expected = self
            .refused
            .map_or_else(|| "taken".to_owned(), |words| format!("refused, {words}"));
        Finding::of(format!("{}: {}", self.user, self.tried), expected, seen)
    }
}

/// What a Status says.
pub(super) fn message(body: &Value) -> &str {
    body["message"].as_str().unwrap_or_default()
}
