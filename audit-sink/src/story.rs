//! An incident, told in the order of the log: what was seen, why, what was decided with which reasons,
//! what was done, whether it helped. Each line begins with the index of its entry, which can be proven.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use aegis_schemas::{
    Assessment, CauseKind, Command, CommandBody, Decision, Event, EventId, Incident, IncidentId,
    IncidentPhase, Outcome, OutcomePhase, Reason, Timestamp, Warrant,
};

use crate::Error;
use crate::read::{Entry, Reader};

/// The story of an incident.
///
/// # Errors
///
/// When the log has no such incident, or cannot be read.
pub async fn story(reader: &Reader, incident: IncidentId) -> Result<String, Error> {
    let mut entries = reader.of_incident(incident).await?;
    if entries.is_empty() {
        return Err(Error::NotFound(format!("incident {incident}")));
    }
    let known: BTreeSet<u64> = entries.iter().map(|entry| entry.idx).collect();
    for event in evidence(&entries) {
        if let Some(entry) = reader.find(event).await?
            && !known.contains(&entry.idx)
        {
            entries.push(entry);
        }
    }
    entries.sort_by_key(|entry| entry.idx);
    Ok(tell(incident, &entries))
}

/// The events that the incident rests on.
fn evidence(entries: &[Entry]) -> BTreeSet<EventId> {
    let incidents = entries
        .iter()
        .filter_map(|entry| match entry.record.event() {
            Ok(Event::Incident(incident)) => Some(incident),
            _ => None,
        });
    incidents
        .flat_map(|incident| incident.evidence)
        .map(|evidence| evidence.event)
        .collect()
}

/// The story that these entries tell.
#[must_use]
pub fn tell(incident: IncidentId, entries: &[Entry]) -> String {
    let mut story = Story {
        text: format!("incident {incident}\n"),
        evidence: seen(entries),
        last: String::new(),
        begun: None,
    };
    for entry in entries {
        story.entry(entry);
    }
    story.text
}

/// What the incident says of each event that it rests on.
fn seen(entries: &[Entry]) -> std::collections::BTreeMap<EventId, String> {
    let mut seen = std::collections::BTreeMap::new();
    for entry in entries {
        if let Ok(Event::Incident(incident)) = entry.record.event() {
            for evidence in incident.evidence {
                let text = format!("{}: {}", evidence.entity.short(), evidence.text);
                seen.entry(evidence.event).or_insert(text);
            }
        }
    }
    seen
}

struct Story {
    text: String,
    evidence: std::collections::BTreeMap<EventId, String>,
    /// What the incident looked like when it was said last: it is said again while it lasts.
    last: String,
    begun: Option<Timestamp>,
}

impl Story {
    fn entry(&mut self, entry: &Entry) {
        let record = &entry.record;
        let Ok(event) = record.event() else { return };
        match &event {
            Event::Incident(incident) => self.incident(entry, incident),
            Event::Warrant(envelope) => {
                if let Ok(warrant) = envelope.peek() {
                    self.warrant(entry, &warrant);
                }
            }
            Event::Decision(decision) => self.decision(entry, decision),
            Event::Outcome(outcome) => self.outcome(entry, outcome),
            Event::Assessment(assessment) => self.assessment(entry, assessment),
            Event::Command(command) => self.command(entry, command),
            Event::Metric(_)
            | Event::Signal(_)
            | Event::Anomaly(_)
            | Event::Access(_)
            | Event::DeadLetter(_) => {
                let text = record
                    .event_id()
                    .and_then(|id| self.evidence.get(&id).cloned());
                if let Some(text) = text {
                    self.line(entry, &format!("seen      {text}"));
                }
            }
        }
    }

    fn incident(&mut self, entry: &Entry, incident: &Incident) {
        let causes: Vec<String> = incident
            .causes
            .iter()
            .take(3)
            .map(|cause| {
                let kind = cause_kind(cause.kind);
                let why = because(&cause.because);
                format!(
                    "{} ({kind}, {}){why}",
                    cause.entity.short(),
                    share(cause.confidence)
                )
            })
            .collect();
        let looks = format!(
            "{:?} {} {} {causes:?}",
            incident.phase, incident.kind, incident.severity
        );
        if looks == self.last {
            return;
        }
        self.last = looks;
        let phase = match incident.phase {
            IncidentPhase::Opened => "opened   ",
            IncidentPhase::Updated => "updated  ",
            IncidentPhase::Resolved => "resolved ",
        };
        let (kind, severity) = (incident.kind, incident.severity);
        self.line(
            entry,
            &format!(
                "{phase} {severity} {kind} at {}: {}",
                incident.entity, incident.summary
            ),
        );
        if incident.phase == IncidentPhase::Resolved {
            return;
        }
        for (rank, cause) in causes.iter().enumerate() {
            self.below(&format!("cause {}: {cause}", rank + 1));
        }
        for way in &incident.recommendations {
            self.below(&format!(
                "could: {} on {} ({}){}",
                way.action.describe(),
                way.target.entity.short(),
                share(way.confidence),
                because(&way.because)
            ));
        }
    }

    fn warrant(&mut self, entry: &Entry, warrant: &Warrant) {
        let what = if warrant.undo_of.is_some() {
            "undo"
        } else {
            "allow"
        };
        let act = warrant.action.describe();
        let entity = warrant.target.object.entity.short();
        self.line(
            entry,
            &format!(
                "decided   {what}: {act} on {entity} (for {})",
                warrant.actor.name
            ),
        );
        self.reasons(&warrant.reasons);
        for approval in &warrant.approvals {
            self.below(&format!("approved by {}", approval.by));
        }
    }

    fn decision(&mut self, entry: &Entry, decision: &Decision) {
        let act = decision.proposal.as_ref().map_or_else(
            || {
                decision
                    .action
                    .map_or_else(String::new, |action| format!(": {action}"))
            },
            |proposal| {
                format!(
                    ": {} on {}",
                    proposal.action.describe(),
                    proposal.target.entity.short()
                )
            },
        );
        self.line(
            entry,
            &format!("decided   {}{act}", decision.verdict.as_str()),
        );
        self.reasons(&decision.reasons);
        if let Some(flip) = &decision.flip {
            self.below(&format!("otherwise if {flip}"));
        }
    }

    fn outcome(&mut self, entry: &Entry, outcome: &Outcome) {
        let phase = match outcome.phase {
            OutcomePhase::Applied => "done     ",
            OutcomePhase::Refused => "refused  ",
            OutcomePhase::Failed => "failed   ",
        };
        let code = outcome
            .code
            .map_or_else(String::new, |code| format!(" ({code})"));
        let act = outcome.action.as_ref().map_or_else(String::new, |action| {
            let target = outcome.target.as_ref();
            let entity = target.map_or_else(String::new, |target| {
                format!(" on {}", target.entity.short())
            });
            format!("{}{entity}: ", action.describe())
        });
        self.line(entry, &format!("{phase} {act}{}{code}", outcome.message));
    }

    fn assessment(&mut self, entry: &Entry, assessment: &Assessment) {
        let seconds = assessment.after_ms / 1_000;
        self.line(
            entry,
            &format!(
                "assessed  {}: {} after {seconds} s",
                assessment.verdict, assessment.action
            ),
        );
        for check in &assessment.checks {
            let held = if check.held { "yes" } else { "NO" };
            self.below(&format!("{}? {held}: {}", check.name, check.measured));
        }
    }

    fn command(&mut self, entry: &Entry, command: &Command) {
        let what = match &command.body {
            CommandBody::Feedback { verdict, .. } => format!("feedback {verdict:?}").to_lowercase(),
            CommandBody::Merge { incident, into } => format!("merge {incident} into {into}"),
            CommandBody::Split { entity, .. } => format!("split {} off", entity.short()),
            body => body.token().to_owned(),
        };
        let why = if command.reason.is_empty() {
            String::new()
        } else {
            format!(": {}", command.reason)
        };
        self.line(
            entry,
            &format!("{:<9} by {}{why}", what, command.actor.name),
        );
    }

    fn reasons(&mut self, reasons: &[Reason]) {
        for reason in reasons {
            self.below(&format!("because {} [{}]", reason.text, reason.policy));
        }
    }

    fn line(&mut self, entry: &Entry, text: &str) {
        let time = entry.record.time;
        let begun = *self.begun.get_or_insert(time);
        let after = time.since(begun).as_secs_f64();
        let _ = writeln!(
            self.text,
            "{:>8}  {time}  +{after:>7.1} s  {text}",
            format!("#{}", entry.idx)
        );
    }

    fn below(&mut self, text: &str) {
        let _ = writeln!(self.text, "{:>8}    {text}", "");
    }
}

fn because(reasons: &[String]) -> String {
    if reasons.is_empty() {
        return String::new();
    }
    format!(": {}", reasons.join("; "))
}

fn share(permille: u16) -> String {
    format!("{}.{} %", permille / 10, permille % 10)
}

const fn cause_kind(kind: CauseKind) -> &'static str {
    match kind {
        CauseKind::RecentChange => "recent change",
        CauseKind::ExhaustedResource => "exhausted resource",
        CauseKind::Upstream => "upstream",
        CauseKind::ReplicaState => "state of one replica",
        CauseKind::Load => "load",
        CauseKind::Itself => "itself",
    }
}
