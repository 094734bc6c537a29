//! Reads its own output back. It causes nothing; where the log differs from what this core would have
//! said, the log wins and an alarm is raised.

use aegis_schemas::pipeline::{Origin, Output};
use aegis_schemas::{Decision, Digest, Event, Verdict, Warrant};

use crate::acts::{Act, Phase};
use crate::core::Core;
use crate::orders::Orders;
use crate::proposals::Asked;

/// The most own messages that are waited for.
const MAX_UNHEARD: usize = 4_096;

impl Core {
    /// Remembers what was said, to compare it with the log.
    pub(crate) fn remember_said(&mut self, outputs: &[Output]) {
        for output in outputs {
            let place = (output.origin.cause_seq, output.origin.ordinal);
            self.state.unheard.insert(place, Digest::of(&output.body));
        }
        while self.state.unheard.len() > MAX_UNHEARD {
            self.state.unheard.pop_first();
        }
    }

    /// One of our own messages.
    pub(crate) fn echo(&mut self, origin: &Origin, event: &Event) {
        let place = (origin.cause_seq, origin.ordinal);
        let heard = event.encode().map(|body| Digest::of(&body)).ok();
        let said = self.state.unheard.remove(&place);
        if said.is_some() && said == heard {
            return;
        }
        // What answers a message before the first that we read is no disagreement: we never saw its cause.
        if self
            .state
            .first_seq
            .is_some_and(|first| origin.cause_seq >= first)
        {
            self.stats.disagreements += 1;
        }
        match event {
            Event::Warrant(envelope) => {
                if let Ok(warrant) = envelope.peek() {
                    self.adopt_warrant(&warrant);
                }
            }
            Event::Decision(decision) => self.adopt_decision(decision),
            _ => {}
        }
    }

    fn adopt_warrant(&mut self, warrant: &Warrant) {
        let incident = warrant.incident;
        let failure = incident
            .and_then(|id| self.state.dossiers.get(&id))
            .map(|dossier| dossier.incident.kind);
        let act = Act {
            decision: warrant.decision_id,
            incident,
            failure,
            action: warrant.action.clone(),
            target: warrant.target.object.clone(),
            decided: warrant.iat,
            by_person: !warrant.approvals.is_empty(),
            at_risk: warrant.max_blast.pods,
            undo_of: warrant.undo_of,
            undone_by: None,
            phase: Phase::Signed,
            verdict: None,
        };
        match self.state.acts.get_mut(warrant.decision_id) {
            Some(known) => *known = act,
            None => self.state.acts.push(act),
        }
    }

    fn adopt_decision(&mut self, decision: &Decision) {
        match (decision.verdict, &decision.proposal, &decision.standing) {
            (Verdict::Standing, _, Some(standing)) if !self.state.orders_known => {
                self.state.orders = Orders::from_said(standing);
                self.state.orders_known = true;
            }
            (Verdict::Ask, Some(proposal), _)
                if self.state.proposals.get(proposal.digest).is_none() =>
            {
                let asked = Asked {
                    action: proposal.action.clone(),
                    target: proposal.target.clone(),
                    incident: decision.incident,
                    requester: decision.incident.is_none().then(|| decision.actor.clone()),
                    asked: self.state.now,
                    expires: proposal.expires,
                    closed: None,
                };
                self.state.proposals.open(proposal.digest, asked);
            }
            (Verdict::Deny, Some(proposal), _) => {
                self.state
                    .proposals
                    .close(proposal.digest, "it was denied on the record");
            }
            _ => {}
        }
    }
}
