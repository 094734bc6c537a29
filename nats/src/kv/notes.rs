//! Small things that a service must not forget, beside its leases and snapshots.

use bytes::Bytes;

use super::store::Store;
use crate::topology::Bucket;
use crate::{Bus, Error};

/// The notes of one service, in the bucket `aegis_state` under `<service>.<name>.note`.
#[derive(Clone, Debug)]
pub struct Notes {
    store: Store,
    service: String,
}

impl Notes {
    /// Over that connection.
    #[must_use]
    pub fn new(bus: &Bus) -> Self {
        Self {
            store: Store::new(bus.clone(), Bucket::State),
            service: bus.service().as_str().to_owned(),
        }
    }

    /// What was noted last; `None` when nothing was.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub async fn read(&self, name: &str) -> Result<Option<Bytes>, Error> {
        let entry = self.store.get(&self.key(name)).await?;
        Ok(entry.map(|entry| entry.value))
    }

    /// Notes something, in place of what was noted before.
    ///
    /// # Errors
    ///
    /// When the server does not store it.
    pub async fn write(&self, name: &str, value: Bytes) -> Result<(), Error> {
        self.store.put(&self.key(name), value).await?;
        Ok(())
    }

    fn key(&self, name: &str) -> String {
        format!("{}.{name}.note", self.service)
    }
}
