//! The gateway's API as a program sees it.

use anyhow::{Context, Result};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::PASSWORD;

/// A program that is signed in.
pub struct Api {
    client: Client,
    url: String,
    token: String,
}

impl Api {
    /// Signs in at the gateway as somebody whom [`crate::Stack::person`] made.
    ///
    /// # Errors
    ///
    /// When the gateway does not answer or refuses.
    pub async fn sign_in(gateway: &str, name: &str) -> Result<Self> {
        let (client, url) = (Client::new(), format!("{gateway}/api/v1"));
        let body = json!({"name": name, "password": PASSWORD});
        let asked = client.post(format!("{url}/session")).json(&body);
        let granted: Value = asked.send().await?.error_for_status()?.json().await?;
        let token = granted["access_token"].as_str();
        let token = token.context("an access token")?.to_owned();
        Ok(Self { client, url, token })
    }

    /// The access token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// What is at a path.
    ///
    /// # Errors
    ///
    /// When the gateway does not answer or refuses.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let asked = self
            .client
            .request(Method::GET, format!("{}{path}", self.url));
        let answer = asked.bearer_auth(&self.token).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// What is answered to a body that is sent to a path.
    ///
    /// # Errors
    ///
    /// When the gateway does not answer or refuses.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let asked = self.client.post(format!("{}{path}", self.url)).json(body);
        let answer = asked.bearer_auth(&self.token).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }
}

/// Somebody whom [`crate::Stack::person`] made, signed in at the dashboard without a browser.
pub struct Visitor {
    client: Client,
    home: String,
    cookie: String,
}

impl Visitor {
    /// Signs in by the form.
    ///
    /// # Errors
    ///
    /// When the gateway does not answer or refuses.
    pub async fn sign_in(gateway: &str, name: &str) -> Result<Self> {
        let once = reqwest::redirect::Policy::none();
        let client = Client::builder().redirect(once).build()?;
        let password = PASSWORD.replace(' ', "+");
        let asked = client
            .post(format!("{gateway}/sign-in"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("name={name}&password={password}"));
        let answer = asked.send().await?.error_for_status()?;
        let cookie = answer.headers().get("set-cookie").context("a session")?;
        let cookie = cookie.to_str()?.split(';').next().unwrap_or_default();
        Ok(Self {
            home: gateway.to_owned(),
            cookie: cookie.to_owned(),
            client,
        })
    }

    /// The page at a path.
    ///
    /// # Errors
    ///
    /// When the gateway does not answer or refuses.
    pub async fn page(&self, path: &str) -> Result<String> {
        let asked = self.client.get(format!("{}{path}", self.home));
        let answer = asked.header("cookie", &self.cookie).send().await?;
        Ok(answer.error_for_status()?.text().await?)
    }
}
