//! What is known of one incident: folded from its events, whatever their order and however often each.

use std::time::Duration;

use aegis_schemas::{
    Action, ActionKind, Assessment, AssessmentVerdict, DecisionId, Digest, Entity, Event,
    FailureKind, Incident, IncidentId, IncidentPhase, Outcome, OutcomePhase, Severity, Target,
    Timestamp, Verdict,
};
use serde::{Deserialize, Serialize};

/// The most acts of one incident that are kept; the oldest are dropped.
const MAX_ACTS: usize = 20;
/// The most beginnings of one incident that are kept.
const MAX_OPENINGS: usize = 32;
/// The most sick objects that are named.
const MAX_NAMED: usize = 8;
/// The longest text that is kept of one thing, in characters.
const MAX_TEXT: usize = 500;

/// One incident.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Case {
    /// What is wrong; none as long as only its consequences arrived.
    pub about: Option<About>,
    /// When it began, once for each time that it came back.
    pub openings: Vec<Timestamp>,
    /// What was done, the earliest first.
    pub acts: Vec<Act>,
    /// What a person is asked.
    pub ask: Option<Ask>,
    /// Why nothing was done, the last time that policy said so.
    pub held_back: Option<Word>,
    /// Why people must look.
    pub escalated: Option<Word>,
    /// The sequence of the newest event that ended an ask.
    answered: u64,
}

/// What is wrong, as the detector said it last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The sequence of the event.
    pub seq: u64,
    /// Its stream time.
    pub at: Timestamp,
    /// The entity that is most likely the root.
    pub entity: Entity,
    /// How bad.
    pub severity: Severity,
    /// The failure's name.
    pub kind: FailureKind,
    /// In one sentence.
    pub summary: String,
    /// Since when, stream time.
    pub opened: Timestamp,
    /// Whether it is over.
    pub over: bool,
    /// How many objects are sick.
    pub wide: usize,
    /// The first of them by name.
    pub affected: Vec<String>,
    /// The likeliest cause, in words.
    pub cause: Option<String>,
}

/// An act and how it went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Act {
    /// Its decision.
    pub decision: DecisionId,
    /// The sequence of the event that told of it last.
    pub seq: u64,
    /// What kind of act.
    pub action: ActionKind,
    /// In words: what was done to what.
    pub text: String,
    /// How it went.
    pub state: ActState,
}

/// How an act went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ActState {
    /// The API server took it; whether it helped is not clear yet.
    Applied,
    /// It was not done.
    NotDone {
        /// Why not.
        because: String,
    },
    /// It helped.
    Verified {
        /// How long after the act that was clear.
        after: Duration,
        /// When it was said, stream time.
        at: Timestamp,
    },
    /// It did not help.
    Ineffective,
    /// It made something worse.
    Regressed,
}

/// A question to people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// The sequence of the event.
    pub seq: u64,
    /// What a yes binds.
    pub digest: Digest,
    /// What kind of act.
    pub action: ActionKind,
    /// In words: what would be done to what.
    pub text: String,
    /// Until when a yes counts.
    pub expires: Timestamp,
    /// Why a person must say so.
    pub because: String,
}

/// What policy said, with its sequence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// The sequence of the event.
    pub seq: u64,
    /// In words.
    pub because: String,
}

/// The incident that an event is about; none for what people are not told of.
#[must_use]
pub fn incident_of(event: &Event) -> Option<IncidentId> {
    match event {
        Event::Incident(incident) => Some(incident.incident),
        Event::Assessment(assessment) => assessment.incident,
        Event::Decision(decision) => decision.incident,
        Event::Outcome(outcome) => outcome.incident,
        _ => None,
    }
}

impl Case {
    /// Takes in an event of this incident that stands at `seq` since `at`. A second time changes nothing.
    pub fn take(&mut self, seq: u64, at: Timestamp, event: &Event) {
        match event {
            Event::Incident(incident) => self.told(seq, at, incident),
            Event::Outcome(outcome) => self.done(seq, outcome),
            Event::Assessment(assessment) => self.assessed(seq, at, assessment),
            Event::Decision(decision) => self.decided(seq, decision),
            _ => {}
        }
    }

    fn told(&mut self, seq: u64, at: Timestamp, incident: &Incident) {
        if self.about.as_ref().is_some_and(|known| known.seq >= seq) {
            return;
        }
        let over = incident.phase == IncidentPhase::Resolved;
        let was_over = self.about.as_ref().is_none_or(|known| known.over);
        if was_over && !over {
            self.openings.push(at);
            let surplus = self.openings.len().saturating_sub(MAX_OPENINGS);
            self.openings.drain(..surplus);
        }
        let cause = incident.causes.first().map(|cause| {
            let because = cause.because.join("; ");
            let percent = (cause.confidence + 5) / 10;
            cut(&format!(
                "{}: {because} ({percent} %)",
                cause.entity.short()
            ))
        });
        self.about = Some(About {
            seq,
            at,
            entity: incident.entity.clone(),
            severity: incident.severity,
            kind: incident.kind,
            summary: cut(&incident.summary),
            opened: incident.opened,
            over,
            wide: incident.affected.len(),
            affected: incident
                .affected
                .iter()
                .take(MAX_NAMED)
                .map(Entity::short)
                .collect(),
            cause,
        });
    }

    fn done(&mut self, seq: u64, outcome: &Outcome) {
        let (Some(action), Some(target)) = (&outcome.action, &outcome.target) else {
            return;
        };
        if self.ask.as_ref().is_some_and(|ask| {
            ask.seq < seq && ask.action == action.kind() && outcome.phase == OutcomePhase::Applied
        }) {
            self.answer(seq);
        }
        let state = match outcome.phase {
            OutcomePhase::Applied => ActState::Applied,
            OutcomePhase::Refused | OutcomePhase::Failed => ActState::NotDone {
                because: cut(&outcome.message),
            },
        };
        self.act(outcome.decision, seq, action.kind(), state).text = words(action, target);
    }

    fn assessed(&mut self, seq: u64, at: Timestamp, assessment: &Assessment) {
        let state = match assessment.verdict {
            AssessmentVerdict::Verified => ActState::Verified {
                after: Duration::from_millis(assessment.after_ms),
                at,
            },
            AssessmentVerdict::Ineffective => ActState::Ineffective,
            AssessmentVerdict::Regressed => ActState::Regressed,
        };
        let act = self.act(assessment.decision, seq, assessment.action, state);
        if act.text.is_empty() {
            let action = assessment.action.as_str().replace('_', " ");
            act.text = format!("{action}, {}", assessment.target.entity.short());
        }
    }

    /// The act of `decision`, in that state unless a later event said how it went.
    fn act(
        &mut self,
        decision: DecisionId,
        seq: u64,
        action: ActionKind,
        state: ActState,
    ) -> &mut Act {
        let place = self.acts.iter().position(|act| act.decision == decision);
        let place = place.unwrap_or_else(|| {
            if self.acts.len() == MAX_ACTS {
                self.acts.remove(0);
            }
            self.acts.push(Act {
                decision,
                seq: 0,
                action,
                text: String::new(),
                state: ActState::Applied,
            });
            self.acts.len() - 1
        });
        let act = &mut self.acts[place];
        if seq > act.seq {
            act.seq = seq;
            act.state = state;
        }
        act
    }

    fn decided(&mut self, seq: u64, decision: &aegis_schemas::Decision) {
        let because = decision.reasons.iter().map(|reason| reason.text.as_str());
        let because = cut(&because.collect::<Vec<_>>().join("; "));
        match decision.verdict {
            Verdict::Ask => self.asked(seq, decision, because),
            Verdict::Deny => {
                let digest = decision.proposal.as_ref().map(|proposal| proposal.digest);
                if self
                    .ask
                    .as_ref()
                    .is_some_and(|ask| ask.seq < seq && Some(ask.digest) == digest)
                {
                    self.answer(seq);
                }
                let because = if decision.would_allow {
                    let act = decision.proposal.as_ref();
                    let act = act.map(|act| words(&act.action, &act.target));
                    let act = act.unwrap_or_else(|| "act".to_owned());
                    format!("would {act}, but: {because}")
                } else {
                    because
                };
                newer(&mut self.held_back, seq, because);
            }
            Verdict::Escalate => newer(&mut self.escalated, seq, because),
            Verdict::Standing => {}
        }
    }

    fn asked(&mut self, seq: u64, decision: &aegis_schemas::Decision, because: String) {
        let known = self.ask.as_ref().map_or(0, |ask| ask.seq);
        let Some(proposal) = &decision.proposal else {
            return;
        };
        if seq > known.max(self.answered) {
            self.ask = Some(Ask {
                seq,
                digest: proposal.digest,
                action: proposal.action.kind(),
                text: words(&proposal.action, &proposal.target),
                expires: proposal.expires,
                because,
            });
        }
    }

    fn answer(&mut self, seq: u64) {
        self.ask = None;
        self.answered = self.answered.max(seq);
    }

    /// The ask that still can be answered.
    #[must_use]
    pub fn open_ask(&self, now: Timestamp) -> Option<&Ask> {
        let over = self.about.as_ref().is_some_and(|about| about.over);
        self.ask.as_ref().filter(|ask| !over && ask.expires > now)
    }

    /// Whether Aegis does not get on without people.
    #[must_use]
    pub fn needs_people(&self, now: Timestamp) -> bool {
        if self.about.as_ref().is_some_and(|about| about.over) {
            return false;
        }
        let last = self.acts.iter().max_by_key(|act| act.seq);
        let acted = last.map_or(0, |act| act.seq);
        let since = |word: &Option<Word>| word.as_ref().is_some_and(|word| word.seq > acted);
        let state = last.map(|act| &act.state);
        self.open_ask(now).is_some()
            || since(&self.escalated)
            || (since(&self.held_back) && state != Some(&ActState::Applied))
            || matches!(
                state,
                Some(ActState::NotDone { .. } | ActState::Ineffective | ActState::Regressed)
            )
    }
}

fn newer(word: &mut Option<Word>, seq: u64, because: String) {
    if word.as_ref().is_none_or(|known| known.seq < seq) {
        *word = Some(Word { seq, because });
    }
}

/// What is done to what.
fn words(action: &Action, target: &Target) -> String {
    format!("{}, {}", action.describe(), target.entity.short())
}

/// Long texts are cut: all of a case fits one message.
fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text.to_owned(),
    }
}
