//! Puts a decision into a message.

use aegis_schemas::{
    Action, ActionKind, Actor, Cluster, Decision, DecisionId, Digest, Entity, EntityKind, Event,
    IncidentId, Name, Proposal, Reason, StandingOrders, Subject, Target, Timestamp, Verdict,
};

use crate::core::{Core, Turn};
use crate::judge::Ruling;
use crate::proposals::{self, Asked};

/// The longest text of a reason.
const MAX_TEXT: usize = 500;

/// A decision in the making.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    about: Entity,
    verdict: Verdict,
    incident: Option<IncidentId>,
    actor: Actor,
    action: Option<ActionKind>,
    proposal: Option<Proposal>,
    reasons: Vec<Reason>,
    flip: Option<String>,
    would_allow: bool,
    standing: Option<StandingOrders>,
}

impl Words {
    /// Nothing but a verdict about a workload.
    pub(crate) fn new(about: &Entity, verdict: Verdict) -> Self {
        Self {
            about: about.clone(),
            verdict,
            incident: None,
            actor: aegis(),
            action: None,
            proposal: None,
            reasons: Vec::new(),
            flip: None,
            would_allow: false,
            standing: None,
        }
    }

    /// About the cluster as a whole.
    pub(crate) fn of_cluster(cluster: &Cluster, verdict: Verdict) -> Self {
        let name = Name::parse(cluster.as_str()).expect("clusters and objects are named alike");
        let entity = Entity::cluster_scoped(cluster.clone(), EntityKind::Cluster, name);
        Self::new(&entity, verdict)
    }

    /// What stands.
    pub(crate) fn standing(
        cluster: &Cluster,
        orders: StandingOrders,
        reasons: Vec<Reason>,
    ) -> Self {
        Self {
            reasons,
            standing: Some(orders),
            ..Self::of_cluster(cluster, Verdict::Standing)
        }
    }

    /// About a proposal that was asked: a deny with it ends it.
    pub(crate) fn about_asked(digest: Digest, asked: &Asked, verdict: Verdict) -> Self {
        let words = Self::new(&asked.target.workload, verdict).incident(asked.incident);
        Self {
            action: Some(asked.action.kind()),
            proposal: Some(asked.proposal(digest)),
            actor: asked.requester.clone().unwrap_or_else(aegis),
            ..words
        }
    }

    /// The act that was considered; a yes to it counts until `expires`.
    pub(crate) fn act(
        mut self,
        action: &Action,
        target: &Target,
        policy: Digest,
        expires: Timestamp,
    ) -> Self {
        self.action = Some(action.kind());
        self.proposal = Some(Proposal {
            digest: proposals::digest(action, target, policy),
            action: action.clone(),
            target: target.clone(),
            expires,
        });
        self
    }

    pub(crate) const fn kind(mut self, action: ActionKind) -> Self {
        self.action = Some(action);
        self
    }

    pub(crate) const fn incident(mut self, incident: Option<IncidentId>) -> Self {
        self.incident = incident;
        self
    }

    pub(crate) fn by(mut self, actor: &Actor) -> Self {
        self.actor = actor.clone();
        self
    }

    pub(crate) fn because(mut self, policy: &str, text: impl Into<String>) -> Self {
        self.reasons.push(Reason {
            policy: policy.to_owned(),
            text: text.into(),
        });
        self
    }

    pub(crate) fn reasons(mut self, reasons: Vec<Reason>) -> Self {
        self.reasons.extend(reasons);
        self
    }

    pub(crate) fn flip(mut self, flip: impl Into<String>) -> Self {
        self.flip = Some(flip.into());
        self
    }

    /// All that a ruling says.
    pub(crate) fn ruled(mut self, ruling: &Ruling) -> Self {
        self.reasons.extend(ruling.reasons());
        self.flip = ruling.flip();
        self.would_allow = ruling.would_allow;
        self
    }
}

/// On whose behalf, when it is nobody's.
pub(crate) fn aegis() -> Actor {
    Actor {
        name: "aegis".to_owned(),
        roles: ["service".to_owned()].into(),
    }
}

/// Long texts are cut, so that a decision always fits its message.
pub(crate) fn cut(mut reasons: Vec<Reason>) -> Vec<Reason> {
    for reason in &mut reasons {
        if let Some((end, _)) = reason.text.char_indices().nth(MAX_TEXT) {
            reason.text.truncate(end);
            reason.text.push_str(" …");
        }
    }
    reasons
}

impl Core {
    /// Says a decision.
    pub(crate) fn say(&mut self, turn: &mut Turn<'_>, words: Words) {
        let subject = Subject::decision(words.verdict.as_str(), &words.about);
        let decision = Decision {
            decision: DecisionId(turn.emitter.next_id()),
            verdict: words.verdict,
            cause: turn.input.id,
            incident: words.incident,
            actor: words.actor,
            action: words.action,
            proposal: words.proposal,
            reasons: cut(words.reasons),
            flip: words.flip,
            would_allow: words.would_allow,
            policy: self.policy_digest(),
            standing: words.standing,
        };
        if turn
            .emitter
            .emit(subject, &Event::Decision(decision))
            .is_err()
        {
            self.stats.unsayable += 1;
        }
    }
}
