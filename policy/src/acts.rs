//! The acts that were signed, and what became of them: what all budgets are counted from.

use std::collections::VecDeque;
use std::time::Duration;

use aegis_schemas::{
    Action, AssessmentVerdict, DecisionId, Entity, FailureKind, IncidentId, PreImage, RefusalCode,
    Target, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::rules::Settings;

/// The most acts that are remembered; with the limits of the settings more do not come together in a day.
const MAX_ACTS: usize = 4_000;
/// How long they are remembered.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// What the executor said of an act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// Nothing yet.
    Signed,
    /// Written.
    Applied {
        at: Timestamp,
        /// None when it was too large to be put back.
        pre_image: Option<PreImage>,
        generation: i64,
    },
    /// Nothing was written.
    Void {
        at: Timestamp,
        code: Option<RefusalCode>,
    },
}

/// What an act came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Its verdict is not in.
    Pending,
    /// It helped.
    Helped(Timestamp),
    /// It did not help, or nobody can tell.
    Useless(Timestamp),
    /// It was refused, and would be again: it counts as useless, but cost nothing.
    Futile(Timestamp),
    /// It never happened.
    Void,
}

/// A signed act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Act {
    pub(crate) decision: DecisionId,
    pub(crate) incident: Option<IncidentId>,
    pub(crate) failure: Option<FailureKind>,
    pub(crate) action: Action,
    pub(crate) target: Target,
    pub(crate) decided: Timestamp,
    /// A person said yes to it, or asked for it.
    pub(crate) by_person: bool,
    /// Ready pods that it may take down at once.
    pub(crate) at_risk: u32,
    pub(crate) undo_of: Option<DecisionId>,
    pub(crate) undone_by: Option<DecisionId>,
    pub(crate) phase: Phase,
    pub(crate) verdict: Option<(AssessmentVerdict, Timestamp)>,
}

impl Act {
    /// What it came to by `now`.
    pub(crate) fn standing(&self, settings: &Settings, now: Timestamp) -> Standing {
        match (&self.phase, self.verdict) {
            (Phase::Void { at, code }, _) if is_futile(*code) => Standing::Futile(*at),
            (Phase::Void { .. }, _) => Standing::Void,
            (_, Some((AssessmentVerdict::Verified, at))) => Standing::Helped(at),
            (_, Some((_, at))) => Standing::Useless(at),
            (Phase::Signed, None) => {
                let waits = settings.warrant_lifetime.0 + settings.assessment.outcome_within.0;
                overdue(self.decided + waits, now)
            }
            (Phase::Applied { at, .. }, None) => {
                overdue(*at + settings.assessment.verdict_within.0, now)
            }
        }
    }

    /// Whether it may have changed the cluster.
    pub(crate) const fn counts(&self) -> bool {
        !matches!(self.phase, Phase::Void { .. })
    }

    /// The workload that it is about.
    pub(crate) const fn workload(&self) -> &Entity {
        &self.target.workload
    }
}

fn overdue(end: Timestamp, now: Timestamp) -> Standing {
    if now < end {
        Standing::Pending
    } else {
        Standing::Useless(end)
    }
}

/// Whether the same act would be refused again for the same reason.
const fn is_futile(code: Option<RefusalCode>) -> bool {
    matches!(
        code,
        Some(RefusalCode::DryRunRefused | RefusalCode::DisruptionBudget | RefusalCode::Unavailable)
    )
}

/// All acts, in the order in which they were signed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Ledger(VecDeque<Act>);

impl Ledger {
    /// Remembers an act.
    pub(crate) fn push(&mut self, act: Act) {
        self.undone(act.undo_of, act.decision);
        self.0.push_back(act);
        while self.0.len() > MAX_ACTS {
            self.0.pop_front();
        }
    }

    /// Notes by what an act is taken back.
    pub(crate) fn undone(&mut self, act: Option<DecisionId>, by: DecisionId) {
        if let Some(undone) = act.and_then(|id| self.get_mut(id)) {
            undone.undone_by = Some(by);
        }
    }

    /// An undo had no effect: what it was to take back can be taken back again.
    pub(crate) fn reopen(&mut self, undo: DecisionId) {
        let of = self.get(undo).and_then(|undo| undo.undo_of);
        if let Some(act) = of.and_then(|of| self.get_mut(of)) {
            act.undone_by.take_if(|by| *by == undo);
        }
    }

    /// The undos whose act counts as taken back, though the executor will not say any more that they were
    /// carried out.
    pub(crate) fn lost_undos(&self, settings: &Settings, now: Timestamp) -> Vec<Act> {
        let is_lost = |act: &&Act| {
            act.phase == Phase::Signed
                && act.standing(settings, now) != Standing::Pending
                && act
                    .undo_of
                    .and_then(|of| self.get(of))
                    .is_some_and(|of| of.undone_by == Some(act.decision))
        };
        self.0.iter().filter(is_lost).cloned().collect()
    }

    /// Forgets what no guard looks back to.
    pub(crate) fn prune(&mut self, now: Timestamp) {
        while self
            .0
            .front()
            .is_some_and(|act| now.since(act.decided) > KEPT)
        {
            self.0.pop_front();
        }
    }

    pub(crate) fn get(&self, id: DecisionId) -> Option<&Act> {
        self.0.iter().rev().find(|act| act.decision == id)
    }

    pub(crate) fn get_mut(&mut self, id: DecisionId) -> Option<&mut Act> {
        self.0.iter_mut().rev().find(|act| act.decision == id)
    }

    /// Newest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Act> {
        self.0.iter().rev()
    }

    /// The acts on a workload, newest first.
    pub(crate) fn on<'a>(&'a self, workload: &'a Entity) -> impl Iterator<Item = &'a Act> {
        self.iter().filter(move |act| act.workload() == workload)
    }

    /// The act on a workload whose verdict is not in.
    pub(crate) fn pending_on<'a>(
        &'a self,
        workload: &'a Entity,
        settings: &Settings,
        now: Timestamp,
    ) -> Option<&'a Act> {
        self.on(workload)
            .find(|act| act.standing(settings, now) == Standing::Pending)
    }
}
