//! The board in the buckets of the bus.

use std::time::{SystemTime, UNIX_EPOCH};

use aegis_nats::kv::{self, HaltState, Seen};
use aegis_nats::{Bus, Error};
use aegis_schemas::{Cluster, DecisionId, Timestamp};

use super::{Board, Claim, Held};

/// The board in the buckets of the bus, with the system's clock.
#[derive(Clone, Debug)]
pub struct NatsBoard {
    cluster: Cluster,
    claims: kv::Claims,
    halt: kv::Halt,
    health: kv::HealthBoard,
}

impl NatsBoard {
    /// The board of the executor of `cluster`.
    #[must_use]
    pub fn new(bus: &Bus, cluster: Cluster) -> Self {
        Self {
            cluster,
            claims: kv::Claims::new(bus),
            halt: kv::Halt::new(bus),
            health: kv::HealthBoard::new(bus),
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
