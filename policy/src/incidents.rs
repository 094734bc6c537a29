//! From an incident to a decision: the best act that nothing speaks against is judged, and what is news
//! is said.

use aegis_schemas::{
    Digest, Incident, IncidentId, IncidentPhase, Reason, Recommendation, Severity, Verdict, codec,
};

use crate::core::{Core, Turn};
use crate::dossier::Dossier;
use crate::judge::{Case, Ruling};
use crate::proposals::{self, Asked};
use crate::rules::Principal;
use crate::say::{Words, aegis};
use crate::sign::Grant;

/// The most open incidents that are kept; the detector has fewer.
const MAX_DOSSIERS: usize = 2_000;
/// The most reasons of the detector that a warrant repeats.
const MAX_BECAUSE: usize = 3;

impl Core {
    pub(crate) fn incident(&mut self, turn: &mut Turn<'_>, incident: &Incident) {
        let id = incident.incident;
        let now = self.state.now;
        let before = self.state.dossiers.remove(&id);
        if incident.phase == IncidentPhase::Resolved {
            self.void(turn, id, None, "incident-over", "the incident is over");
            return;
        }
        if before.is_none() && self.state.dossiers.len() >= MAX_DOSSIERS {
            return;
        }
        let dossier = Dossier::updated(before, incident, now);
        self.state.dossiers.insert(id, dossier);
        self.state.storms.note(incident, &self.state.world);
        self.watch_for_storm();
        self.consider(turn, id);
    }

    /// What stood in the way is over: looks again, if the evidence is still good enough to act on.
    pub(crate) fn consider_again(&mut self, turn: &mut Turn<'_>, id: IncidentId) {
        let (now, most) = (self.state.now, self.rules.settings().evidence_max_age.0);
        let Some(dossier) = self.state.dossiers.get_mut(&id) else {
            return;
        };
        dossier.recheck = None;
        if now.since(dossier.incident.newest_evidence) <= most {
            self.consider(turn, id);
        }
    }

    fn consider(&mut self, turn: &mut Turn<'_>, id: IncidentId) {
        let Some(dossier) = self.state.dossiers.get(&id).cloned() else {
            return;
        };
        match dossier.best() {
            Some(best) => self.consider_act(turn, id, &dossier, best),
            None => self.consider_nothing(turn, id, &dossier),
        }
    }

    fn consider_act(
        &mut self,
        turn: &mut Turn<'_>,
        id: IncidentId,
        dossier: &Dossier,
        best: &Recommendation,
    ) {
        let case = case(dossier, best, false);
        let mut ruling = self.view().judge(&case);
        if ruling.is_quiet() {
            return;
        }
        let policy = self.rules.digest();
        let digest = proposals::digest(&best.action, &best.target, policy);
        if ruling.verdict().is_none() {
            // What asked may have passed, a storm for one; the no stands while the incident lasts.
            if dossier.rejected.contains(&digest) {
                return;
            }
            match self.grant(turn, granted(id, dossier, best, &ruling)) {
                Ok(()) => {
                    // The next word is news again: the act may fail.
                    self.note(id, None, None);
                    let why = "the act was allowed without asking";
                    self.void(turn, id, None, "superseded", why);
                    return;
                }
                Err(objection) => ruling.objections.push(objection),
            }
        }
        let gist = ruling.gist(&case, policy);
        let verdict = ruling.verdict().unwrap_or(Verdict::Deny);
        let now = self.state.now;
        let about = &best.target.workload;
        let words = Words::new(about, verdict).incident(Some(id)).ruled(&ruling);
        if verdict == Verdict::Ask {
            if self.state.proposals.is_open(digest) || dossier.refused.contains(&digest) {
                return;
            }
            let why = "the act that would help is another by now";
            self.void(turn, id, Some(digest), "superseded", why);
            let expires = now + self.rules.settings().approval_lifetime.0;
            let asked = Asked {
                action: best.action.clone(),
                target: best.target.clone(),
                incident: Some(id),
                requester: None,
                asked: now,
                expires,
                closed: None,
            };
            self.state.proposals.open(digest, asked);
            self.note(id, Some(gist), None);
            self.say(turn, words.act(&best.action, &best.target, policy, expires));
            return;
        }
        // A question that is open stays so while what stands in the way passes: the yes is judged anew.
        let waits = ruling.is_passing() && self.state.proposals.is_open(digest);
        if waits || dossier.said == Some(gist) {
            self.note(id, dossier.said, ruling.ends());
            return;
        }
        if !ruling.is_passing() {
            self.void(
                turn,
                id,
                None,
                "superseded",
                "the act is not allowed any more",
            );
        }
        self.note(id, Some(gist), ruling.ends());
        self.say(turn, words.act(&best.action, &best.target, policy, now));
    }

    /// Nothing would help, or something speaks against all that would: people must look.
    fn consider_nothing(&mut self, turn: &mut Turn<'_>, id: IncidentId, dossier: &Dossier) {
        let incident = &dossier.incident;
        let (now, settings) = (self.state.now, self.rules.settings());
        let pending = self.state.acts.pending_on(&incident.entity, settings, now);
        if pending.is_some() {
            return;
        }
        let words = Words::new(&incident.entity, Verdict::Escalate).incident(Some(id));
        let (words, flip) = if incident.recommendations.is_empty() {
            if incident.severity < Severity::Error {
                return;
            }
            // A diagnosis often comes a little later.
            let due = incident.opened + settings.escalate_after.0;
            if now < due {
                self.note(id, dossier.said, Some(due));
                return;
            }
            let text = format!("no act is known to help: {}", incident.summary);
            (words.because("no-act", text), "an act that would help")
        } else {
            let against = incident
                .recommendations
                .iter()
                .map(|recommendation| Reason {
                    policy: "no-safe-act".to_owned(),
                    text: format!(
                        "{} of {}: {}",
                        recommendation.action.describe(),
                        recommendation.target.entity.short(),
                        recommendation.against.join("; ")
                    ),
                });
            (
                words.reasons(against.collect()),
                "what speaks against the acts",
            )
        };
        let acts: Vec<_> = incident
            .recommendations
            .iter()
            .map(|recommendation| (&recommendation.action, &recommendation.target))
            .collect();
        let gist = codec::encode(&("nothing", acts))
            .map_or_else(|_| Digest::default(), |bytes| Digest::of(&bytes));
        if dossier.said == Some(gist) {
            return;
        }
        self.void(
            turn,
            id,
            None,
            "superseded",
            "the act is not recommended any more",
        );
        self.note(id, Some(gist), None);
        self.say(turn, words.flip(flip));
    }

    /// Ends the open questions of an incident but one.
    pub(crate) fn void(
        &mut self,
        turn: &mut Turn<'_>,
        id: IncidentId,
        but: Option<Digest>,
        policy: &str,
        why: &str,
    ) {
        for digest in self.state.proposals.of(id) {
            if Some(digest) == but {
                continue;
            }
            if let Some(asked) = self.state.proposals.close(digest, why) {
                let words = Words::about_asked(digest, &asked, Verdict::Deny).because(policy, why);
                self.say(turn, words);
            }
        }
    }

    fn note(
        &mut self,
        id: IncidentId,
        said: Option<Digest>,
        recheck: Option<aegis_schemas::Timestamp>,
    ) {
        if let Some(dossier) = self.state.dossiers.get_mut(&id) {
            dossier.said = said;
            dossier.recheck = recheck;
        }
    }
}

/// The case of an act that an incident recommends.
pub(crate) fn case<'a>(dossier: &'a Dossier, best: &'a Recommendation, approved: bool) -> Case<'a> {
    Case {
        by: Principal::Aegis,
        action: &best.action,
        target: &best.target,
        incident: Some(dossier),
        confidence: best.confidence,
        approved,
    }
}

/// What is signed for an act that an incident recommends.
pub(crate) fn granted(
    id: IncidentId,
    dossier: &Dossier,
    best: &Recommendation,
    ruling: &Ruling,
) -> Grant {
    let permits = ruling.permits.iter().map(|said| Reason {
        policy: said.policy.clone(),
        text: said.text.clone(),
    });
    let because = best.because.iter().take(MAX_BECAUSE).map(|text| Reason {
        policy: "recommendation".to_owned(),
        text: text.clone(),
    });
    Grant {
        incident: Some(id),
        failure: Some(dossier.incident.kind),
        undo_of: None,
        actor: aegis(),
        action: best.action.clone(),
        target: best.target.clone(),
        at_risk: ruling.at_risk,
        by_person: false,
        approvals: Vec::new(),
        reasons: permits.chain(because).collect(),
    }
}
