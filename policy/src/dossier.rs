//! What policy keeps of an open incident.

use std::collections::BTreeSet;

use aegis_schemas::{
    Digest, Entity, EvidenceSource, GroupedBy, Incident, Recommendation, Severity, Timestamp,
};
use serde::{Deserialize, Serialize};

/// The most recommendations and refused proposals that are kept.
const MAX_RECOMMENDATIONS: usize = 8;
const MAX_REFUSED: usize = 32;

/// An open incident, as far as decisions depend on it, and what was last said of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Dossier {
    /// Without its evidence, causes and affected entities.
    pub(crate) incident: Incident,
    /// The kinds of its evidence, without that of what people merged into it.
    pub(crate) sources: BTreeSet<EvidenceSource>,
    pub(crate) heard: Timestamp,
    /// The gist of what was said last; the same is not said again.
    pub(crate) said: Option<Digest>,
    /// When what stood in the way ends.
    pub(crate) recheck: Option<Timestamp>,
    /// Proposals that were rejected or timed out: they are not asked again.
    pub(crate) refused: BTreeSet<Digest>,
    /// Those of them that a person rejected: they are not done without asking either, once nothing asks any
    /// more.
    #[serde(default)]
    pub(crate) rejected: BTreeSet<Digest>,
}

impl Dossier {
    /// A new one, or the old one with what is known now.
    pub(crate) fn updated(before: Option<Self>, incident: &Incident, now: Timestamp) -> Self {
        let (said, recheck, refused, rejected) = before.map_or_else(Default::default, |before| {
            (before.said, before.recheck, before.refused, before.rejected)
        });
        let mut kept = Incident {
            affected: Vec::new(),
            evidence: Vec::new(),
            causes: Vec::new(),
            grouped: Vec::new(),
            ..incident.clone()
        };
        kept.recommendations.truncate(MAX_RECOMMENDATIONS);
        Self {
            incident: kept,
            sources: incident
                .evidence
                .iter()
                .filter(|evidence| !is_merged(incident, &evidence.entity))
                .map(|evidence| evidence.source)
                .collect(),
            heard: now,
            said,
            recheck,
            refused,
            rejected,
        }
    }

    /// How bad it is, as far as acts are judged by it: a merge by people makes none possible.
    pub(crate) fn severity(&self) -> Severity {
        let incident = &self.incident;
        incident.own_severity.unwrap_or(incident.severity)
    }

    /// The best act that nothing speaks against.
    pub(crate) fn best(&self) -> Option<&Recommendation> {
        self.incident
            .recommendations
            .iter()
            .find(|recommendation| recommendation.against.is_empty())
    }

    /// Remembers that a person, or time, said no.
    pub(crate) fn refuse(&mut self, proposal: Digest) {
        if self.refused.len() < MAX_REFUSED {
            self.refused.insert(proposal);
        }
    }

    /// Remembers that a person said no.
    pub(crate) fn reject(&mut self, proposal: Digest) {
        self.refuse(proposal);
        if self.rejected.len() < MAX_REFUSED {
            self.rejected.insert(proposal);
        }
    }
}

/// Whether people brought an entity into an incident.
fn is_merged(incident: &Incident, entity: &Entity) -> bool {
    let mut grouped = incident.grouped.iter();
    grouped.any(|one| one.by == GroupedBy::Person && one.entity == *entity)
}
