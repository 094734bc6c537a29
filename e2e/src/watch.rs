//! Reads the audit log as it grows: the only thing that tests look at besides the cluster itself.

use std::collections::BTreeSet;
use std::time::Duration;

use aegis_audit_sink::Record;
use aegis_audit_sink::read::Reader;
use aegis_schemas::{
    Assessment, Decision, Event, EventId, Incident, Outcome, OutcomePhase, Stream, Timestamp,
    Verdict, Warrant,
};
use anyhow::{Context, Result, bail};

/// How many entries are read at once.
const PAGE: u32 = 1_000;
/// Where the server tells that a consumer ended a message with `+TERM`.
const TERMINATED: &str = "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED";

/// One entry of the audit log that somebody can read.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its index.
    pub idx: u64,
    /// The event.
    pub id: EventId,
    /// Stream time.
    pub time: Timestamp,
    /// What it says.
    pub event: Event,
    /// The message as recorded.
    pub record: Record,
}

impl Entry {
    /// The allowed decision in it.
    #[must_use]
    pub fn warrant(&self) -> Option<Warrant> {
        match &self.event {
            Event::Warrant(envelope) => envelope.peek().ok(),
            _ => None,
        }
    }

    /// The incident in it.
    #[must_use]
    pub const fn incident(&self) -> Option<&Incident> {
        match &self.event {
            Event::Incident(incident) => Some(incident),
            _ => None,
        }
    }

    /// The ask, denial or escalation in it.
    #[must_use]
    pub fn decision(&self, verdict: Verdict) -> Option<&Decision> {
        match &self.event {
            Event::Decision(decision) if decision.verdict == verdict => Some(decision),
            _ => None,
        }
    }

    /// The executor's word in it.
    #[must_use]
    pub fn outcome(&self, phase: OutcomePhase) -> Option<&Outcome> {
        match &self.event {
            Event::Outcome(outcome) if outcome.phase == phase => Some(outcome),
            _ => None,
        }
    }

    /// The judgement in it.
    #[must_use]
    pub const fn assessment(&self) -> Option<&Assessment> {
        match &self.event {
            Event::Assessment(assessment) => Some(assessment),
            _ => None,
        }
    }
}

/// The message that a consumer ended with `+TERM`, if the server tells of one.
fn terminated(record: &Record) -> Option<(String, u64)> {
    if !record.subject.starts_with(TERMINATED) {
        return None;
    }
    let advisory: serde_json::Value = serde_json::from_slice(&record.body).ok()?;
    Some((record.subject.clone(), advisory["stream_seq"].as_u64()?))
}

/// A reader of the log that remembers what it has read.
pub struct Watch {
    reader: Reader,
    entries: Vec<Entry>,
    next: u64,
    /// How far `until` has looked.
    seen: usize,
    /// Where the server told of a terminated message, and which.
    terminated: Vec<(String, u64)>,
}

impl Watch {
    pub(crate) const fn new(reader: Reader) -> Self {
        Self {
            reader,
            entries: Vec::new(),
            next: 0,
            seen: 0,
            terminated: Vec::new(),
        }
    }

    /// Waits for an entry after the last found one in which `find` finds something.
    ///
    /// # Errors
    ///
    /// When there is none in time; says what was waited for and what was there instead.
    pub async fn until<T>(
        &mut self,
        what: &str,
        within: Duration,
        find: impl Fn(&Entry) -> Option<T>,
    ) -> Result<T> {
        let search = async {
            loop {
                while let Some(entry) = self.entries.get(self.seen) {
                    self.seen += 1;
                    if let Some(found) = find(entry) {
                        return Ok(found);
                    }
                }
                self.read().await?;
                if self.seen == self.entries.len() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        };
        match tokio::time::timeout(within, search).await {
            Ok(found) => found,
            Err(_) => bail!(
                "{what}: not within {} s; the record has\n{}",
                within.as_secs(),
                self.summary()
            ),
        }
    }

    /// Looks at everything again from the beginning.
    pub const fn rewind(&mut self) {
        self.seen = 0;
    }

    /// Everything that is on record now.
    ///
    /// # Errors
    ///
    /// When the record cannot be read.
    pub async fn all(&mut self) -> Result<&[Entry]> {
        self.read().await?;
        Ok(&self.entries)
    }

    /// The sequences in AEGIS_EVENTS of what `consumer` ended with `+TERM`, as the server itself says.
    ///
    /// # Errors
    ///
    /// When the record cannot be read.
    pub async fn terminated(&mut self, consumer: &str) -> Result<BTreeSet<u64>> {
        self.read().await?;
        let place = format!("{TERMINATED}.{}.{consumer}", Stream::Events);
        let told = self.terminated.iter().filter(|(on, _)| *on == place);
        Ok(told.map(|(_, seq)| *seq).collect())
    }

    async fn read(&mut self) -> Result<()> {
        loop {
            let found = self
                .reader
                .entries(self.next, PAGE)
                .await
                .context("cannot read the record")?;
            let whole = found.len() == PAGE as usize;
            for one in found {
                self.next = one.idx + 1;
                let record = one.record;
                self.terminated.extend(terminated(&record));
                let (Some(id), Ok(event)) = (record.event_id(), record.event()) else {
                    continue;
                };
                self.entries.push(Entry {
                    idx: one.idx,
                    id,
                    time: record.time,
                    event,
                    record,
                });
            }
            if !whole {
                return Ok(());
            }
        }
    }

    /// Everything but samples and states, a line each.
    fn summary(&self) -> String {
        let told = self.entries.iter().filter_map(|entry| {
            let text = match &entry.event {
                Event::Incident(incident) => {
                    format!("incident {:?} {}", incident.phase, incident.summary)
                }
                Event::Warrant(_) => {
                    let warrant = entry.warrant()?;
                    format!(
                        "allow {} of {}",
                        warrant.action.describe(),
                        warrant.target.object.entity
                    )
                }
                Event::Decision(decision) => {
                    let reasons: Vec<&str> = decision
                        .reasons
                        .iter()
                        .map(|reason| reason.text.as_str())
                        .collect();
                    format!("{} {}", decision.verdict.as_str(), reasons.join("; "))
                }
                Event::Outcome(outcome) => {
                    format!("{} {}", outcome.phase.as_str(), outcome.message)
                }
                Event::Assessment(assessment) => {
                    format!("{} {:?}", assessment.verdict, assessment.checks)
                }
                Event::Command(command) => format!("command {}", command.body.token()),
                Event::Anomaly(anomaly) => {
                    format!("anomaly {:?} {}", anomaly.phase, anomaly.entity)
                }
                _ => return None,
            };
            Some(format!("  {} {text}", entry.idx))
        });
        let lines: Vec<String> = told.collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}
