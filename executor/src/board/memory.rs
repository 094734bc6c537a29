//! The board in this process: for virtual time and for tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aegis_nats::Error;
use aegis_nats::kv::{HaltState, Health, Seen};
use aegis_schemas::{DecisionId, Digest, Timestamp, Warrant};

use super::{Board, Claim, Held, Past};

/// How long a claim is kept, as in the bucket.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// The board in this process; clones share it. The audit log keeps up unless it is said otherwise.
#[derive(Clone, Debug)]
pub struct MemoryBoard(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    now: Timestamp,
    claims: BTreeMap<DecisionId, (Timestamp, Held)>,
    nonces: BTreeMap<Digest, (Timestamp, DecisionId)>,
    last_iat: Timestamp,
    halt: Option<HaltState>,
    audit: Option<Seen>,
}

impl MemoryBoard {
    /// An empty board at `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        let health = Health {
            lag_seconds: 0.0,
            fill: 0.0,
            ..Health::default()
        };
        Self(Arc::new(Mutex::new(State {
            now,
            claims: BTreeMap::new(),
            nonces: BTreeMap::new(),
            last_iat: Timestamp::EPOCH,
            halt: None,
            audit: Some(Seen {
                health,
                age: Duration::ZERO,
            }),
        })))
    }

    /// Sets the clock; claims and nonces that are too old go.
    pub fn set_now(&self, now: Timestamp) {
        let mut state = self.state();
        state.now = now;
        state.claims.retain(|_, (made, _)| now.since(*made) < KEPT);
        state.nonces.retain(|_, (made, _)| now.since(*made) < KEPT);
    }

    /// Sets the kill switch.
    pub fn set_halt(&self, halt: Option<HaltState>) {
        self.state().halt = halt;
    }

    /// Sets what the audit sink said last.
    pub fn set_audit(&self, audit: Option<Seen>) {
        self.state().audit = audit;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board for MemoryBoard {
    fn now(&self) -> Timestamp {
        self.state().now
    }

    async fn claim(&self, decision: DecisionId) -> Result<Option<Held>, Error> {
        let state = self.state();
        Ok(state.claims.get(&decision).map(|(_, held)| held.clone()))
    }

    async fn create_claim(&self, decision: DecisionId, claim: Claim) -> Result<Held, Error> {
        let mut state = self.state();
        let now = state.now;
        let fresh = Held { revision: 1, claim };
        let (_, held) = state.claims.entry(decision).or_insert((now, fresh));
        Ok(held.clone())
    }

    async fn update_claim(
        &self,
        decision: DecisionId,
        revision: u64,
        claim: Claim,
    ) -> Result<(), Error> {
        match self.state().claims.get_mut(&decision) {
            Some((_, held)) if held.revision == revision => {
                held.revision += 1;
                held.claim = claim;
                Ok(())
            }
            _ => Err(Error::Conflict(decision.to_string())),
        }
    }

    async fn past(&self, nonce: &Digest) -> Result<Past, Error> {
        let state = self.state();
        Ok(Past {
            last_iat: state.last_iat,
            nonce_of: state.nonces.get(nonce).map(|(_, decision)| *decision),
        })
    }

    async fn remember(&self, warrant: &Warrant) -> Result<(), Error> {
        let mut state = self.state();
        state.last_iat = state.last_iat.max(warrant.iat);
        let now = state.now;
        let bearer = (now, warrant.decision_id);
        state.nonces.entry(warrant.nonce).or_insert(bearer);
        Ok(())
    }

    async fn halt(&self) -> Result<Option<HaltState>, Error> {
        Ok(self.state().halt)
    }

    async fn audit(&self) -> Result<Option<Seen>, Error> {
        Ok(self.state().audit)
    }
}
