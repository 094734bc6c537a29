//! Yes and no to what was asked. A yes is to exactly one act: everything is judged anew, and what differs
//! voids it.

use aegis_schemas::{Approval, Command, Digest, Verdict};

use crate::core::{Core, Turn};
use crate::incidents::{case, granted};
use crate::judge::{Case, Ruling};
use crate::proposals::{self, Asked};
use crate::rules::Principal;
use crate::say::{Words, aegis};
use crate::sign::Grant;

impl Core {
    pub(super) fn approve(&mut self, turn: &mut Turn<'_>, command: &Command, digest: Digest) {
        let Some(asked) = self.open_proposal(turn, command, digest) else {
            return;
        };
        if asked
            .requester
            .as_ref()
            .is_some_and(|who| who.name == command.actor.name)
        {
            let text = format!(
                "`{}` asked for it and cannot say yes to it",
                command.actor.name
            );
            let words = about(&asked);
            let reason = ("self-approval", text);
            self.refuse(turn, command, words, reason, "somebody else approves it");
            return;
        }
        match self.judged_again(digest, &asked) {
            Ok((mut ruling, mut grant)) => {
                if ruling.verdict().is_none() {
                    grant.approvals.push(Approval {
                        by: command.actor.name.clone(),
                        proposal: digest,
                        command: turn.input.id,
                    });
                    grant.by_person = true;
                    match self.grant(turn, grant) {
                        Ok(()) => {
                            let why = format!("`{}` said yes to it", command.actor.name);
                            self.state.proposals.close(digest, &why);
                            self.forget_said(&asked);
                            return;
                        }
                        Err(objection) => ruling.objections.push(objection),
                    }
                }
                // While what stands in the way passes, the question stays open.
                let words = if ruling.is_passing() {
                    about(&asked)
                } else {
                    self.state
                        .proposals
                        .close(digest, "it is not allowed any more");
                    Words::about_asked(digest, &asked, Verdict::Deny)
                };
                self.say(turn, words.by(&command.actor).ruled(&ruling));
            }
            Err(why) => {
                self.state.proposals.close(digest, why);
                let words = Words::about_asked(digest, &asked, Verdict::Deny);
                let reason = ("void", format!("a yes counts no more: {why}"));
                self.refuse(turn, command, words, reason, "approve what is proposed now");
            }
        }
    }

    pub(super) fn reject(&mut self, turn: &mut Turn<'_>, command: &Command, digest: Digest) {
        let Some(asked) = self.open_proposal(turn, command, digest) else {
            return;
        };
        let why = format!("`{}` said no to it", command.actor.name);
        self.state.proposals.close(digest, &why);
        if let Some(dossier) = asked
            .incident
            .and_then(|id| self.state.dossiers.get_mut(&id))
        {
            dossier.reject(digest);
        }
        let text = if command.reason.trim().is_empty() {
            why
        } else {
            format!("{why}: {}", command.reason.trim())
        };
        let words = Words::about_asked(digest, &asked, Verdict::Deny);
        self.refuse(turn, command, words, ("rejected", text), "");
    }

    /// The proposal, if who commands may speak of it and it is open; otherwise a refusal is said.
    fn open_proposal(
        &mut self,
        turn: &mut Turn<'_>,
        command: &Command,
        digest: Digest,
    ) -> Option<Asked> {
        let Some(asked) = self.state.proposals.get(digest).cloned() else {
            let words = Words::of_cluster(&self.cluster, Verdict::Deny);
            let text = format!("nothing was asked under {digest}");
            let flip = "a digest that `aegis approvals` lists";
            self.refuse(turn, command, words, ("unknown-proposal", text), flip);
            return None;
        };
        if !self.may(turn, command, &asked.target) {
            return None;
        }
        if let Some(why) = &asked.closed {
            let reason = ("proposal-closed", why.clone());
            self.refuse(turn, command, about(&asked), reason, "");
            return None;
        }
        if asked.expires <= self.state.now {
            self.state
                .proposals
                .close(digest, "it timed out: nobody said yes in time");
            if let Some(dossier) = asked
                .incident
                .and_then(|id| self.state.dossiers.get_mut(&id))
            {
                dossier.refuse(digest);
            }
            let words = Words::about_asked(digest, &asked, Verdict::Deny);
            let text = format!("a yes counted until {}", asked.expires);
            self.refuse(
                turn,
                command,
                words,
                ("approval-timeout", text),
                "ask for it again",
            );
            return None;
        }
        Some(asked)
    }

    /// Judges what was asked as if for the first time; or why it is not that act any more.
    fn judged_again(&self, digest: Digest, asked: &Asked) -> Result<(Ruling, Grant), &'static str> {
        let policy = self.rules.digest();
        if proposals::digest(&asked.action, &asked.target, policy) != digest {
            return Err("the policy set is another by now");
        }
        let Some(id) = asked.incident else {
            let requester = asked.requester.clone().unwrap_or_else(aegis);
            let case = Case {
                by: Principal::Person(&requester),
                action: &asked.action,
                target: &asked.target,
                incident: None,
                confidence: 0,
                approved: true,
            };
            let ruling = self.view().judge(&case);
            let reasons = ruling.permits.iter().map(|said| aegis_schemas::Reason {
                policy: said.policy.clone(),
                text: said.text.clone(),
            });
            let grant = Grant {
                incident: None,
                failure: None,
                undo_of: None,
                actor: requester.clone(),
                action: asked.action.clone(),
                target: asked.target.clone(),
                at_risk: ruling.at_risk,
                by_person: true,
                approvals: Vec::new(),
                reasons: reasons.collect(),
            };
            return Ok((ruling, grant));
        };
        let dossier = self.state.dossiers.get(&id).ok_or("the incident is over")?;
        let best = dossier
            .best()
            .filter(|best| proposals::digest(&best.action, &best.target, policy) == digest)
            .ok_or("the act that would help is another by now")?;
        let ruling = self.view().judge(&case(dossier, best, true));
        let grant = granted(id, dossier, best, &ruling);
        Ok((ruling, grant))
    }

    /// The next word on the incident is news again: the act may fail.
    fn forget_said(&mut self, asked: &Asked) {
        if let Some(dossier) = asked
            .incident
            .and_then(|id| self.state.dossiers.get_mut(&id))
        {
            dossier.said = None;
            dossier.recheck = None;
        }
    }
}

/// A refusal about a proposal that does not end it.
fn about(asked: &Asked) -> Words {
    Words::new(&asked.target.workload, Verdict::Deny)
        .incident(asked.incident)
        .kind(asked.action.kind())
}
