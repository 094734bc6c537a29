//! The board in the buckets of the bus.

use std::time::{SystemTime, UNIX_EPOCH};

use aegis_nats::kv::{self, HaltState, Seen};
use aegis_nats::{Bus, Error};
use aegis_schemas::{Cluster, DecisionId, Digest, Timestamp, Warrant};

use super::{Board, Claim, Held, Past};

/// The board in the buckets of the bus, with the system's clock.
#[derive(Clone, Debug)]
pub struct NatsBoard {
    cluster: Cluster,
    claims: kv::Claims,
    past: kv::Past,
    halt: kv::Halt,
    health: kv::HealthBoard,
}

impl NatsBoard {
    /// The board of the executor of `cluster`.
    #[must_use]
    pub fn new(bus: &Bus, cluster: Cluster) -> Self {
        Self {
            claims: kv::Claims::new(bus),
            past: kv::Past::new(bus, &cluster),
            halt: kv::Halt::new(bus),
            health: kv::HealthBoard::new(bus),
            cluster,
        }
    }
}

impl Board for NatsBoard {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::EPOCH + since
    }

    async fn claim(&self, decision: DecisionId) -> Result<Option<Held>, Error> {
        let held = self.claims.get(decision).await?;
        held.map(|held| read(decision, held.revision, &held.value))
            .transpose()
    }

    async fn create_claim(&self, decision: DecisionId, claim: Claim) -> Result<Held, Error> {
        let value = rmp_serde::to_vec_named(&claim)?;
        match self.claims.create(decision, value.into()).await? {
            kv::Claim::Created(revision) => Ok(Held { revision, claim }),
            kv::Claim::Exists { revision, value } => read(decision, revision, &value),
        }
    }

    async fn update_claim(
        &self,
        decision: DecisionId,
        revision: u64,
        claim: Claim,
    ) -> Result<(), Error> {
        let value = rmp_serde::to_vec_named(&claim)?;
        self.claims.update(decision, revision, value.into()).await?;
        Ok(())
    }

    async fn past(&self, nonce: &Digest) -> Result<Past, Error> {
        let (latest, bearer) = futures::join!(self.past.latest(), self.past.bearer(nonce));
        Ok(Past {
            last_iat: latest?.unwrap_or_default(),
            nonce_of: bearer?,
        })
    }

    async fn remember(&self, warrant: &Warrant) -> Result<(), Error> {
        let (noted, borne) = futures::join!(
            self.past.note(warrant.iat),
            self.past.bear(&warrant.nonce, warrant.decision_id),
        );
        noted.and(borne)
    }

    async fn halt(&self) -> Result<Option<HaltState>, Error> {
        self.halt.read(&self.cluster).await
    }

    async fn audit(&self) -> Result<Option<Seen>, Error> {
        self.health.audit().await
    }
}

fn read(decision: DecisionId, revision: u64, value: &[u8]) -> Result<Held, Error> {
    let claim = rmp_serde::from_slice(value).map_err(|error| Error::Malformed {
        key: decision.to_string(),
        reason: error.to_string(),
    })?;
    Ok(Held { revision, claim })
}
