//! What a person is told of an incident or an alarm, before any channel puts it into its own form. In the
//! order in which one asks: what, since when, how wide, why, what was or would be done, did it help.

use std::time::Duration;

use aegis_schemas::{Cluster, DecisionId, Digest, Entity, Severity, Timestamp};
use serde::Serialize;

use crate::alarm::{Alarm, Trouble};
use crate::case::{ActState, Case};
use crate::flapping::Unrest;

/// What a person is told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Notice {
    /// What it is about, the same as long as it lasts: receivers join by it.
    pub key: String,
    /// Whether it lasts.
    pub firing: bool,
    /// How bad.
    pub severity: Severity,
    /// In one line.
    pub headline: String,
    /// A name for its kind, such as `crash_loop`.
    pub kind: String,
    /// The cluster, if it is one's.
    pub cluster: Option<Cluster>,
    /// The object at its root, if there is one.
    pub entity: Option<Entity>,
    /// Since when.
    pub since: Timestamp,
    /// Until when.
    pub ended: Option<Timestamp>,
    /// The details, each with a label.
    pub lines: Vec<Line>,
    /// What a person is asked.
    pub question: Option<Question>,
    /// Where to look at it.
    pub link: Option<String>,
    /// Whether Aegis does not get on without people.
    pub needs_people: bool,
    /// Acts that have verifiably helped.
    pub helped: Vec<Helped>,
}

/// One detail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Such as `why`.
    pub label: &'static str,
    /// In words.
    pub text: String,
}

/// What a person is asked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Question {
    /// In words: what would be done.
    pub text: String,
    /// What a yes binds.
    pub digest: Digest,
    /// Until when a yes counts.
    pub expires: Timestamp,
    /// Where to answer.
    pub link: Option<String>,
}

/// An act that has verifiably helped.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Helped {
    /// Its decision.
    pub decision: DecisionId,
    /// In words.
    pub text: String,
    /// When that was clear.
    pub at: Timestamp,
}

impl Notice {
    /// Of the incident under `key`; none as long as it is not known what is wrong. `dashboard` is where
    /// links lead.
    #[must_use]
    pub fn of_case(
        key: &str,
        case: &Case,
        unrest: Unrest,
        now: Timestamp,
        dashboard: Option<&str>,
    ) -> Option<Self> {
        let about = case.about.as_ref()?;
        let place = match &about.entity.namespace {
            Some(namespace) => format!("{} in {namespace}", about.entity.short()),
            None => about.entity.short(),
        };
        let flaps = unrest != Unrest::None;
        let firing = !about.over || flaps;
        let ended = (!firing).then_some(about.at);
        let kind = about.kind.as_str();
        let name = kind.replace('_', " ");
        let headline = match (flaps, firing) {
            (true, _) => format!("{place}: {name}, flapping"),
            (false, true) => format!("{place}: {name}"),
            (false, false) => format!("{place}: {name}, over"),
        };
        let link = |path: String| dashboard.map(|base| format!("{base}/{path}"));
        let question = case.open_ask(now).map(|ask| Question {
            text: ask.text.clone(),
            digest: ask.digest,
            expires: ask.expires,
            link: link(format!("approvals/{}", ask.digest)),
        });
        let helped = case.acts.iter().filter_map(|act| match &act.state {
            ActState::Verified { at, .. } => Some(Helped {
                decision: act.decision,
                text: act.text.clone(),
                at: *at,
            }),
            _ => None,
        });
        Some(Self {
            key: key.to_owned(),
            firing,
            severity: about.severity,
            headline,
            kind: kind.to_owned(),
            cluster: Some(about.entity.cluster.clone()),
            entity: Some(about.entity.clone()),
            since: about.opened,
            ended,
            lines: if flaps { quiet() } else { lines(case, now) },
            question,
            link: link(format!("incidents/{key}")),
            needs_people: case.needs_people(now),
            helped: helped.collect(),
        })
    }

    /// Of the alarm under `key`.
    #[must_use]
    pub fn of_alarm(key: &str, alarm: &Alarm, dashboard: Option<&str>) -> Self {
        let (kind, headline, text) = in_words(alarm);
        Self {
            key: key.to_owned(),
            firing: alarm.ended.is_none(),
            severity: Severity::Critical,
            headline,
            kind: kind.to_owned(),
            cluster: alarm.cluster.clone(),
            entity: None,
            since: alarm.since,
            ended: alarm.ended,
            lines: vec![Line {
                label: "what",
                text,
            }],
            question: None,
            link: dashboard.map(|base| format!("{base}/admin")),
            needs_people: alarm.ended.is_none(),
            helped: Vec::new(),
        }
    }

    /// What `aegis notify test` sends.
    #[must_use]
    pub fn of_test(now: Timestamp) -> Self {
        Self {
            key: format!("test-{}", now.as_millis()),
            firing: true,
            severity: Severity::Info,
            headline: "Aegis: this is a test".to_owned(),
            kind: "test".to_owned(),
            cluster: None,
            entity: None,
            since: now,
            ended: None,
            lines: vec![Line {
                label: "what",
                text: "somebody ran `aegis notify test`; nothing is wrong".to_owned(),
            }],
            question: None,
            link: None,
            needs_people: false,
            helped: Vec::new(),
        }
    }

    /// The end of the same, so that a test leaves nothing open.
    #[must_use]
    pub fn over(self, now: Timestamp) -> Self {
        Self {
            firing: false,
            ended: Some(now),
            ..self
        }
    }
}

/// The kind, the headline and the details of an alarm.
fn in_words(alarm: &Alarm) -> (&'static str, String, String) {
    let lasted = alarm
        .ended
        .map(|ended| about_long(ended.since(alarm.since)));
    match (&alarm.trouble, lasted) {
        (Trouble::Silent { part }, None) => (
            "silent",
            format!("Aegis: {part} is silent"),
            format!(
                "nothing was heard of {part} since {}: until it is back, Aegis may not see, act or record. \
                 `aegis doctor` and the service's log say why. Which services are watched stands in `dead_man.stages`",
                seconds(alarm.since)
            ),
        ),
        (Trouble::Silent { part }, Some(lasted)) => (
            "silent",
            format!("Aegis: {part} is back"),
            format!("{part} was silent for {lasted}"),
        ),
        (Trouble::Forged { first, .. }, None) => (
            "forged",
            "Aegis: somebody forges decisions".to_owned(),
            format!(
                "the executor refused what no key of ours signed: {first}. Nothing was done. Either somebody \
                 else publishes in policy's place, or the keys of policy and executor differ"
            ),
        ),
        (Trouble::Forged { .. }, Some(lasted)) => (
            "forged",
            "Aegis: no decisions are forged any more".to_owned(),
            format!("it went on for {lasted}"),
        ),
    }
}

fn lines(case: &Case, now: Timestamp) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut say = |label, text: String| lines.push(Line { label, text });
    if let Some(about) = &case.about {
        say("what", about.summary.clone());
        let named = about.affected.join(", ");
        match about.wide.saturating_sub(about.affected.len()) {
            0 if named.is_empty() => {}
            0 => say("how wide", named),
            more => say("how wide", format!("{named} and {more} more")),
        }
        if let Some(cause) = &about.cause {
            say("why", cause.clone());
        }
    }
    for act in &case.acts {
        let text = &act.text;
        say(
            "done",
            match &act.state {
                ActState::Applied => format!("{text}: done, watching whether it helps"),
                ActState::NotDone { because } => format!("{text}: not done, {because}"),
                ActState::Verified { after, .. } => {
                    format!("{text}: verified after {}", about_long(*after))
                }
                ActState::Ineffective => format!("{text}: did not help"),
                ActState::Regressed => format!("{text}: made something worse"),
            },
        );
    }
    let over = case.about.as_ref().is_some_and(|about| about.over);
    let acted = case.acts.iter().map(|act| act.seq).max().unwrap_or(0);
    let open = case.open_ask(now);
    if let Some(word) = &case.held_back
        && word.seq > acted
        && open.is_none()
        && !over
    {
        say("not done", word.because.clone());
    }
    if let Some(word) = &case.escalated
        && word.seq > acted
        && !over
    {
        say("people must look", word.because.clone());
    }
    if let Some(about) = &case.about
        && over
    {
        let lasted = about.at.since(about.opened);
        say("over", format!("after {}", about_long(lasted)));
    }
    lines
}

/// What changes while something flaps is not said.
fn quiet() -> Vec<Line> {
    vec![Line {
        label: "what",
        text: "it came back again and again; what it does next is not told until it is calm"
            .to_owned(),
    }]
}

/// A length as a person says it.
fn about_long(length: Duration) -> String {
    match length.as_secs() {
        short @ 0..120 => format!("{short} s"),
        middle @ 120..7200 => format!("{} min", middle / 60),
        long => format!("{} h", long / 3600),
    }
}

/// A time without fractions of a second.
pub(crate) fn seconds(time: Timestamp) -> String {
    let whole = time.as_millis().div_euclid(1_000);
    Timestamp::from_millis(whole.saturating_mul(1_000)).to_string()
}
