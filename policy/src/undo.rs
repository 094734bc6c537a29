//! Takes acts back: what the executor and the detector say of an act, and its inverse.
//!
//! An undo's budget was reserved with its act, so only the kill switch can block it. It is signed for the
//! object as the act left it; if somebody changed it since, people must look. An undo is never undone.

use aegis_schemas::signature::MAX_ENVELOPE;
use aegis_schemas::{
    Action, Actor, Assessment, AssessmentVerdict, Command, DecisionId, Outcome, OutcomePhase,
    PreImage, Reason, Target, Verdict,
};

use crate::acts::{Act, Phase};
use crate::core::{Core, Turn};
use crate::guards;
use crate::objection::Objection;
use crate::rules::Principal;
use crate::say::{Words, aegis};
use crate::sign::Grant;

impl Core {
    /// What the executor says of an act; what it said first counts.
    pub(crate) fn outcome(&mut self, turn: &mut Turn<'_>, outcome: &Outcome) {
        let now = self.state.now;
        let Some(act) = self.state.acts.get_mut(outcome.decision) else {
            return;
        };
        match outcome.phase {
            OutcomePhase::Applied => {
                if !matches!(act.phase, Phase::Applied { .. }) {
                    act.phase = Phase::Applied {
                        at: now,
                        pre_image: outcome.pre_image.clone().filter(is_small),
                        generation: outcome.generation,
                    };
                    // It may come after the undo was given up.
                    let undo_of = act.undo_of;
                    self.state.acts.undone(undo_of, outcome.decision);
                }
                return;
            }
            OutcomePhase::Refused | OutcomePhase::Failed => {
                // `replayed` and the like say that it was carried out before.
                if act.phase != Phase::Signed {
                    return;
                }
                act.phase = Phase::Void {
                    at: now,
                    code: outcome.code,
                };
            }
        }
        let act = act.clone();
        if let Some(dossier) = act.incident.and_then(|id| self.state.dossiers.get_mut(&id)) {
            dossier.said = None;
        }
        if act.undo_of.is_some() {
            self.state.acts.reopen(act.decision);
            let text = format!("the undo was not carried out: {}", outcome.message);
            self.call_people(turn, &act, "undo-failed", text);
        }
    }

    /// Gives up undos that expired without a word of the executor.
    pub(crate) fn give_up_undos(&mut self, turn: &mut Turn<'_>) {
        let lost = self
            .state
            .acts
            .lost_undos(self.rules.settings(), self.state.now);
        for act in lost {
            self.state.acts.reopen(act.decision);
            let text = "the undo expired, and the executor did not say that it was carried out";
            self.call_people(turn, &act, "undo-failed", text.to_owned());
        }
    }

    /// What the detector says of an act; what it said first counts.
    pub(crate) fn assessment(&mut self, turn: &mut Turn<'_>, assessment: &Assessment) {
        let now = self.state.now;
        let Some(act) = self.state.acts.get_mut(assessment.decision) else {
            return;
        };
        if act.verdict.is_some() || !matches!(act.phase, Phase::Applied { .. }) {
            return;
        }
        act.verdict = Some((assessment.verdict, now));
        let act = act.clone();
        let failed: Vec<String> = assessment
            .checks
            .iter()
            .filter(|check| !check.held)
            .map(|check| format!("{}: {}", check.name, check.measured))
            .collect();
        let what = match assessment.verdict {
            AssessmentVerdict::Verified => return,
            AssessmentVerdict::Ineffective => "did not help",
            AssessmentVerdict::Regressed => "made something worse",
        };
        let why = format!("{} {what} ({})", act.action.describe(), failed.join("; "));
        if act.undo_of.is_some() {
            let text = format!("{why}; an undo is not undone");
            self.call_people(turn, &act, "undo-did-not-help", text);
            return;
        }
        if act.undone_by.is_some() {
            return;
        }
        let taken_back = self.take_back(turn, &act, &aegis(), why.clone());
        let text = match taken_back {
            Ok(()) => format!("{why}; it is being taken back"),
            Err(objection) => format!("{why}; it is not taken back: {}", objection.text),
        };
        let policy = match assessment.verdict {
            AssessmentVerdict::Regressed => "regressed",
            _ => "ineffective",
        };
        self.call_people(turn, &act, policy, text);
    }

    /// A person wants an act taken back.
    pub(crate) fn undo_command(
        &mut self,
        turn: &mut Turn<'_>,
        command: &Command,
        decision: DecisionId,
    ) {
        let Some(act) = self.state.acts.get(decision).cloned() else {
            let text = format!("no act of the last day has the decision {decision}");
            let words = Words::of_cluster(&self.cluster, Verdict::Deny).by(&command.actor);
            self.say(
                turn,
                words
                    .because("unknown-act", text)
                    .flip("a decision that was allowed"),
            );
            return;
        };
        let answer = self
            .view()
            .may(Principal::Person(&command.actor), "undo", &act.target);
        let words = about(&act, Verdict::Deny).by(&command.actor);
        if !answer.allowed {
            let text = format!("no policy permits `{}` to undo", command.actor.name);
            let flip = "a role that may, such as `operator` or `admin`";
            self.say(turn, words.because("no-permit", text).flip(flip));
            return;
        }
        let why = format!(
            "`{}` wants it taken back: {}",
            command.actor.name, command.reason
        );
        if let Err(objection) = self.take_back(turn, &act, &command.actor, why) {
            let words = words
                .because(&objection.policy, objection.text)
                .flip(objection.flip);
            self.say(turn, words);
        }
    }

    /// Signs the inverse of an act.
    fn take_back(
        &mut self,
        turn: &mut Turn<'_>,
        act: &Act,
        by: &Actor,
        why: String,
    ) -> Result<(), Objection> {
        let cluster = &act.workload().cluster;
        if self.state.orders.is_halted(cluster) {
            let text = format!("the kill switch of {cluster} is on");
            return Err(Objection::deny(
                "kill-switch",
                text,
                "an administrator resumes",
            ));
        }
        let (action, target) = self.inverse(act)?;
        let at_risk = guards::blast::at_risk(&self.state.world, &action, &target);
        self.grant(
            turn,
            Grant {
                incident: act.incident,
                failure: act.failure,
                undo_of: Some(act.decision),
                actor: by.clone(),
                action,
                target,
                at_risk,
                by_person: false,
                approvals: Vec::new(),
                reasons: vec![Reason {
                    policy: "undo".to_owned(),
                    text: why,
                }],
            },
        )
    }

    /// What brings back what was there before an act.
    fn inverse(&self, act: &Act) -> Result<(Action, Target), Objection> {
        let no = |policy: &str, text: &str| Err(Objection::deny(policy, text, "a person does it"));
        if act.undo_of.is_some() {
            return no("undo-of-undo", "an undo is not undone");
        }
        if act.undone_by.is_some() {
            return no("undone", "it was taken back before");
        }
        let (pre_image, generation) = match &act.phase {
            Phase::Applied {
                pre_image,
                generation,
                ..
            } => (pre_image, *generation),
            Phase::Signed => {
                return no("not-applied", "the executor has not said that it was done");
            }
            Phase::Void { .. } => return no("not-applied", "it was never done"),
        };
        let action = match (&act.action, pre_image) {
            (Action::Scale { replicas, .. }, Some(PreImage::Replicas { replicas: before }))
                if *before > 0 =>
            {
                Action::Scale {
                    replicas: *before,
                    from: *replicas,
                }
            }
            (Action::Scale { .. }, Some(PreImage::Replicas { .. })) => {
                return no("scale-to-zero", "nothing is scaled to 0 replicas");
            }
            (
                Action::RolloutRestart | Action::Rollback { .. },
                Some(PreImage::Template { template }),
            ) => Action::RestoreTemplate {
                template: template.clone(),
            },
            (Action::RestartPod { .. }, _) => {
                return no("irreversible", "a pod that was replaced does not come back");
            }
            _ => {
                return no(
                    "no-pre-image",
                    "what was there before is not on record, or too large",
                );
            }
        };
        let known = self.state.world.workloads.get(act.workload());
        let Some(known) = known.filter(|known| known.uid == act.target.uid) else {
            return no(
                "target-changed",
                "the object is gone or was made anew since",
            );
        };
        if known.generation > generation {
            let text = format!(
                "somebody changed it since (generation {}, the act left {generation})",
                known.generation
            );
            return no("target-changed", &text);
        }
        let target = Target {
            generation,
            ..act.target.clone()
        };
        Ok((action, target))
    }

    fn call_people(&mut self, turn: &mut Turn<'_>, act: &Act, policy: &str, text: String) {
        let words = about(act, Verdict::Escalate).because(policy, text);
        self.say(turn, words);
    }
}

fn about(act: &Act, verdict: Verdict) -> Words {
    Words::new(act.workload(), verdict)
        .incident(act.incident)
        .kind(act.action.kind())
}

/// Whether it fits into a decision that puts it back.
fn is_small(pre_image: &PreImage) -> bool {
    match pre_image {
        PreImage::Template { template } => template.len() < MAX_ENVELOPE,
        PreImage::Replicas { .. } | PreImage::Pod { .. } => true,
    }
}
