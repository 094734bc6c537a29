//! People with their sign-ins who ask the gateway, and listen.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aegis_nats::Bus;
use anyhow::{Context, Result, bail};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::stored::{self, incident_id};
use super::{Measured, quantiles};
use crate::local::tool::Tool;

/// Requests that are under way at once.
const AT_ONCE: usize = 16;
/// People who ask, each with their own sign-in.
const PEOPLE: usize = 4;
const PASSWORD: &str = "correct horse battery staple";
/// How long what was stored may take until it is in the views.
const STORED: Duration = Duration::from_secs(120);
/// How long the last listener may take.
const HEARD: Duration = Duration::from_secs(30);

/// People with their sign-ins.
pub(super) struct Asker {
    pub(super) home: String,
    client: Client,
    tokens: Vec<String>,
    cookie: String,
}

impl Asker {
    pub(super) async fn sign_in(tool: &Tool, home: &str) -> Result<Self> {
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let mut tokens = Vec::new();
        for n in 0..PEOPLE {
            let name = format!("person-{n}");
            tool.run(&["users", "add", &name, "--role", "operator"], PASSWORD)
                .await?;
            let body = json!({"name": name, "password": PASSWORD});
            let asked = client.post(format!("{home}/api/v1/session")).json(&body);
            let granted: Value = asked.send().await?.error_for_status()?.json().await?;
            let token = granted["access_token"].as_str();
            tokens.push(token.context("the gateway gave no token")?.to_owned());
        }
        let form = format!("name=person-0&password={}", PASSWORD.replace(' ', "+"));
        let asked = client
            .post(format!("{home}/sign-in"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let answer = asked.send().await?;
        let cookie = answer.headers().get("set-cookie");
        let cookie = cookie.context("the gateway gave no session")?.to_str()?;
        Ok(Self {
            home: home.to_owned(),
            cookie: cookie.split(';').next().unwrap_or_default().to_owned(),
            client,
            tokens,
        })
    }

    fn with_rights(&self, asked: RequestBuilder, n: usize) -> RequestBuilder {
        asked
            .bearer_auth(&self.tokens[n % self.tokens.len()])
            .header("cookie", &self.cookie)
    }

    pub(super) async fn bytes(&self, url: &str) -> Result<Vec<u8>> {
        let asked = self.with_rights(self.client.get(url), 0);
        let answer = asked.send().await?.error_for_status()?;
        Ok(answer.bytes().await?.to_vec())
    }

    /// Waits until all incidents are in the views.
    pub(super) async fn until_stored(&self, incidents: u32) -> Result<()> {
        let last = format!(
            "{}/api/v1/incidents/{}",
            self.home,
            incident_id(incidents - 1)
        );
        let begun = Instant::now();
        while self.bytes(&last).await.is_err() {
            if begun.elapsed() > STORED {
                bail!(
                    "the incidents are not in the views after {} s",
                    STORED.as_secs()
                );
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// Asks for `whole` the time, so many at once.
    pub(super) async fn ask(
        &self,
        whole: Duration,
        request: impl Fn(&Client, usize) -> RequestBuilder,
    ) -> Result<Measured> {
        let (count, begun) = (AtomicUsize::new(0), Instant::now());
        let one_after_the_other = async || -> Result<Vec<f64>> {
            let mut took = Vec::new();
            while begun.elapsed() < whole {
                let n = count.fetch_add(1, Ordering::Relaxed);
                let asked = self.with_rights(request(&self.client, n), n);
                let start = Instant::now();
                asked.send().await?.error_for_status()?.bytes().await?;
                took.push(start.elapsed().as_secs_f64() * 1_000.0);
            }
            Ok(took)
        };
        let all = (0..AT_ONCE).map(|_| one_after_the_other());
        let took = futures::future::try_join_all(all).await?.concat();
        let per_s = took.len() as f64 / begun.elapsed().as_secs_f64();
        let (_, p99_ms) = quantiles(took);
        Ok(Measured { per_s, p99_ms })
    }

    /// How long it takes until the last of so many listeners has heard of an incident.
    pub(super) async fn last_heard(&self, listeners: usize, bus: &Bus) -> Result<f64> {
        let url = format!("{}/api/v1/events?kinds=incident", self.home);
        let mut ears = Vec::with_capacity(listeners);
        for n in 0..listeners {
            let asked = self.with_rights(self.client.get(&url), n);
            let mut ear = asked.send().await?.error_for_status()?;
            // The first comment says that it listens.
            ear.chunk().await?;
            ears.push(ear);
        }
        let awaited = stored::awaited();
        let mut hearing = JoinSet::new();
        for mut ear in ears {
            let wanted = awaited.incident.to_string();
            hearing.spawn(async move {
                let mut text = String::new();
                while !text.contains(&wanted) {
                    let more = ear.chunk().await?.context("the stream ended")?;
                    text.push_str(&String::from_utf8_lossy(&more));
                }
                anyhow::Ok(())
            });
        }
        let begun = Instant::now();
        stored::publish(bus, awaited).await?;
        let all = async {
            while let Some(ended) = hearing.join_next().await {
                ended??;
            }
            anyhow::Ok(())
        };
        let heard = tokio::time::timeout(HEARD, all).await;
        heard.context("not all listeners heard of it")??;
        Ok((begun.elapsed().as_secs_f64() * 10_000.0).round() / 10.0)
    }
}
