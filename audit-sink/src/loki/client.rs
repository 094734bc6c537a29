//! Loki over HTTP.

use std::path::Path;
use std::time::Duration;

use aegis_schemas::Timestamp;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;

use super::{Config, Line, push};
use crate::Error;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most lines that Loki gives at once, unless it is told otherwise.
pub(super) const PAGE: usize = 5_000;
/// How much of Loki's words is repeated.
const WORDS: usize = 300;

/// What became of a push.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// It is there.
    Stored,
    /// Loki cannot take it now; perhaps it said when.
    Later(String, Option<Duration>),
    /// Loki will never take it as it is.
    Never(String),
}

/// A line as Loki gives it back.
pub(super) type Found = (Timestamp, String);

/// Talks to one Loki as one tenant.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    url: Url,
    tenant: Option<String>,
    token: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Lines>,
}

#[derive(Deserialize)]
struct Lines {
    values: Vec<(String, String)>,
}

impl Client {
    /// A client of the Loki that `config` names; `None` when it names none.
    ///
    /// # Errors
    ///
    /// When the configuration is wrong or the token cannot be read.
    pub fn new(config: &Config) -> Result<Option<Self>, Error> {
        let Some(raw) = &config.url else {
            return Ok(None);
        };
        let faults = config.faults();
        if !faults.is_empty() {
            return Err(Error::Configuration(faults.join("; ")));
        }
        let wrong = |error: String| Error::Configuration(format!("`loki.url`: {error}"));
        let url = Url::parse(raw).map_err(|error| wrong(error.to_string()))?;
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .build()
            .map_err(|error| Error::Loki(error.to_string()))?;
        Ok(Some(Self {
            http,
            url,
            tenant: config.tenant.clone(),
            token: config.token_file.as_deref().map(read_token).transpose()?,
        }))
    }

    /// What the copy there is known by.
    #[must_use]
    pub fn target(&self) -> String {
        match &self.tenant {
            Some(tenant) => format!("{} {tenant}", self.url),
            None => self.url.to_string(),
        }
    }

    /// Sends lines once.
    pub(super) async fn push(&self, lines: &[Line]) -> Pushed {
        let request = self
            .http
            .post(self.at("loki/api/v1/push"))
            .header(CONTENT_TYPE, "application/x-protobuf")
            .body(push(lines));
        let answer = match self.send(request).await {
            Ok(answer) => answer,
            Err(error) => return Pushed::Later(describe(&error), None),
        };
        let status = answer.status();
        if status.is_success() {
            return Pushed::Stored;
        }
        let after = retry_after(&answer);
        let said = words(answer).await;
        // Whoever stands before Loki may refuse for reasons that pass: only Loki's own word is final.
        match status {
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => Pushed::Never(said),
            _ => Pushed::Later(format!("{status}: {said}"), after),
        }
    }

    /// At most [`PAGE`] lines of the log of that name, from `from` on and before `until`, the oldest first.
    pub(super) async fn page(
        &self,
        log: &str,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Found>, Error> {
        let mut url = self.at("loki/api/v1/query_range");
        url.query_pairs_mut()
            .append_pair(
                "query",
                &format!("{{log={}}}", serde_json::Value::from(log)),
            )
            .append_pair("start", &from.as_nanos().to_string())
            .append_pair("end", &until.as_nanos().to_string())
            .append_pair("limit", &PAGE.to_string())
            .append_pair("direction", "forward");
        let failed = |error: reqwest::Error| Error::Loki(describe(&error));
        let answer = self.send(self.http.get(url)).await.map_err(failed)?;
        let status = answer.status();
        if !status.is_success() {
            return Err(Error::Loki(format!("{status}: {}", words(answer).await)));
        }
        let answer: Answer = answer.json().await.map_err(failed)?;
        let lines = answer.data.result.into_iter().flat_map(|one| one.values);
        let mut found = lines
            .map(|(at, text)| {
                let nanos = at
                    .parse()
                    .map_err(|_| Error::Loki(format!("`{at}` is not a time")))?;
                Ok((Timestamp::from_nanos(nanos), text))
            })
            .collect::<Result<Vec<Found>, Error>>()?;
        found.sort();
        Ok(found)
    }

    async fn send(&self, mut request: RequestBuilder) -> Result<Response, reqwest::Error> {
        if let Some(tenant) = &self.tenant {
            request = request.header("X-Scope-OrgID", tenant);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        request.send().await
    }

    /// A path below the URL, which may have one of its own.
    fn at(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/{path}"));
        url
    }
}

fn read_token(file: &Path) -> Result<String, Error> {
    let text = std::fs::read_to_string(file).map_err(|error| Error::file(file, error))?;
    Ok(text.trim().to_owned())
}

fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?;
    seconds.parse().ok().map(Duration::from_secs)
}

async fn words(answer: Response) -> String {
    let text = answer.text().await.unwrap_or_default();
    text.trim().chars().take(WORDS).collect()
}

/// An error with what is behind it, on one line.
fn describe(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
