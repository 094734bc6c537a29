//! Who uses the bus.

use std::fmt;

/// A user of the bus: each has its own key and its own permissions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Sources in.
    Ingest,
    /// The scorer and the incident core.
    Detector,
    /// The policy core.
    Policy,
    /// Acts on Kubernetes.
    Executor,
    /// Keeps the record.
    AuditSink,
    /// People in.
    Gateway,
    /// Tells people.
    Notify,
    /// Looks, changes nothing.
    Doctor,
    /// Makes streams and consumers.
    Provisioner,
    /// Another system that hands in on AEGIS_INTAKE, by name.
    Publisher(String),
}

impl Service {
    /// Every service of Aegis itself.
    pub const ALL: [Self; 9] = [
        Self::Ingest,
        Self::Detector,
        Self::Policy,
        Self::Executor,
        Self::AuditSink,
        Self::Gateway,
        Self::Notify,
        Self::Doctor,
        Self::Provisioner,
    ];

    /// The name in subjects, keys and inboxes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ingest => "ingest",
            Self::Detector => "detector",
            Self::Policy => "policy",
            Self::Executor => "executor",
            Self::AuditSink => "audit-sink",
            Self::Gateway => "gateway",
            Self::Notify => "notify",
            Self::Doctor => "doctor",
            Self::Provisioner => "provisioner",
            Self::Publisher(name) => name,
        }
    }

    /// Where answers to this user's requests arrive; it may subscribe nothing else.
    #[must_use]
    pub fn inbox(&self) -> String {
        format!("_INBOX_{}", self.as_str())
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
