//! Whoever sits in policy's place on the bus: with its key they are policy, without it they forge.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aegis_nats::{Bus, Service, StreamInfo};
use aegis_schemas::header::Meta;
use aegis_schemas::signature::{ALGORITHM, DECISION_TYPE, Envelope, Key};
use aegis_schemas::{
    Action, Actor, Blast, DecisionId, Digest, EventId, Kind, Stream, Subject, Target, Timestamp,
    Warrant, WarrantTarget,
};
use anyhow::{Context, Result};

use crate::Stack;
use crate::forge::{encoded, home};

/// How long a decision is valid.
const LIFETIME: Duration = Duration::from_secs(60);
/// How long the server may take to store a message.
const SOON: Duration = Duration::from_secs(30);

/// The wall clock.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp::EPOCH + since.unwrap_or_default()
}

/// Somebody with policy's place on the bus and the installation's signing key.
#[derive(Debug)]
pub struct Policy {
    bus: Bus,
    key: Key,
    cluster_uid: String,
    made: u64,
    fence: u64,
}

impl Policy {
    /// Takes policy's seed and key out of the installation's folder.
    ///
    /// # Errors
    ///
    /// When they cannot be read, or a server does not answer.
    pub async fn of(stack: &Stack) -> Result<Self> {
        let file = stack.installation().join(&stack.config().policy.keys_file);
        Ok(Self {
            bus: stack.bus(Service::Policy).await?,
            key: signing_key(&file)?,
            cluster_uid: stack.uid("/api/v1/namespaces/kube-system").await?,
            made: 0,
            fence: 0,
        })
    }

    /// The key that decisions are signed with.
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// A decision as policy would make it now, for one act: every rule allows it.
    ///
    /// # Errors
    ///
    /// When the bus does not answer.
    pub async fn decide(&mut self, target: Target, action: Action) -> Result<Warrant> {
        let StreamInfo {
            epoch, last_seq, ..
        } = self.bus.stream_info(Stream::Events).await?;
        self.made += 1;
        // The message that is there last is the cause; no two decisions have one fence.
        self.fence = Warrant::fence(epoch, last_seq).max(self.fence + 1);
        let cause = EventId::of_content("e2e/cause", &self.made.to_be_bytes());
        let iat = now();
        Ok(Warrant {
            v: Warrant::VERSION,
            decision_id: DecisionId(EventId::derive("policy", cause, 0)),
            nonce: Digest::of(cause.as_bytes()),
            issuer: "policy/demo".to_owned(),
            audience: aegis_executor::accept::audience(&self.cluster_uid),
            kid: self.key.kid().to_owned(),
            alg: ALGORITHM.to_owned(),
            iat,
            nbf: iat,
            exp: iat + LIFETIME,
            cause,
            incident: None,
            undo_of: None,
            actor: Actor {
                name: "aegis".to_owned(),
                roles: std::iter::once("service".to_owned()).collect(),
            },
            policy_hash: Digest::of(b"policy"),
            target: WarrantTarget {
                cluster_uid: self.cluster_uid.clone(),
                object: target,
            },
            action,
            fence: self.fence,
            max_blast: Blast { pods: 1, of: 3 },
            approvals: Vec::new(),
            reasons: Vec::new(),
        })
    }

    /// A decision with its signature.
    #[must_use]
    pub fn envelope(&self, warrant: &Warrant) -> Envelope {
        Envelope::sign(DECISION_TYPE, encoded(warrant), &self.key)
    }

    /// The bytes of a decision with its signature.
    #[must_use]
    pub fn sign(&self, warrant: &Warrant) -> Vec<u8> {
        encoded(&self.envelope(warrant))
    }

    /// Puts bytes where decisions are; answers their sequence in AEGIS_EVENTS.
    ///
    /// # Errors
    ///
    /// When the server does not store them.
    pub async fn publish(&mut self, subject: &Subject, body: Vec<u8>) -> Result<u64> {
        // Every time another message, also with the same bytes.
        self.made += 1;
        let meta = Meta {
            id: EventId::of_content("e2e/message", &self.made.to_be_bytes()),
            kind: Kind::Warrant.as_str().to_owned(),
            source: "policy/demo".to_owned(),
            time: now(),
            cause: None,
            origin: None,
            traceparent: None,
        };
        let publisher = self.bus.publisher();
        let stored = publisher
            .publish(subject, &meta, body.into(), Some(SOON))
            .await?;
        Ok(stored.seq)
    }

    /// Signs a decision and puts it where it belongs; answers its sequence in AEGIS_EVENTS.
    ///
    /// # Errors
    ///
    /// When the server does not store it.
    pub async fn say(&mut self, warrant: &Warrant) -> Result<u64> {
        self.publish(&home(warrant), self.sign(warrant)).await
    }
}

fn signing_key(file: &Path) -> Result<Key> {
    let keys = aegis::keys::read(file)?;
    let active = keys.keyring().get(keys.active()).cloned();
    active.context("the key file has no active key")
}
