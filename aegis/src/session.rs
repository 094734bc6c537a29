//! A person's sign-in at a gateway, kept in a file that only they can read.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::exit::Ended;

/// Where somebody is signed in.
#[derive(Debug, Serialize, Deserialize)]
pub struct Session {
    /// The gateway's URL.
    pub url: String,
    /// Who.
    pub name: String,
    access_token: String,
    refresh_token: String,
}

/// What a gateway answers to a sign-in.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    refresh_token: String,
}

impl Session {
    /// Signs in and keeps the tokens.
    ///
    /// # Errors
    ///
    /// When the gateway does not answer or refuses.
    pub async fn sign_in(url: &str, name: &str, password: &str) -> Result<Self> {
        let url = url.trim_end_matches('/').to_owned();
        let answer = client()
            .post(format!("{url}/api/v1/session"))
            .json(&serde_json::json!({"name": name, "password": password}))
            .send()
            .await
            .with_context(|| unreachable(&url))?;
        let granted: Granted = accepted(answer).await?.json().await?;
        let session = Self {
            url,
            name: name.to_owned(),
            access_token: granted.access_token,
            refresh_token: granted.refresh_token,
        };
        session.save()?;
        Ok(session)
    }

    /// The sign-in that is kept.
    ///
    /// # Errors
    ///
    /// When nobody is signed in.
    pub fn load() -> Result<Self> {
        let file = file()?;
        let text = fs::read_to_string(&file)
            .context("you are not signed in; run `aegis login --url URL --name NAME`")?;
        serde_json::from_str(&text)
            .with_context(|| format!("`{}` is damaged; run `aegis login` again", file.display()))
    }

    /// Asks the gateway; renews the access token once if it has expired.
    ///
    /// # Errors
    ///
    /// When the gateway does not answer or refuses; with its own words.
    pub async fn ask(&mut self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let mut answer = self.send(&method, path, body).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            self.renew().await?;
            answer = self.send(&method, path, body).await?;
        }
        let text = accepted(answer).await?.text().await?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).context("the gateway's answer is not JSON")
    }

    /// Signs out and forgets the tokens.
    ///
    /// # Errors
    ///
    /// When the file cannot be removed.
    pub async fn sign_out(mut self) -> Result<()> {
        // A gateway that is away does not keep anybody signed in here.
        let _ = self.ask(Method::DELETE, "/session", None).await;
        fs::remove_file(file()?).context("cannot remove the kept sign-in")
    }

    /// Opens a stream of events, after the one that is named, if one is.
    ///
    /// # Errors
    ///
    /// As [`Session::ask`].
    pub async fn open(&mut self, path: &str, after: Option<&str>) -> Result<Response> {
        let mut answer = self.subscribe(path, after).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            self.renew().await?;
            answer = self.subscribe(path, after).await?;
        }
        accepted(answer).await
    }

    async fn subscribe(&self, path: &str, after: Option<&str>) -> Result<Response> {
        let mut request = self
            .request(&Method::GET, path)
            .header("accept", "text/event-stream");
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        request.send().await.with_context(|| unreachable(&self.url))
    }

    fn request(&self, method: &Method, path: &str) -> RequestBuilder {
        client()
            .request(method.clone(), format!("{}/api/v1{path}", self.url))
            .bearer_auth(&self.access_token)
    }

    async fn send(&self, method: &Method, path: &str, body: Option<&Value>) -> Result<Response> {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await.with_context(|| unreachable(&self.url))
    }

    async fn renew(&mut self) -> Result<()> {
        let answer = client()
            .post(format!("{}/api/v1/session/refresh", self.url))
            .json(&serde_json::json!({"refresh_token": self.refresh_token}))
            .send()
            .await
            .with_context(|| unreachable(&self.url))?;
        let granted: Granted = accepted(answer).await?.json().await?;
        self.access_token = granted.access_token;
        self.refresh_token = granted.refresh_token;
        self.save()
    }

    fn save(&self) -> Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        let file = file()?;
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        // A file beside it that takes its place: two commands at once never leave half of one.
        let half = file.with_extension(format!("{}.part", std::process::id()));
        let mut written = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&half)
            .with_context(|| format!("cannot write `{}`", half.display()))?;
        written.write_all(serde_json::to_string(self)?.as_bytes())?;
        fs::rename(&half, &file).with_context(|| format!("cannot write `{}`", file.display()))
    }
}

fn client() -> Client {
    Client::new()
}

fn unreachable(url: &str) -> String {
    format!("cannot reach the gateway at `{url}`; is it running, and is the URL right?")
}

/// `AEGIS_SESSION`, else the place that the XDG convention names.
fn file() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("AEGIS_SESSION") {
        return Ok(named.into());
    }
    let state = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")));
    match state {
        Some(folder) => Ok(folder.join("aegis/session.json")),
        None => bail!("no place to keep the sign-in; set HOME or AEGIS_SESSION"),
    }
}

/// The answer, or the problem that the gateway states.
async fn accepted(answer: Response) -> Result<Response> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let text = answer.text().await.unwrap_or_default();
    let detail = serde_json::from_str::<Value>(&text)
        .ok()
        .and_then(|problem| Some(problem.get("detail")?.as_str()?.to_owned()))
        .unwrap_or(text);
    let said = format!("the gateway refused ({}): {detail}", status.as_u16());
    match status {
        StatusCode::FORBIDDEN => Err(Ended::Denied(said).into()),
        StatusCode::NOT_FOUND => Err(Ended::NotFound(said).into()),
        _ => bail!("{said}"),
    }
}
