//! What one process remembers of the decisions that it carried out: bounded, and only a second line
//! behind what is on the board and the fences on the objects.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use aegis_schemas::{DecisionId, Timestamp, Warrant};

const MINUTE: Duration = Duration::from_secs(60);
const TEN_MINUTES: Duration = Duration::from_secs(600);
/// More than the limits let through in a day.
const MOST: usize = 50_000;

#[derive(Debug, Default)]
pub(crate) struct Memory {
    fences: BTreeMap<String, u64>,
    acts: VecDeque<Act>,
}

#[derive(Debug)]
struct Act {
    at: Timestamp,
    decision: DecisionId,
    pods: u32,
    undo: bool,
}

impl Memory {
    pub(crate) fn last_fence(&self, uid: &str) -> u64 {
        self.fences.get(uid).copied().unwrap_or(0)
    }

    /// Acts in the last minute and pods in the last ten, without undo and without `decision`.
    pub(crate) fn spent(&self, now: Timestamp, decision: DecisionId) -> (u32, u32) {
        let counted = |act: &&Act| !act.undo && act.decision != decision;
        let mut acts = 0_u32;
        let mut pods = 0_u32;
        for act in self.acts.iter().filter(counted) {
            if now.since(act.at) < MINUTE {
                acts += 1;
            }
            if now.since(act.at) < TEN_MINUTES {
                pods = pods.saturating_add(act.pods);
            }
        }
        (acts, pods)
    }

    /// The warrant is permitted: its room is taken, once.
    pub(crate) fn permitted(&mut self, now: Timestamp, warrant: &Warrant) {
        while self
            .acts
            .front()
            .is_some_and(|act| now.since(act.at) > TEN_MINUTES || self.acts.len() >= MOST)
        {
            self.acts.pop_front();
        }
        let known = |act: &Act| act.decision == warrant.decision_id;
        if !self.acts.iter().any(known) {
            self.acts.push_back(Act {
                at: now,
                decision: warrant.decision_id,
                pods: warrant.max_blast.pods,
                undo: warrant.undo_of.is_some(),
            });
        }
    }

    /// The warrant had its effect.
    pub(crate) fn carried_out(&mut self, warrant: &Warrant) {
        if self.fences.len() >= MOST {
            self.fences.clear();
        }
        let uid = warrant.target.object.uid.clone();
        let fence = self.fences.entry(uid).or_default();
        *fence = warrant.fence.max(*fence);
    }
}
