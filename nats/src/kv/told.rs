//! What people were told, so that a restart or a second replica does not tell it again.

use bytes::Bytes;

use super::claims::Held;
use super::store::Store;
use crate::topology::Bucket;
use crate::{Bus, Error};

/// The bucket `aegis_notify`: a value for each thing that people are told of, kept for 30 days after its
/// last change, the oldest given up first.
#[derive(Clone, Debug)]
pub struct Told(Store);

impl Told {
    /// Over that connection.
    #[must_use]
    pub fn new(bus: &Bus) -> Self {
        Self(Store::new(bus.clone(), Bucket::Notify))
    }

    /// What is noted under `key`; `None` when nothing is.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub async fn read(&self, key: &str) -> Result<Option<Held>, Error> {
        let entry = self.0.get(key).await?;
        Ok(entry.map(|entry| Held {
            revision: entry.revision,
            value: entry.value,
        }))
    }

    /// Notes `value`, if the key still is at `revision` (0: was never set).
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] when somebody wrote it since; else when the server does not store it.
    pub async fn write(&self, key: &str, revision: u64, value: Bytes) -> Result<u64, Error> {
        self.0.update(key, revision, value).await
    }
}
