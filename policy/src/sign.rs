//! Signs an allow: a warrant for exactly one effect, all of it following from the log.

use aegis_schemas::signature::{ALGORITHM, DECISION_TYPE, Envelope, Key, MAX_ENVELOPE};
use aegis_schemas::{
    Action, Actor, Approval, Blast, DecisionId, Digest, Event, FailureKind, IncidentId, Reason,
    Subject, Target, Warrant, WarrantTarget, codec,
};

use crate::acts::{Act, Phase};
use crate::core::{Core, Turn};
use crate::objection::Objection;
use crate::say::cut;

/// What is to be signed.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) incident: Option<IncidentId>,
    pub(crate) failure: Option<FailureKind>,
    pub(crate) undo_of: Option<DecisionId>,
    pub(crate) actor: Actor,
    pub(crate) action: Action,
    pub(crate) target: Target,
    pub(crate) at_risk: u32,
    pub(crate) by_person: bool,
    pub(crate) approvals: Vec<Approval>,
    pub(crate) reasons: Vec<Reason>,
}

impl Core {
    /// Signs, says and remembers an act.
    pub(crate) fn grant(&mut self, turn: &mut Turn<'_>, grant: Grant) -> Result<(), Objection> {
        let warrant = self.warrant(turn, &grant)?;
        let decision = warrant.decision_id;
        let keyring = self.keys.keyring();
        let key = keyring
            .get(&warrant.kid)
            .ok_or_else(|| no_key(&warrant.kid))?;
        let envelope = codec::encode(&warrant)
            .map(|payload| Envelope::sign(DECISION_TYPE, payload, key))
            .map_err(|error| too_large(&error.to_string()))?;
        let event = Event::Warrant(envelope);
        let size = event.encode().map_or(usize::MAX, |bytes| bytes.len());
        if size > MAX_ENVELOPE {
            return Err(too_large(&format!("more than {MAX_ENVELOPE} bytes")));
        }
        let subject = Subject::decision("allow", &grant.target.workload);
        turn.emitter
            .emit(subject, &event)
            .map_err(|error| too_large(&error.to_string()))?;
        self.state.acts.push(Act {
            decision,
            incident: grant.incident,
            failure: grant.failure,
            action: grant.action,
            target: grant.target,
            decided: self.state.now,
            by_person: grant.by_person,
            at_risk: grant.at_risk,
            undo_of: grant.undo_of,
            undone_by: None,
            phase: Phase::Signed,
            verdict: None,
        });
        Ok(())
    }

    fn warrant(&self, turn: &Turn<'_>, grant: &Grant) -> Result<Warrant, Objection> {
        let identity = &self.state.identity;
        let (Some(epoch), Some(cluster_uid)) = (identity.epoch, identity.cluster_uid.clone())
        else {
            return Err(Objection::deny(
                "identity",
                "the epoch of the stream and the UID of the cluster are not on the record",
                "run `aegis provision`",
            ));
        };
        let keyring = self.keys.keyring();
        let kid = self.signing_key();
        let key: &Key = keyring.get(kid).ok_or_else(|| no_key(kid))?;
        let input = turn.input;
        let id = turn.emitter.next_id();
        let nonce = key.derive(
            "aegis/warrant-nonce/v1",
            &[input.id.as_bytes(), id.as_bytes()],
        );
        let workload = self.state.world.workloads.get(&grant.target.workload);
        let now = self.state.now;
        Ok(Warrant {
            v: Warrant::VERSION,
            decision_id: DecisionId(id),
            nonce: Digest::from_bytes(nonce),
            issuer: self.producer.clone(),
            audience: format!("aegis-executor/{cluster_uid}"),
            kid: kid.to_owned(),
            alg: ALGORITHM.to_owned(),
            iat: now,
            nbf: now,
            exp: now + self.rules.settings().warrant_lifetime.0,
            cause: input.id,
            incident: grant.incident,
            undo_of: grant.undo_of,
            actor: grant.actor.clone(),
            policy_hash: self.policy_digest(),
            target: WarrantTarget {
                cluster_uid,
                object: grant.target.clone(),
            },
            action: grant.action.clone(),
            fence: Warrant::fence(epoch, input.seq),
            max_blast: Blast {
                pods: grant.at_risk,
                of: workload.map_or(0, crate::world::Workload::pods),
            },
            approvals: grant.approvals.clone(),
            reasons: cut(grant.reasons.clone()),
        })
    }

    /// The key that the policy set names, or else the active one.
    fn signing_key(&self) -> &str {
        self.rules
            .settings()
            .signing_key
            .as_deref()
            .unwrap_or_else(|| self.keys.active())
    }
}

fn no_key(kid: &str) -> Objection {
    let text = format!("the key `{kid}` that the policy set signs with is not in the key file");
    Objection::deny(
        "signing-key",
        text,
        "add the key, or name another in `settings.toml`",
    )
}

fn too_large(why: &str) -> Objection {
    let text = format!("the signed decision would be too large: {why}");
    Objection::deny("too-large", text, "a person does it")
}
