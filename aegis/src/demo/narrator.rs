//! Tells each incident's story from the audit log, as it happens: what was seen, the ranked causes, the
//! decision with its reasons, the act, how it was verified, and the command that proves it.

use std::collections::BTreeMap;

use aegis_schemas::{
    Assessment, AssessmentVerdict, Decision, DecisionId, Event, EventId, Incident, IncidentId,
    IncidentPhase, Outcome, OutcomePhase, Reason, Timestamp, Verdict, Warrant,
};

/// One entry of the audit log.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The event's id.
    pub(super) event: EventId,
    /// Stream time.
    pub(super) time: Timestamp,
    /// What it says.
    pub(super) said: Event,
}

/// What happened so far, for `--check`.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// When the first incident was opened.
    pub(super) first_detection: Option<Timestamp>,
    /// Every act that was verified, in order.
    pub(super) healed: Vec<Heal>,
    /// Digests of what policy asked, in order.
    pub(super) asked: Vec<String>,
}

impl Progress {
    /// The first act that was verified, of those that a person did or did not approve.
    #[must_use]
    pub(super) fn heal(&self, approved: bool) -> Option<&Heal> {
        self.healed.iter().find(|heal| heal.approved == approved)
    }
}

/// An act that was verified.
#[derive(Clone, Debug)]
pub(super) struct Heal {
    /// When it was verified.
    pub(super) at: Timestamp,
    /// Whether a person said yes to it.
    pub(super) approved: bool,
}

/// What is remembered of a signed decision.
#[derive(Clone, Copy, Debug)]
struct Allowed {
    incident: IncidentId,
    event: EventId,
    approved: bool,
    undo: bool,
}

/// Tells stories. Knows the time since the demo began, and how to color.
#[derive(Debug)]
pub(super) struct Narrator {
    began: Timestamp,
    color: bool,
    approve: String,
    aegis: String,
    names: BTreeMap<IncidentId, usize>,
    decisions: BTreeMap<DecisionId, Allowed>,
    kinds: BTreeMap<IncidentId, String>,
    progress: Progress,
}

impl Narrator {
    /// `aegis` is how the program is called, `approve` the command that approves.
    #[must_use]
    pub(super) fn new(began: Timestamp, color: bool, aegis: String, approve: String) -> Self {
        Self {
            began,
            color,
            approve,
            aegis,
            names: BTreeMap::new(),
            decisions: BTreeMap::new(),
            kinds: BTreeMap::new(),
            progress: Progress::default(),
        }
    }

    /// What happened so far.
    #[must_use]
    pub(super) const fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The lines that tell of `entry`; none for what is no news.
    pub(super) fn tell(&mut self, entry: &Entry) -> Vec<String> {
        match &entry.said {
            Event::Incident(incident) => self.incident(entry, incident),
            Event::Decision(decision) => self.decision(entry, decision),
            Event::Warrant(envelope) => envelope
                .peek()
                .map_or_else(|_| Vec::new(), |warrant| self.warrant(entry, &warrant)),
            Event::Outcome(outcome) => self.outcome(entry, outcome),
            Event::Assessment(assessment) => self.assessment(entry, assessment),
            _ => Vec::new(),
        }
    }

    fn assessment(&mut self, entry: &Entry, assessment: &Assessment) -> Vec<String> {
        let Some(allowed) = self.decisions.get(&assessment.decision).copied() else {
            return Vec::new();
        };
        let verified = assessment.verdict == AssessmentVerdict::Verified;
        if verified && !allowed.undo {
            self.progress.healed.push(Heal {
                at: entry.time,
                approved: allowed.approved,
            });
        }
        let seconds = assessment.after_ms as f64 / 1000.0;
        let paint = if verified { GREEN } else { RED };
        let verdict = assessment.verdict.as_str().to_uppercase();
        let title = format!("{verdict} {seconds:.1} s after the act");
        let mut lines = vec![self.line(entry, Some(allowed.incident), paint, &title)];
        lines.extend(assessment.checks.iter().map(|check| {
            let mark = if check.held { "yes" } else { "NO " };
            detail(&format!("{mark} {}: {}", check.name, check.measured))
        }));
        let aegis = &self.aegis;
        lines.push(detail(&format!(
            "prove it: {aegis} audit prove {}",
            allowed.event
        )));
        lines.push(detail(&format!(
            "read it:  {aegis} audit story {}",
            allowed.incident
        )));
        lines
    }

    fn incident(&mut self, entry: &Entry, incident: &Incident) -> Vec<String> {
        let id = incident.incident;
        let new = !self.names.contains_key(&id);
        let number = self.names.len() + 1;
        self.names.entry(id).or_insert(number);
        if incident.phase == IncidentPhase::Resolved {
            return vec![self.line(entry, Some(id), GREEN, "resolved: all quiet")];
        }
        // Said again while it lasts; only another diagnosis is news.
        let diagnosis = format!("{} {}", incident.kind, incident.entity);
        let changed = self.kinds.insert(id, diagnosis.clone()) != Some(diagnosis);
        if !new && !changed {
            return Vec::new();
        }
        if self.progress.first_detection.is_none() {
            self.progress.first_detection = Some(entry.time);
        }
        let title = format!(
            "{} {}: {}",
            incident.severity.as_str().to_uppercase(),
            incident.entity.short(),
            incident.summary
        );
        let mut lines = vec![self.line(entry, Some(id), if new { RED } else { YELLOW }, &title)];
        lines.extend(incident.evidence.iter().take(3).map(|evidence| {
            detail(&format!(
                "seen: {}: {}",
                evidence.entity.short(),
                evidence.text
            ))
        }));
        lines.extend(
            incident
                .causes
                .iter()
                .take(3)
                .enumerate()
                .map(|(rank, cause)| {
                    let why = cause.because.join("; ");
                    let sure = f64::from(cause.confidence) / 10.0;
                    detail(&format!(
                        "cause {}: {} ({sure:.0} %): {why}",
                        rank + 1,
                        cause.entity.short()
                    ))
                }),
        );
        lines
    }

    fn decision(&mut self, entry: &Entry, decision: &Decision) -> Vec<String> {
        let Some(incident) = decision.incident else {
            return Vec::new();
        };
        let act = decision.proposal.as_ref().map_or_else(
            || {
                decision
                    .action
                    .map_or_else(String::new, |action| action.to_string())
            },
            |proposal| {
                format!(
                    "{} ({})",
                    proposal.action.describe(),
                    proposal.target.entity.short()
                )
            },
        );
        let (paint, title) = match decision.verdict {
            Verdict::Ask => (YELLOW, format!("policy ASKS: may Aegis {act}?")),
            Verdict::Deny => (YELLOW, format!("policy DENIES: {act}")),
            Verdict::Escalate => (RED, "policy ESCALATES: people must look".to_owned()),
            Verdict::Standing => return Vec::new(),
        };
        let mut lines = vec![self.line(entry, Some(incident), paint, &title)];
        lines.extend(reasons(&decision.reasons));
        if decision.verdict == Verdict::Ask
            && let Some(proposal) = &decision.proposal
        {
            let digest = proposal.digest.to_string();
            lines.push(detail(&format!(
                "approve it: {} {}",
                self.approve,
                &digest[..12]
            )));
            self.progress.asked.push(digest);
        }
        if let Some(flip) = &decision.flip {
            lines.push(detail(&format!("would turn: {flip}")));
        }
        lines
    }

    fn warrant(&mut self, entry: &Entry, warrant: &Warrant) -> Vec<String> {
        let Some(incident) = warrant.incident else {
            return Vec::new();
        };
        let allowed = Allowed {
            incident,
            event: entry.event,
            approved: !warrant.approvals.is_empty(),
            undo: warrant.undo_of.is_some(),
        };
        self.decisions.insert(warrant.decision_id, allowed);
        let undo = if warrant.undo_of.is_some() {
            " (undo)"
        } else {
            ""
        };
        let title = format!(
            "policy ALLOWS{undo}: {} ({})",
            warrant.action.describe(),
            warrant.target.object.entity.short()
        );
        let mut lines = vec![self.line(entry, Some(incident), BLUE, &title)];
        lines.extend(reasons(&warrant.reasons));
        lines.extend(
            warrant
                .approvals
                .iter()
                .map(|approval| detail(&format!("approved by {}", approval.by))),
        );
        lines
    }

    fn outcome(&mut self, entry: &Entry, outcome: &Outcome) -> Vec<String> {
        let incident = outcome.incident.or_else(|| {
            self.decisions
                .get(&outcome.decision)
                .map(|known| known.incident)
        });
        let Some(incident) = incident else {
            return Vec::new();
        };
        let (paint, said) = match outcome.phase {
            OutcomePhase::Applied => (BLUE, "done"),
            OutcomePhase::Refused => (RED, "the executor REFUSED"),
            OutcomePhase::Failed => (RED, "the executor FAILED"),
        };
        let code = outcome
            .code
            .map_or_else(String::new, |code| format!(" ({code})"));
        let title = format!("{said}{code}: {}", outcome.message);
        vec![self.line(entry, Some(incident), paint, &title)]
    }

    fn line(&self, entry: &Entry, incident: Option<IncidentId>, paint: &str, text: &str) -> String {
        let after = entry.time.since(self.began).as_secs_f64();
        let name = incident
            .and_then(|id| self.names.get(&id))
            .map_or_else(String::new, |number| format!("#{number} "));
        if self.color {
            format!("{after:7.1} s  {paint}{name}{text}\x1b[0m")
        } else {
            format!("{after:7.1} s  {name}{text}")
        }
    }
}

const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const BLUE: &str = "\x1b[36m";

fn detail(text: &str) -> String {
    format!("           {text}")
}

fn reasons(reasons: &[Reason]) -> impl Iterator<Item = String> + '_ {
    reasons
        .iter()
        .map(|reason| detail(&format!("because {}: {}", reason.policy, reason.text)))
}
