//! Faults: what happens when, to whom, and what would be right.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::{optional, required as friendly};
use serde::{Deserialize, Serialize};

/// Something that happens; harmless things included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
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

/// The file's form: all parameters side by side.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    #[serde(with = "friendly", default)]
    at: Duration,
    #[serde(with = "friendly", default)]
    jitter: Duration,
    #[serde(default)]
    after: Option<String>,
    kind: String,
    target: String,
    #[serde(with = "optional", default)]
    duration: Option<Duration>,
    #[serde(default)]
    oracle: Oracle,
    #[serde(default)]
    image: Option<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    config: BTreeMap<String, String>,
    #[serde(default)]
    mib_per_minute: Option<Range>,
    #[serde(default)]
    pods: Option<Which>,
    #[serde(default)]
    factor: Option<Range>,
    #[serde(default)]
    ratio: Option<Range>,
    #[serde(with = "optional", default)]
    ramp: Option<Duration>,
    #[serde(with = "optional", default)]
    on: Option<Duration>,
    #[serde(with = "optional", default)]
    off: Option<Duration>,
    #[serde(default)]
    exit_code: Option<i32>,
    #[serde(default)]
    replicas: Option<u32>,
}

impl Raw {
    /// The parameters that are set.
    fn given(&self) -> Vec<&'static str> {
        [
            ("image", self.image.is_some()),
            ("env", !self.env.is_empty()),
            ("config", !self.config.is_empty()),
            ("mib_per_minute", self.mib_per_minute.is_some()),
            ("pods", self.pods.is_some()),
            ("factor", self.factor.is_some()),
            ("ratio", self.ratio.is_some()),
            ("ramp", self.ramp.is_some()),
            ("on", self.on.is_some()),
            ("off", self.off.is_some()),
            ("exit_code", self.exit_code.is_some()),
            ("replicas", self.replicas.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, given)| given.then_some(key))
        .collect()
    }

    /// The parameter, which this kind of fault needs.
    fn need<T>(&self, key: &str, value: Option<T>) -> Result<T, String> {
        let Self { name, kind, .. } = self;
        value.ok_or_else(|| format!("fault `{name}` of kind `{kind}` needs `{key}`"))
    }
}

impl TryFrom<Raw> for Fault {
    type Error = String;

    fn try_from(raw: Raw) -> Result<Self, String> {
        let pods = raw.pods.unwrap_or_default();
        let (effect, takes): (Effect, &[&str]) = match raw.kind.as_str() {
            "deploy" => {
                if raw.image.is_none() && raw.env.is_empty() && raw.config.is_empty() {
                    raw.need("image`, `env` or `config", None::<()>)?;
                }
                let effect = Effect::Deploy {
                    image: raw.image.clone(),
                    env: raw.env.clone(),
                    config: raw.config.clone(),
                };
                (effect, &["image", "env", "config"])
            }
            "leak" => {
                let mib_per_minute = raw.need("mib_per_minute", raw.mib_per_minute)?;
                let effect = Effect::Leak {
                    mib_per_minute,
                    pods,
                };
                (effect, &["mib_per_minute", "pods"])
            }
            "load" => {
                let factor = raw.need("factor", raw.factor)?;
                let ramp = raw.ramp.unwrap_or_default();
                (Effect::Load { factor, ramp }, &["factor", "ramp"])
            }
            "flap" => {
                let factor = raw.need("factor", raw.factor)?;
                let on = raw.need("on", raw.on)?;
                let off = raw.need("off", raw.off)?;
                (Effect::Flap { factor, on, off }, &["factor", "on", "off"])
            }
            "corrupt_pod" => {
                let exit_code = raw.exit_code.unwrap_or(1);
                let effect = Effect::CorruptPod { exit_code, pods };
                (effect, &["exit_code", "pods"])
            }
            "scale_to" => {
                let replicas = raw.need("replicas", raw.replicas)?;
                (Effect::ScaleTo { replicas }, &["replicas"])
            }
            "slow" => {
                let factor = raw.need("factor", raw.factor)?;
                (Effect::Slow { factor }, &["factor"])
            }
            "errors" => {
                let ratio = raw.need("ratio", raw.ratio)?;
                (Effect::Errors { ratio }, &["ratio"])
            }
            "cpu_hog" => {
                let factor = raw.need("factor", raw.factor)?;
                (Effect::CpuHog { factor }, &["factor"])
            }
            "none" => (Effect::None, &[]),
            other => {
                return Err(format!(
                    "fault `{}` has the unknown kind `{other}`; kinds are deploy, leak, load, flap, \
                     corrupt_pod, scale_to, slow, errors, cpu_hog, none",
                    raw.name
                ));
            }
        };
        if let Some(key) = raw.given().into_iter().find(|key| !takes.contains(key)) {
            let Raw { name, kind, .. } = &raw;
            return Err(format!("fault `{name}` of kind `{kind}` has no `{key}`"));
        }
        Ok(Self {
            name: raw.name,
            at: raw.at,
            jitter: raw.jitter,
            after: raw.after,
            target: raw.target,
            duration: raw.duration,
            effect,
            oracle: raw.oracle,
        })
    }
}

impl From<Fault> for Raw {
    fn from(fault: Fault) -> Self {
        let mut raw = Self {
            name: fault.name,
            at: fault.at,
            jitter: fault.jitter,
            after: fault.after,
            target: fault.target,
            duration: fault.duration,
            oracle: fault.oracle,
            ..Self::default()
        };
        let kind = match fault.effect {
            Effect::Deploy { image, env, config } => {
                (raw.image, raw.env, raw.config) = (image, env, config);
                "deploy"
            }
            Effect::Leak {
                mib_per_minute,
                pods,
            } => {
                (raw.mib_per_minute, raw.pods) = (Some(mib_per_minute), Some(pods));
                "leak"
            }
            Effect::Load { factor, ramp } => {
                (raw.factor, raw.ramp) = (Some(factor), Some(ramp));
                "load"
            }
            Effect::Flap { factor, on, off } => {
                (raw.factor, raw.on, raw.off) = (Some(factor), Some(on), Some(off));
                "flap"
            }
            Effect::CorruptPod { exit_code, pods } => {
                (raw.exit_code, raw.pods) = (Some(exit_code), Some(pods));
                "corrupt_pod"
            }
            Effect::ScaleTo { replicas } => {
                raw.replicas = Some(replicas);
                "scale_to"
            }
            Effect::Slow { factor } => {
                raw.factor = Some(factor);
                "slow"
            }
            Effect::Errors { ratio } => {
                raw.ratio = Some(ratio);
                "errors"
            }
            Effect::CpuHog { factor } => {
                raw.factor = Some(factor);
                "cpu_hog"
            }
            Effect::None => "none",
        };
        kind.clone_into(&mut raw.kind);
        raw
    }
}
