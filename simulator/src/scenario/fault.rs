//! Faults: what happens when, to whom, and what would be right.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Something that happens; harmless things included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "super::form::Raw", into = "super::form::Raw")]
pub struct Fault {
    /// Its name, unique in the scenario.
    pub name: String,
    /// When, from the start or from the end of `after`.
    pub at: Duration,
    /// How much later at most; the seed draws.
    pub jitter: Duration,
    /// The fault that must be healed (or over) before this one.
    pub after: Option<String>,
    /// The workload that it happens to, `namespace/name`.
    pub target: String,
    /// When it ends by itself.
    pub duration: Option<Duration>,
    /// What happens.
    pub effect: Effect,
    /// How to know that it is healed, and what was right.
    pub oracle: Oracle,
}

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Somebody changes the workload's image, environment or configuration.
    Deploy {
        /// The new image.
        image: Option<String>,
        /// New or changed environment.
        env: BTreeMap<String, String>,
        /// New or changed configuration.
        config: BTreeMap<String, String>,
        /// The new memory limit of a pod, a quantity.
        memory: Option<String>,
    },
    /// Pods lose memory until they are replaced.
    Leak {
        /// MiB per minute.
        mib_per_minute: Range,
        /// Which pods.
        pods: Which,
    },
    /// Requests become more (or fewer).
    Load {
        /// The multiple.
        factor: Range,
        /// How long it takes to get there.
        ramp: Duration,
    },
    /// Requests become more and normal again, time and again.
    Flap {
        /// The multiple.
        factor: Range,
        /// How long it is on.
        on: Duration,
        /// How long it is off.
        off: Duration,
    },
    /// Local state of pods is corrupt: they crash at each start until they are replaced.
    CorruptPod {
        /// Their exit code.
        exit_code: i32,
        /// Which pods.
        pods: Which,
    },
    /// Somebody scales the workload.
    ScaleTo {
        /// To so many.
        replicas: u32,
    },
    /// Its answers take longer.
    Slow {
        /// The multiple of the service time.
        factor: Range,
    },
    /// Its answers are errors.
    Errors {
        /// The share.
        ratio: Range,
    },
    /// Each request costs more CPU.
    CpuHog {
        /// The multiple.
        factor: Range,
    },
    /// Packets to and from its pods are lost.
    Loss {
        /// The share.
        ratio: Range,
        /// Whether they are lost at the pods' own interfaces, which count them.
        counted: bool,
    },
    /// Pods write to the disk of their node until they are replaced.
    Fill {
        /// MiB per minute.
        mib_per_minute: Range,
        /// Which pods.
        pods: Which,
    },
    /// Its pods need more memory, each again after a restart.
    Grow {
        /// The multiple of the memory that they need without requests.
        factor: Range,
        /// How long it takes to get there.
        ramp: Duration,
    },
    /// Nothing.
    None,
}

/// A number, or the two ends between which the seed draws.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Range {
    /// This number.
    Exactly(f64),
    /// Between the two.
    Between(f64, f64),
}

impl Range {
    /// The number at `unit` of 0 to 1.
    #[must_use]
    pub fn at(self, unit: f64) -> f64 {
        match self {
            Self::Exactly(value) => value,
            Self::Between(low, high) => low + (high - low) * unit,
        }
    }
}

/// Which pods of the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// One; the seed draws.
    #[default]
    One,
    /// All that there are.
    All,
}

/// What is right, as data. The condition itself is the same for all faults: pods as many and as ready
/// as before, none with a symptom, the root condition gone, for as long as `hold`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Oracle {
    /// The root entity, `namespace/name`; the target when left out.
    pub root: Option<String>,
    /// The failure's kind, as incidents name it.
    pub kind: String,
    /// The acts on the root that are right: `restart_pod`, `rollout_restart`, `scale`, `rollback`.
    pub right: Vec<String>,
    /// The tempting ones that are not; whatever is not right is wrong.
    pub wrong: Vec<String>,
    /// How many acts are right at most.
    pub most: Option<usize>,
    /// Whether nothing is to be healed: a peak, a good rollout.
    pub harmless: bool,
}

/// What a healer should make of a fault, for tests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// The fault.
    pub fault: String,
    /// The entity of the first cause, `namespace/name`.
    pub first_cause: String,
    /// The failure's kinds that are acceptable.
    pub kinds: Vec<String>,
    /// The acts that are acceptable, in any order.
    pub acts: Vec<String>,
    /// The verdicts on them that are acceptable.
    pub verdicts: Vec<String>,
}
