//! When each source last delivered.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use aegis_schemas::Timestamp;

/// When each source last delivered, for the heartbeat.
#[derive(Debug, Default)]
pub(crate) struct Lives(Mutex<BTreeMap<String, Timestamp>>);

impl Lives {
    /// A source delivered.
    pub(crate) fn delivered(&self, source: &str, at: Timestamp) {
        let mut lives = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match lives.get_mut(source) {
            Some(last) => *last = at.max(*last),
            None => {
                lives.insert(source.to_owned(), at);
            }
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> BTreeMap<String, Timestamp> {
        let lives = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lives.clone()
    }
}
