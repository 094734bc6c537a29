//! What the executors of a cluster must not forget for a day, whoever of them runs: beside their claims.

use aegis_schemas::{Cluster, DecisionId, Digest, Timestamp};

use super::store::Store;
use crate::topology::{Bucket, token};
use crate::{Bus, Error};

/// The latest decision's time and the nonces of a cluster, kept for 24 hours.
#[derive(Clone, Debug)]
pub struct Past {
    store: Store,
    clock: String,
}

impl Past {
    /// Over that connection.
    #[must_use]
    pub fn new(bus: &Bus, cluster: &Cluster) -> Self {
        Self {
            store: Store::new(bus.clone(), Bucket::Exec),
            clock: format!("clock.{}", token(cluster.as_str())),
        }
    }

    /// The latest time that was noted; `None` when none was in the last day.
    ///
    /// # Errors
    ///
    /// When the server does not answer or the value is malformed.
    pub async fn latest(&self) -> Result<Option<Timestamp>, Error> {
        Ok(self.clock().await?.map(|(_, latest)| latest))
    }

    /// Notes that it is not before `time`; what is noted never goes back.
    ///
    /// # Errors
    ///
    /// As [`Past::latest`].
    pub async fn note(&self, time: Timestamp) -> Result<(), Error> {
        loop {
            let found = self.clock().await?;
            if found.is_some_and(|(_, latest)| latest >= time) {
                return Ok(());
            }
            let revision = found.map_or(0, |(revision, _)| revision);
            let value = rmp_serde::to_vec_named(&time)?;
            match self.store.update(&self.clock, revision, value.into()).await {
                Err(Error::Conflict(_)) => {}
                result => return result.map(|_| ()),
            }
        }
    }

    /// Which decision carried that nonce first, if any did in the last day.
    ///
    /// # Errors
    ///
    /// As [`Past::latest`].
    pub async fn bearer(&self, nonce: &Digest) -> Result<Option<DecisionId>, Error> {
        let key = nonce_key(nonce);
        match self.store.get(&key).await? {
            Some(entry) => read(&key, &entry.value).map(Some),
            None => Ok(None),
        }
    }

    /// Notes that `decision` carries that nonce, unless another one did before.
    ///
    /// # Errors
    ///
    /// When the server does not store it.
    pub async fn bear(&self, nonce: &Digest, decision: DecisionId) -> Result<(), Error> {
        let value = rmp_serde::to_vec_named(&decision)?;
        let created = self.store.create(&nonce_key(nonce), value.into()).await;
        created.map(|_| ())
    }

    async fn clock(&self) -> Result<Option<(u64, Timestamp)>, Error> {
        match self.store.get(&self.clock).await? {
            Some(entry) => Ok(Some((entry.revision, read(&self.clock, &entry.value)?))),
            None => Ok(None),
        }
    }
}

fn nonce_key(nonce: &Digest) -> String {
    format!("nonce.{nonce}")
}

fn read<T: serde::de::DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, Error> {
    rmp_serde::from_slice(value).map_err(|error| Error::Malformed {
        key: key.to_owned(),
        reason: error.to_string(),
    })
}
