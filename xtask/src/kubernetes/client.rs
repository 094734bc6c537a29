//! A user of the control plane's API: JSON in, JSON out.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use ureq::Agent;
use ureq::http::Request;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// No request takes longer.
const PATIENCE: Duration = Duration::from_secs(30);
/// A strategic merge patch.
const PATCH: &str = "application/strategic-merge-patch+json";
const JSON: &str = "application/json";
/// What kubectl asks for when it prints.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

/// What the API server answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub code: u16,
    /// The object, list or Status; null if it was no JSON.
    pub body: Value,
}

/// Speaks for one user. Its calls block.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
    url: String,
    token: String,
}

impl Client {
    /// For the server at `url`, whose certificate is in the PEM file `authority`.
    pub(super) fn new(url: &str, authority: &Path, token: &str) -> Result<Self> {
        let pem = std::fs::read(authority)
            .with_context(|| format!("cannot read `{}`", authority.display()))?;
        let certificates: Vec<Certificate<'static>> = parse_pem(&pem)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(found)) => Some(found),
                _ => None,
            })
            .collect();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::from(certificates))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .proxy(None)
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build();
        Ok(Self {
            agent: config.into(),
            url: url.to_owned(),
            token: token.to_owned(),
        })
    }

    /// Reads an object or a list.
    ///
    /// # Errors
    ///
    /// When the server does not answer, or not with success.
    pub fn get(&self, path: &str) -> Result<Value> {
        self.send("GET", path, JSON, None)?.success(path)
    }

    /// Creates an object in the collection at `path`.
    ///
    /// # Errors
    ///
    /// As [`Client::get`].
    pub fn create(&self, path: &str, object: &Value) -> Result<Value> {
        self.send("POST", path, JSON, Some(object))?.success(path)
    }

    /// Strategic merge patch of the object at `path`.
    ///
    /// # Errors
    ///
    /// As [`Client::get`].
    pub fn patch(&self, path: &str, patch: &Value) -> Result<Value> {
        self.send("PATCH", path, PATCH, Some(patch))?.success(path)
    }

    /// Deletes the object at `path`.
    ///
    /// # Errors
    ///
    /// As [`Client::get`].
    pub fn delete(&self, path: &str) -> Result<Value> {
        self.send("DELETE", path, JSON, None)?.success(path)
    }

    /// The rows that `kubectl get` would print of the list at `path`, without their heads.
    ///
    /// # Errors
    ///
    /// As [`Client::get`].
    pub fn table(&self, path: &str) -> Result<Vec<Vec<String>>> {
        let answer = self.ask("GET", path, TABLE, JSON, None)?.success(path)?;
        let text = |cell: &Value| {
            cell.as_str()
                .map_or_else(|| cell.to_string(), str::to_owned)
        };
        let cells = |row: &Value| {
            row["cells"]
                .as_array()
                .into_iter()
                .flatten()
                .map(text)
                .collect()
        };
        Ok(answer["rows"]
            .as_array()
            .into_iter()
            .flatten()
            .map(cells)
            .collect())
    }

    /// Any request; whatever the server answers is no error.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: Option<&Value>,
    ) -> Result<Answer> {
        self.ask(method, path, JSON, content_type, body)
    }

    fn ask(
        &self,
        method: &str,
        path: &str,
        accept: &str,
        content_type: &str,
        body: Option<&Value>,
    ) -> Result<Answer> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", content_type)
            .header("accept", accept);
        let answered = match body {
            Some(body) => self.agent.run(request.body(body.to_string())?),
            None => self.agent.run(request.body(())?),
        };
        let mut answer = answered.with_context(|| format!("no answer to {method} {path}"))?;
        let code = answer.status().as_u16();
        let bytes = answer.body_mut().read_to_vec()?;
        Ok(Answer {
            code,
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
        })
    }
}

impl Answer {
    /// The body of a success.
    fn success(self, path: &str) -> Result<Value> {
        let Self { code, body } = self;
        ensure!(
            (200..300).contains(&code),
            "`{path}` is answered with {code}: {}",
            body["message"].as_str().unwrap_or_default()
        );
        Ok(body)
    }
}
