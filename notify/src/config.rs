//! The configuration of notify: who is told of what, and how.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use aegis_nats::Service;
use aegis_schemas::is_this_host;
use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::flapping::Flapping;
use crate::route::Route;

/// The configuration of notify.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where links lead: the dashboard as people reach it, such as `https://aegis.example`.
    pub dashboard_url: Option<String>,
    /// How long one request to a receiver may take.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub request_timeout: Duration,
    /// What is older when it is read is not told to who was not told of it before: after a long absence
    /// nobody wants to hear of the past.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub tell_within: Duration,
    /// For how long a receiver that does not answer is tried.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub give_up_after: Duration,
    /// When an incident flaps.
    pub flapping: Flapping,
    /// What is said when Aegis itself falls silent.
    pub dead_man: DeadMan,
    /// Who is told of what: every route that fits is taken. Without routes, `aegis run all` leaves notify out.
    pub routes: Vec<Route>,
    /// Who can be told, by name.
    pub receivers: BTreeMap<String, Receiver>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dashboard_url: None,
            request_timeout: Duration::from_secs(10),
            tell_within: Duration::from_secs(3600),
            give_up_after: Duration::from_secs(24 * 3600),
            flapping: Flapping::default(),
            dead_man: DeadMan::default(),
            routes: Vec::new(),
            receivers: BTreeMap::new(),
        }
    }
}

/// Which silence of Aegis is told, and the sign of life that others can watch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeadMan {
    /// For how long a cluster's heartbeat or a service may be silent before receivers are alarmed.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub silence: Duration,
    /// The services that say how they are in the bucket `aegis_health`.
    pub stages: Vec<String>,
    /// How often is looked.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub look_every: Duration,
    /// A dead man's switch elsewhere: a GET of this URL says that all parts are well. The file holds the
    /// URL, which is a secret.
    pub ping_url_file: Option<PathBuf>,
    /// How often it is said.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub ping_every: Duration,
}

impl Default for DeadMan {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(60),
            stages: ["detector", "policy", "executor", "audit-sink"]
                .map(str::to_owned)
                .to_vec(),
            look_every: Duration::from_secs(5),
            ping_url_file: None,
            ping_every: Duration::from_secs(60),
        }
    }
}

/// Who can be told, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Receiver {
    /// A channel of Slack: one message for each incident, kept up to date.
    Slack(Slack),
    /// A service of PagerDuty.
    #[serde(rename = "pagerduty")]
    PagerDuty(PagerDuty),
    /// Whatever takes the webhooks of Prometheus' Alertmanager.
    Alertmanager(Alertmanager),
    /// Whatever takes JSON; every request is signed.
    Webhook(Webhook),
}

/// A channel of Slack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slack {
    /// The file with the bot's token (`xoxb-…`), which needs the scope `chat:write`.
    pub token_file: PathBuf,
    /// The channel's id, such as `C0123456789`; the bot must be in it.
    pub channel: String,
    /// The API, without the method.
    #[serde(default = "slack")]
    pub api_url: String,
}

/// A service of PagerDuty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PagerDuty {
    /// The file with the integration key of an Events API v2 integration.
    pub routing_key_file: PathBuf,
    /// The events API; in the EU `https://events.eu.pagerduty.com`.
    #[serde(default = "pagerduty")]
    pub api_url: String,
}

/// Whatever takes the webhooks of Prometheus' Alertmanager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alertmanager {
    /// Where it is posted to.
    pub url: String,
    /// The file with a bearer token, if one is wanted.
    #[serde(default)]
    pub bearer_token_file: Option<PathBuf>,
}

/// Whatever takes JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where it is posted to.
    pub url: String,
    /// The file with the key that requests are signed with: `whsec_` and base64.
    pub secret_file: PathBuf,
}

fn slack() -> String {
    "https://slack.com/api".to_owned()
}

fn pagerduty() -> String {
    "https://events.pagerduty.com".to_owned()
}

impl Receiver {
    /// The URL that all its requests begin with.
    fn url(&self) -> &str {
        match self {
            Self::Slack(slack) => &slack.api_url,
            Self::PagerDuty(pagerduty) => &pagerduty.api_url,
            Self::Alertmanager(alertmanager) => &alertmanager.url,
            Self::Webhook(webhook) => &webhook.url,
        }
    }
}

impl Config {
    /// Whether anybody is to be told.
    #[must_use]
    pub const fn is_wanted(&self) -> bool {
        !self.routes.is_empty()
    }

    /// What contradicts itself, one sentence each.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (place, route) in self.routes.iter().enumerate() {
            let unknown = |name: &&String| !self.receivers.contains_key(*name);
            for name in route.receivers.iter().filter(unknown) {
                faults.push(format!(
                    "`routes[{place}]` names the receiver `{name}`, which is not one of `receivers`"
                ));
            }
            if route.receivers.is_empty() {
                faults.push(format!("`routes[{place}]` names no receiver"));
            }
        }
        for (name, receiver) in &self.receivers {
            if let Some(fault) = url_fault(receiver.url()) {
                faults.push(format!("`receivers.{name}`: {fault}"));
            }
        }
        if let Some(fault) = self.dashboard_url.as_deref().and_then(not_a_url) {
            faults.push(format!("`dashboard_url`: {fault}"));
        }
        let dead_man = &self.dead_man;
        for (name, length) in [
            ("request_timeout", self.request_timeout),
            ("dead_man.look_every", dead_man.look_every),
            ("dead_man.ping_every", dead_man.ping_every),
        ] {
            if length.is_zero() {
                faults.push(format!("`{name}` must be longer than 0"));
            }
        }
        for stage in &dead_man.stages {
            if service(stage).is_none() {
                faults.push(format!("`dead_man.stages`: `{stage}` is not a service"));
            }
        }
        if dead_man.silence <= dead_man.look_every {
            faults.push("`dead_man.silence` must be longer than `dead_man.look_every`".to_owned());
        }
        faults
    }
}

/// The service of that name.
pub(crate) fn service(name: &str) -> Option<Service> {
    Service::ALL
        .into_iter()
        .find(|service| service.as_str() == name)
}

fn not_a_url(raw: &str) -> Option<String> {
    match Url::parse(raw) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => None,
        _ => Some(format!(
            "`{raw}` is not a URL such as `https://example.org`"
        )),
    }
}

/// Every request carries a secret, so nobody may listen on the way.
pub(crate) fn url_fault(raw: &str) -> Option<String> {
    not_a_url(raw).or_else(|| {
        let url = Url::parse(raw).ok()?;
        let clear = url.scheme() == "http" && !is_this_host(url.host_str().unwrap_or_default());
        clear.then(|| format!("`{raw}` is on another host: begin it with `https://`"))
    })
}
