//! The kill switch.

use aegis_schemas::Cluster;
use serde::{Deserialize, Serialize};

use super::store::Store;
use crate::topology::{Bucket, token};
use crate::{Bus, Error};

/// What the kill switch of a cluster says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HaltState {
    /// The fence of the command that set it: decisions below it stay void after a resume.
    pub fence: u64,
    /// Whether acts are halted.
    pub on: bool,
}

/// The kill switches, a key per cluster.
#[derive(Clone, Debug)]
pub struct Halt(Store);

impl Halt {
    /// Over that connection.
    #[must_use]
    pub fn new(bus: &Bus) -> Self {
        Self(Store::new(bus.clone(), Bucket::Halt))
    }

    /// What the switch says now, read from the leader each time; `None` when it was never used.
    ///
    /// # Errors
    ///
    /// When the server does not answer or the value is malformed: then nobody may act.
    pub async fn read(&self, cluster: &Cluster) -> Result<Option<HaltState>, Error> {
        let key = token(cluster.as_str());
        let Some(entry) = self.0.get(&key).await? else {
            return Ok(None);
        };
        let state = rmp_serde::from_slice(&entry.value).map_err(|error| Error::Malformed {
            key,
            reason: error.to_string(),
        })?;
        Ok(Some(state))
    }

    /// Sets the switch.
    ///
    /// # Errors
    ///
    /// When the server does not store it.
    pub async fn write(&self, cluster: &Cluster, state: HaltState) -> Result<(), Error> {
        let value = rmp_serde::to_vec_named(&state)?;
        self.0.put(&token(cluster.as_str()), value.into()).await?;
        Ok(())
    }
}
