//! Claims of decisions: they save work, safety never rests on them.

use aegis_schemas::DecisionId;
use bytes::Bytes;

use super::store::Store;
use crate::topology::Bucket;
use crate::{Bus, Error};

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is ours, at that revision.
    Created(u64),
    /// Somebody had claimed it before.
    Exists {
        /// Its revision.
        revision: u64,
        /// What they wrote.
        value: Bytes,
    },
}

/// A claim as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its revision.
    pub revision: u64,
    /// What was written.
    pub value: Bytes,
}

/// The claims, a key per decision, kept for 24 hours.
#[derive(Clone, Debug)]
pub struct Claims(Store);

impl Claims {
    /// Over that connection.
    #[must_use]
    pub fn new(bus: &Bus) -> Self {
        Self(Store::new(bus.clone(), Bucket::Exec))
    }

    /// Claims a decision, unless it is claimed.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub async fn create(&self, decision: DecisionId, value: Bytes) -> Result<Claim, Error> {
        let key = decision.to_string();
        loop {
            if let Some(revision) = self.0.create(&key, value.clone()).await? {
                return Ok(Claim::Created(revision));
            }
            // It may expire between the two requests; then claim again.
            if let Some(entry) = self.0.get(&key).await? {
                return Ok(Claim::Exists {
                    revision: entry.revision,
                    value: entry.value,
                });
            }
        }
    }

    /// Writes the claim anew, if it still is at `revision`.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] when somebody wrote it since; else when the server does not answer.
    pub async fn update(
        &self,
        decision: DecisionId,
        revision: u64,
        value: Bytes,
    ) -> Result<u64, Error> {
        self.0.update(&decision.to_string(), revision, value).await
    }

    /// The claim, if there is one.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub async fn get(&self, decision: DecisionId) -> Result<Option<Held>, Error> {
        let entry = self.0.get(&decision.to_string()).await?;
        Ok(entry.map(|entry| Held {
            revision: entry.revision,
            value: entry.value,
        }))
    }
}
