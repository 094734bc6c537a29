//! How far behind each service is: no audit, no action.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aegis_schemas::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::store::Store;
use crate::topology::Bucket;
use crate::{Bus, Error, Service};

/// How many acts policy's limits leave the cluster, each with how many there are in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActsLeft {
    /// In the rate limit's window without a person's yes.
    pub rate: (u32, u32),
    /// At once.
    pub at_once: (u32, u32),
    /// While one lasts, nothing is done without people, whatever is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storm: Option<Storm>,
}

/// So much is wrong at once that policy leaves it to people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storm {
    /// Since when, stream time.
    pub since: Timestamp,
    /// How many workloads fell sick together at its worst, and of how many; none if they made no storm.
    pub workloads: Option<(u32, u32)>,
    /// How many nodes were not ready at its worst, and of how many; none if they made no storm.
    pub nodes: Option<(u32, u32)>,
}

impl fmt::Display for Storm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((sick, of)) = self.workloads {
            write!(f, "{sick} of {of} workloads fell sick together")?;
        }
        if self.workloads.is_some() && self.nodes.is_some() {
            f.write_str(", ")?;
        }
        if let Some((failed, of)) = self.nodes {
            write!(f, "{failed} of {of} nodes were not ready")?;
        }
        Ok(())
    }
}

/// What a service says of itself, every five seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// The age of the oldest message that it has not handled, in seconds.
    pub lag_seconds: f64,
    /// What it has not handled as a share of what the stream may hold, 0 to 1.
    pub fill: f64,
    /// What policy alone says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acts_left: Option<ActsLeft>,
}

impl Health {
    /// A stream lost messages: what is not on record will never be.
    pub const DAMAGED: Self = Self {
        lag_seconds: f64::INFINITY,
        fill: 1.0,
        acts_left: None,
    };

    /// Whether a stream lost messages.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.lag_seconds == f64::INFINITY
    }
}

/// A health and how old it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// What was said.
    pub health: Health,
    /// How long ago.
    pub age: Duration,
}

/// Where services say how far behind they are.
#[derive(Clone, Debug)]
pub struct HealthBoard {
    store: Store,
    own: String,
    last: Arc<Mutex<BTreeMap<Service, (u64, Instant)>>>,
}

impl HealthBoard {
    /// Over that connection.
    #[must_use]
    pub fn new(bus: &Bus) -> Self {
        Self {
            store: Store::new(bus.clone(), Bucket::Health),
            own: bus.service().as_str().to_owned(),
            last: Arc::default(),
        }
    }

    /// Says how far behind this service is.
    ///
    /// # Errors
    ///
    /// When the server does not store it.
    pub async fn write(&self, health: Health) -> Result<(), Error> {
        let value = rmp_serde::to_vec_named(&health)?;
        self.store.put(&self.own, value.into()).await?;
        Ok(())
    }

    /// What the audit sink said last; `None` when it never said anything.
    ///
    /// # Errors
    ///
    /// As [`HealthBoard::of`].
    pub async fn audit(&self) -> Result<Option<Seen>, Error> {
        self.of(&Service::AuditSink).await
    }

    /// What `service` said last; `None` when it never said anything.
    ///
    /// # Errors
    ///
    /// When the server does not answer or the value is malformed.
    pub async fn of(&self, service: &Service) -> Result<Option<Seen>, Error> {
        let key = service.as_str();
        let Some(entry) = self.store.get(key).await? else {
            return Ok(None);
        };
        let health = rmp_serde::from_slice(&entry.value).map_err(|error| Error::Malformed {
            key: key.to_owned(),
            reason: error.to_string(),
        })?;
        let mut last = self.last.lock().await;
        // A value that is new to this process has the age that the wall clocks say: whoever reads seldom,
        // or from a server that was cut off, must not take it for fresh. From then on our own clock counts.
        let begun = match last.get(service) {
            Some(&(revision, since)) if revision == entry.revision => since,
            _ => {
                let wall = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                let stored = u64::try_from(entry.time.as_nanos()).unwrap_or(0);
                let age = wall.saturating_sub(Duration::from_nanos(stored));
                let now = Instant::now();
                now.checked_sub(age).unwrap_or(now)
            }
        };
        last.insert(service.clone(), (entry.revision, begun));
        Ok(Some(Seen {
            health,
            age: begun.elapsed(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_said_with_what_made_it_one() {
        let (workloads, nodes) = (Some((14, 40)), Some((3, 6)));
        for (workloads, nodes, said) in [
            (workloads, None, "14 of 40 workloads fell sick together"),
            (None, nodes, "3 of 6 nodes were not ready"),
            (
                workloads,
                nodes,
                "14 of 40 workloads fell sick together, 3 of 6 nodes were not ready",
            ),
        ] {
            let storm = Storm {
                since: Timestamp::EPOCH,
                workloads,
                nodes,
            };
            assert_eq!(storm.to_string(), said);
        }
    }

    #[test]
    fn what_policies_of_before_say_is_read() {
        #[derive(Serialize)]
        struct Before {
            rate: (u32, u32),
            at_once: (u32, u32),
        }
        let before = Before {
            rate: (1, 20),
            at_once: (2, 5),
        };
        let bytes = rmp_serde::to_vec_named(&before).expect("plain data");
        let read: ActsLeft = rmp_serde::from_slice(&bytes).expect("its fields are all there");
        assert_eq!((read.rate, read.storm), ((1, 20), None));
    }
}
