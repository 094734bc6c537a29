//! A person asks for an act: the same guards, the person's own rights.

use aegis_schemas::{Action, Command, Reason, Target, Verdict};

use crate::core::{Core, Turn};
use crate::judge::Case;
use crate::proposals::{self, Asked};
use crate::rules::Principal;
use crate::say::Words;
use crate::sign::Grant;

impl Core {
    pub(super) fn request(
        &mut self,
        turn: &mut Turn<'_>,
        command: &Command,
        action: &Action,
        target: &Target,
    ) {
        if !self.may(turn, command, target) {
            return;
        }
        let case = Case {
            by: Principal::Person(&command.actor),
            action,
            target,
            incident: None,
            confidence: 0,
            approved: false,
        };
        let mut ruling = self.view().judge(&case);
        if ruling.verdict().is_none() {
            let permits = ruling.permits.iter().map(|said| Reason {
                policy: said.policy.clone(),
                text: said.text.clone(),
            });
            let grant = Grant {
                incident: None,
                failure: None,
                undo_of: None,
                actor: command.actor.clone(),
                action: action.clone(),
                target: target.clone(),
                at_risk: ruling.at_risk,
                by_person: true,
                approvals: Vec::new(),
                reasons: permits.collect(),
            };
            match self.grant(turn, grant) {
                Ok(()) => return,
                Err(objection) => ruling.objections.push(objection),
            }
        }
        let (now, policy) = (self.state.now, self.rules.digest());
        // A person asked, so nobody need be called: what would escalate is a no to them.
        let verdict = match ruling.verdict() {
            Some(Verdict::Ask) => Verdict::Ask,
            _ => Verdict::Deny,
        };
        let words = Words::new(&target.workload, verdict)
            .by(&command.actor)
            .ruled(&ruling);
        if verdict == Verdict::Deny {
            self.say(turn, words.act(action, target, policy, now));
            return;
        }
        let digest = proposals::digest(action, target, policy);
        if self.state.proposals.is_open(digest) {
            let words = Words::new(&target.workload, Verdict::Deny).kind(action.kind());
            let text = format!("it waits for a yes already: proposal {digest}");
            self.refuse(
                turn,
                command,
                words,
                ("already-asked", text),
                "approve that proposal",
            );
            return;
        }
        let expires = now + self.rules.settings().approval_lifetime.0;
        let asked = Asked {
            action: action.clone(),
            target: target.clone(),
            incident: None,
            requester: Some(command.actor.clone()),
            asked: now,
            expires,
            closed: None,
        };
        self.state.proposals.open(digest, asked);
        self.say(turn, words.act(action, target, policy, expires));
    }
}
