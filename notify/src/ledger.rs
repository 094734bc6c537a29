//! What is kept of one incident or alarm, shared by all replicas: what is known, who was told what, and who
//! is about to tell it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aegis_schemas::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alarm::Alarm;
use crate::case::Case;
use crate::channel::{Answer, Channel, Sent, Step};
use crate::flapping::{Flapping, Unrest};
use crate::notice::Notice;
use crate::route::{self, Route};

/// How much later than announced another try may come before somebody else makes it.
const OVERDUE: Duration = Duration::from_secs(60);

/// What is kept under one key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// An incident, if it is one.
    pub case: Option<Case>,
    /// An alarm, if it is one.
    pub alarm: Option<Alarm>,
    /// What each receiver was told, by its name.
    pub told: BTreeMap<String, Told>,
}

/// What a receiver was told, and what is under way to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// What it has.
    pub sent: Sent,
    /// Until when somebody is telling it.
    pub claimed: Option<Timestamp>,
    /// What failed and will be tried again.
    pub owed: Option<Owed>,
}

/// A try that failed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Owed {
    /// The sequence of the event that comes again for it.
    pub by: u64,
    /// How often it failed.
    pub failures: u32,
    /// When it is tried again.
    pub at: Timestamp,
}

/// What is to be done for one receiver.
#[derive(Clone, Debug, PartialEq)]
pub enum Due {
    /// Nothing: it knows all, or another event comes again for it.
    Nothing,
    /// To send this.
    Send(Box<Step>),
    /// To look again at that time.
    Wait(Timestamp),
}

impl Record {
    /// What people would be told now, and when to look again because of its unrest.
    #[must_use]
    pub fn notice(
        &self,
        key: &str,
        flapping: &Flapping,
        now: Timestamp,
        dashboard: Option<&str>,
    ) -> Option<(Notice, Option<Timestamp>)> {
        if let Some(alarm) = &self.alarm {
            return Some((Notice::of_alarm(key, alarm, dashboard), None));
        }
        let case = self.case.as_ref()?;
        let unrest = flapping.judge(case, now);
        let calm = match unrest {
            Unrest::CalmAt(at) => Some(at),
            Unrest::None | Unrest::Flaps => None,
        };
        Notice::of_case(key, case, unrest, now, dashboard).map(|notice| (notice, calm))
    }

    /// Who is to be told of `notice`: whom a route names, and whoever was told before. What is not `fresh` is
    /// told only to the latter.
    #[must_use]
    pub fn receivers(&self, notice: &Notice, routes: &[Route], fresh: bool) -> BTreeSet<String> {
        let routed = route::receivers(routes, notice);
        let routed = routed.into_iter().filter(|_| fresh).map(str::to_owned);
        routed.chain(self.told.keys().cloned()).collect()
    }

    /// What is to be done for the receiver of that name by who handles the event `by`; a request is claimed
    /// until `claim`.
    pub fn claim(
        &mut self,
        (name, channel): (&str, &Channel),
        notice: &Notice,
        by: u64,
        now: Timestamp,
        claim: Timestamp,
    ) -> Due {
        let fresh = Told::default();
        let told = self.told.get(name).unwrap_or(&fresh);
        let Some(step) = channel.next(notice, &told.sent, now) else {
            return Due::Nothing;
        };
        if let Some(until) = told.claimed.filter(|until| *until > now) {
            return Due::Wait(until);
        }
        if let Some(owed) = told.owed {
            let mine = owed.by == by;
            if owed.at > now && mine {
                return Due::Wait(owed.at);
            }
            if owed.at + OVERDUE > now && !mine {
                return Due::Nothing;
            }
        }
        self.told.entry(name.to_owned()).or_default().claimed = Some(claim);
        Due::Send(Box::new(step))
    }

    /// Notes what a receiver answered to `step`; `retry` is when it is tried again, if it is.
    pub fn note(&mut self, name: &str, step: &Step, answer: &Answer, by: u64, retry: Timestamp) {
        let told = self.told.entry(name.to_owned()).or_default();
        told.claimed = None;
        match answer {
            Answer::Taken(place) => {
                let before = told.sent.place.take();
                told.sent = step.then.clone();
                told.sent.place = place.clone().or(before);
                told.owed = None;
            }
            // What is not taken today is not taken tomorrow: it counts as told.
            Answer::Never(_) => {
                told.sent = step.then.clone();
                told.owed = None;
            }
            Answer::Gone => {
                told.sent.place = None;
                told.sent.shown = None;
            }
            Answer::Later { .. } => {
                told.owed = Some(Owed {
                    by,
                    failures: told.failures() + 1,
                    at: retry,
                });
            }
        }
    }

    /// Gives up what the event `by` would have come again for; answers to whom.
    pub fn give_up(&mut self, by: u64) -> Vec<String> {
        let mut names = Vec::new();
        for (name, told) in &mut self.told {
            if told.owed.is_some_and(|owed| owed.by == by) {
                told.owed = None;
                names.push(name.clone());
            }
        }
        names
    }

    /// How often it was tried in vain to tell that receiver.
    #[must_use]
    pub fn failures(&self, name: &str) -> u32 {
        self.told.get(name).map_or(0, Told::failures)
    }
}

impl Told {
    fn failures(&self) -> u32 {
        self.owed.map_or(0, |owed| owed.failures)
    }
}
