//! The channels: each says which request is due next, and what an answer means.

mod alertmanager;
mod pagerduty;
mod slack;
mod webhook;

use std::collections::BTreeSet;
use std::time::Duration;

use aegis_schemas::{DecisionId, Digest, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::config::Receiver;
use crate::notice::Notice;
use crate::secret::Secret;

/// What a receiver was told of one thing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sent {
    /// How many messages it got.
    pub count: u32,
    /// Whether the last one said that it lasts.
    pub firing: bool,
    /// The severity that the last one said.
    pub severity: Option<Severity>,
    /// The digest of what a person sees there.
    pub shown: Option<Digest>,
    /// The message that is kept up to date.
    pub place: Option<Place>,
    /// The acts whose success was told.
    pub helped: BTreeSet<DecisionId>,
}

/// Where a message of Slack is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The channel's id.
    pub channel: String,
    /// The message's id in it.
    pub ts: String,
}

impl Sent {
    /// After one more message about `notice`.
    fn more(&self, notice: &Notice) -> Self {
        Self {
            count: self.count + 1,
            firing: notice.firing,
            severity: Some(notice.severity),
            ..self.clone()
        }
    }

    /// Whether `notice` says something else than that it lasts, or not, as badly as it was said before.
    fn differs(&self, notice: &Notice) -> bool {
        self.firing != notice.firing || (notice.firing && self.severity != Some(notice.severity))
    }
}

/// A request: a POST of JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Where to.
    pub url: String,
    /// Headers beside the content's type.
    pub headers: Vec<(&'static str, String)>,
    /// The JSON.
    pub body: Vec<u8>,
}

/// The next request, and what was told once it has been taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The request.
    pub call: Call,
    /// What was told then.
    pub then: Sent,
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// How long it asks to wait.
    pub retry_after: Option<Duration>,
    /// The beginning of the body.
    pub body: Vec<u8>,
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was taken; with the place of the message, if it has one.
    Taken(Option<Place>),
    /// Not now.
    Later {
        /// How long to wait at least.
        after: Option<Duration>,
        /// Why.
        because: String,
    },
    /// The message that was to be changed is gone.
    Gone,
    /// It will never be taken.
    Never(String),
}

/// A receiver with its secrets.
#[derive(Clone, Debug)]
pub enum Channel {
    /// A channel of Slack.
    Slack(slack::Slack),
    /// A service of PagerDuty.
    PagerDuty(pagerduty::PagerDuty),
    /// Whatever takes Alertmanager's webhooks.
    Alertmanager(alertmanager::Alertmanager),
    /// Whatever takes signed JSON.
    Webhook(webhook::Webhook),
}

impl Channel {
    /// The receiver of that name.
    ///
    /// # Errors
    ///
    /// When a secret cannot be read.
    pub fn open(name: &str, receiver: &Receiver) -> Result<Self, Error> {
        Ok(match receiver {
            Receiver::Slack(slack) => Self::Slack(slack::Slack {
                api_url: bare(&slack.api_url),
                channel: slack.channel.clone(),
                token: Secret::read(&slack.token_file)?,
            }),
            Receiver::PagerDuty(pagerduty) => Self::PagerDuty(pagerduty::PagerDuty {
                api_url: bare(&pagerduty.api_url),
                routing_key: Secret::read(&pagerduty.routing_key_file)?,
            }),
            Receiver::Alertmanager(alertmanager) => {
                let token = alertmanager.bearer_token_file.as_deref();
                Self::Alertmanager(alertmanager::Alertmanager {
                    name: name.to_owned(),
                    url: alertmanager.url.clone(),
                    token: token.map(Secret::read).transpose()?,
                })
            }
            Receiver::Webhook(webhook) => {
                let secret = Secret::read(&webhook.secret_file)?;
                let key = webhook::key(&secret).map_err(|reason| Error::Secret {
                    path: webhook.secret_file.clone(),
                    reason,
                })?;
                Self::Webhook(webhook::Webhook {
                    url: webhook.url.clone(),
                    key,
                })
            }
        })
    }

    /// What kind of receiver it is, for metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Slack(_) => "slack",
            Self::PagerDuty(_) => "pagerduty",
            Self::Alertmanager(_) => "alertmanager",
            Self::Webhook(_) => "webhook",
        }
    }

    /// The request that is due, so that who was told `sent` knows `notice`; none when nothing is. The end of
    /// what was never told is not told.
    #[must_use]
    pub fn next(&self, notice: &Notice, sent: &Sent, now: Timestamp) -> Option<Step> {
        if sent.count == 0 && !notice.firing {
            return None;
        }
        match self {
            Self::Slack(slack) => slack.next(notice, sent),
            Self::PagerDuty(pagerduty) => pagerduty.next(notice, sent),
            Self::Alertmanager(alertmanager) => alertmanager.next(notice, sent),
            Self::Webhook(webhook) => webhook.next(notice, sent, now),
        }
    }

    /// What `reply` means.
    #[must_use]
    pub fn understand(&self, reply: &Reply) -> Answer {
        match (self, reply.status) {
            (Self::Slack(_), 200) => slack::understand(reply),
            (_, 200..=299) => Answer::Taken(None),
            // What a proxy or a wrong credential says is mended in time, and the message is not at fault.
            (_, status) if !matches!(status, 400 | 410 | 413 | 422) => Answer::Later {
                after: reply.retry_after,
                because: format!("answered {}", reply.status),
            },
            (_, status) => Answer::Never(format!(
                "answered {status}: {}",
                String::from_utf8_lossy(&reply.body)
                    .chars()
                    .take(300)
                    .collect::<String>()
            )),
        }
    }
}

/// A base URL without the slash at its end.
fn bare(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

/// The JSON's text.
fn json(value: &serde_json::Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// The first `most` characters.
fn short(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
        None => text.to_owned(),
    }
}
