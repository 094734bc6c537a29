//! Leads each act back to the metric that caused it, over the audit log: warrant, incident, anomaly,
//! metric batch, each by the cause that the one before names.

use std::collections::BTreeMap;

use aegis_audit_sink::Record;
use aegis_schemas::{DecisionId, Event, EventId, Timestamp};
use anyhow::Result;

/// What the record holds, by event.
#[derive(Default)]
pub(super) struct Chains {
    events: BTreeMap<EventId, Link>,
    warrants: BTreeMap<DecisionId, EventId>,
}

struct Link {
    cause: Option<EventId>,
    bytes: usize,
    what: What,
}

/// What a link is, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Batch(Timestamp),
    Anomaly,
    Incident,
    Warrant,
    Other,
}

/// From a metric to a warrant.
pub(super) struct Chain {
    /// When the metric was handed in.
    pub(super) from: Timestamp,
    /// The sizes of batch, anomaly, incident and warrant.
    pub(super) bytes: [usize; 4],
}

impl Chains {
    /// Takes note of a record.
    pub(super) fn note(&mut self, record: &Record) -> Result<()> {
        let (Ok(meta), Ok(event)) = (record.meta(), record.event()) else {
            return Ok(());
        };
        let what = match &event {
            Event::Metric(batch) => batch
                .times
                .last()
                .map_or(What::Other, |at| What::Batch(*at)),
            Event::Anomaly(_) => What::Anomaly,
            Event::Incident(_) => What::Incident,
            Event::Warrant(envelope) => {
                self.warrants.insert(envelope.peek()?.decision_id, meta.id);
                What::Warrant
            }
            _ => What::Other,
        };
        let link = Link {
            cause: meta.cause,
            bytes: record.body.len(),
            what,
        };
        self.events.insert(meta.id, link);
        Ok(())
    }

    /// The chain to a decision; none if time had to pass on the way, so that a heartbeat or a repetition
    /// is its cause and not a metric.
    pub(super) fn to(&self, decision: DecisionId) -> Option<Chain> {
        let warrant = self.events.get(self.warrants.get(&decision)?)?;
        let incident = self
            .cause(warrant)
            .filter(|link| link.what == What::Incident)?;
        let anomaly = self
            .cause(incident)
            .filter(|link| link.what == What::Anomaly)?;
        let batch = self.cause(anomaly)?;
        let What::Batch(from) = batch.what else {
            return None;
        };
        Some(Chain {
            from,
            bytes: [batch.bytes, anomaly.bytes, incident.bytes, warrant.bytes],
        })
    }

    fn cause(&self, link: &Link) -> Option<&Link> {
        self.events.get(&link.cause?)
    }
}
