//! Slack: one message for each incident, posted once and then kept up to date.
//!
//! <https://docs.slack.dev/reference/methods/chat.postMessage>,
//! <https://docs.slack.dev/reference/methods/chat.update>,
//! <https://docs.slack.dev/reference/block-kit/blocks>. Links, not buttons: a button needs an address that
//! Slack calls, and who answers must be known to the dashboard.

use aegis_schemas::{Digest, Severity, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Call, Place, Reply, Sent, Step, json as text_of, short};
use crate::notice::{Notice, seconds};
use crate::secret::Secret;

/// The longest plain text of a header block.
const MAX_HEADER: usize = 150;
/// The longest text of a section block.
const MAX_SECTION: usize = 3_000;
/// The most blocks of details; with the four others far below Slack's 50.
const MAX_DETAILS: usize = 40;

/// A channel of Slack.
#[derive(Clone, Debug)]
pub struct Slack {
    pub(super) api_url: String,
    pub(super) channel: String,
    pub(super) token: Secret,
}

#[derive(Deserialize)]
struct Said {
    ok: bool,
    error: Option<String>,
    channel: Option<String>,
    ts: Option<String>,
}

impl Slack {
    pub(super) fn next(&self, notice: &Notice, sent: &Sent) -> Option<Step> {
        let mut body = message(notice);
        let shown = Digest::of(&text_of(&body));
        if sent.shown == Some(shown) {
            return None;
        }
        let method = match &sent.place {
            Some(place) => {
                body["channel"] = json!(place.channel);
                body["ts"] = json!(place.ts);
                "chat.update"
            }
            None => {
                body["channel"] = json!(self.channel);
                body["unfurl_links"] = json!(false);
                body["unfurl_media"] = json!(false);
                "chat.postMessage"
            }
        };
        let call = Call {
            url: format!("{}/{method}", self.api_url),
            headers: vec![("authorization", format!("Bearer {}", self.token.text()))],
            body: text_of(&body),
        };
        let then = Sent {
            shown: Some(shown),
            ..sent.more(notice)
        };
        Some(Step { call, then })
    }
}

/// What an answer with status 200 says.
pub(super) fn understand(reply: &Reply) -> Answer {
    let Ok(said) = serde_json::from_slice::<Said>(&reply.body) else {
        return Answer::Later {
            after: reply.retry_after,
            because: "answered what is no JSON of Slack's".to_owned(),
        };
    };
    if said.ok {
        let place = said.channel.zip(said.ts);
        return Answer::Taken(place.map(|(channel, ts)| Place { channel, ts }));
    }
    let error = said.error.unwrap_or_else(|| "no error named".to_owned());
    match error.as_str() {
        "message_not_found" => Answer::Gone,
        "ratelimited"
        | "rate_limited"
        | "internal_error"
        | "fatal_error"
        | "request_timeout"
        | "service_unavailable"
        | "team_added_to_org" => Answer::Later {
            after: reply.retry_after,
            because: format!("Slack says `{error}`"),
        },
        _ => Answer::Never(format!("Slack says `{error}`")),
    }
}

fn message(notice: &Notice) -> Value {
    let headline = format!("{} {}", sign(notice), notice.headline);
    let mut blocks = vec![json!({
        "type": "header",
        "text": { "type": "plain_text", "text": short(&headline, MAX_HEADER), "emoji": true },
    })];
    for line in notice.lines.iter().take(MAX_DETAILS) {
        let text = format!("*{}* {}", line.label, escaped(&line.text));
        blocks.push(section(&text));
    }
    if let Some(question) = &notice.question {
        let until = time(question.expires);
        let ask = format!("*Aegis asks* {}", escaped(&question.text));
        blocks.push(section(&match &question.link {
            Some(link) => format!("{ask}\n<{link}|Look and decide> until {until}"),
            None => format!(
                "{ask}\n`aegis approvals approve {}` until {until}",
                question.digest
            ),
        }));
    }
    let mut context = format!("{} · since {}", notice.severity, time(notice.since));
    if let Some(cluster) = &notice.cluster {
        context.push_str(&format!(" · cluster {cluster}"));
    }
    if let Some(link) = &notice.link {
        context.push_str(&format!(" · <{link}|open>"));
    }
    blocks.push(json!({
        "type": "context",
        "elements": [{ "type": "mrkdwn", "text": context }],
    }));
    json!({ "text": escaped(&headline), "blocks": blocks })
}

fn section(text: &str) -> Value {
    json!({
        "type": "section",
        "text": { "type": "mrkdwn", "text": short(text, MAX_SECTION) },
    })
}

const fn sign(notice: &Notice) -> &'static str {
    if !notice.firing {
        return ":large_green_circle:";
    }
    match notice.severity {
        Severity::Critical => ":red_circle:",
        Severity::Error => ":large_orange_circle:",
        Severity::Warning => ":large_yellow_circle:",
        Severity::Info => ":white_circle:",
    }
}

/// In the reader's own time zone.
fn time(at: Timestamp) -> String {
    let unix = at.as_millis().div_euclid(1_000);
    format!(
        "<!date^{unix}^{{date_short_pretty}} {{time_secs}}|{}>",
        seconds(at)
    )
}

/// The three characters that mean something to Slack.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
