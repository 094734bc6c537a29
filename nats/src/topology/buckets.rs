//! The key-value buckets. Each is a stream `KV_<bucket>` on the subjects `$KV.<bucket>.<key>`.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy};

use super::{Settings, streams};

/// A key-value bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bucket {
    /// Leases and snapshots.
    State,
    /// The kill switch, a key per cluster.
    Halt,
    /// Claims of decisions by executors, for 24 h.
    Exec,
    /// How far behind each service is.
    Health,
    /// What people were told, a key for each incident.
    Notify,
}

impl Bucket {
    /// Every bucket.
    pub const ALL: [Self; 5] = [
        Self::State,
        Self::Halt,
        Self::Exec,
        Self::Health,
        Self::Notify,
    ];

    /// The bucket's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::State => "aegis_state",
            Self::Halt => "aegis_halt",
            Self::Exec => "aegis_exec",
            Self::Health => "aegis_health",
            Self::Notify => "aegis_notify",
        }
    }

    /// The name of the stream that keeps it.
    #[must_use]
    pub fn stream(self) -> String {
        format!("KV_{}", self.name())
    }

    /// The subject of `key`.
    #[must_use]
    pub fn subject(self, key: &str) -> String {
        format!("$KV.{}.{key}", self.name())
    }

    /// Whether reads may be answered by a replica, which knows less than the leader when it is cut off.
    /// The kill switch may not look off when it is on.
    #[must_use]
    pub(crate) const fn any_replica_answers(self) -> bool {
        !matches!(self, Self::Halt)
    }

    /// What the bucket's stream shall be. The streams leave 4 % of the storage to the buckets.
    #[must_use]
    pub fn declaration(self, settings: &Settings) -> Config {
        let (permille, max_age) = match self {
            Self::State => (26, Duration::ZERO),
            Self::Exec => (10, Duration::from_secs(24 * 60 * 60)),
            Self::Halt | Self::Health => (1, Duration::ZERO),
            Self::Notify => (2, Duration::from_secs(30 * 24 * 60 * 60)),
        };
        let base = streams::base(settings);
        let discard = match self {
            // An incident of long ago that is forgotten is told once more; one of now must be told.
            Self::Notify => DiscardPolicy::Old,
            _ => base.discard,
        };
        Config {
            name: self.stream(),
            subjects: vec![self.subject(">")],
            max_messages_per_subject: 1,
            max_bytes: streams::share(settings, permille),
            max_age,
            duplicate_window: Duration::from_secs(120),
            allow_direct: self.any_replica_answers(),
            // Chunks of old snapshots are replaced by a marker that removes itself.
            allow_message_ttl: matches!(self, Self::State),
            discard,
            ..base
        }
    }
}
