//! The form that a fault has in a file, and how it becomes one.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::{optional, required as friendly};
use serde::{Deserialize, Serialize};

use super::fault::{Effect, Fault, Oracle, Range, Which};

/// The file's form: all parameters side by side.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
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
    #[serde(default)]
    memory: Option<String>,
    #[serde(default)]
    counted: Option<bool>,
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
            ("memory", self.memory.is_some()),
            ("counted", self.counted.is_some()),
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
                if raw.image.is_none()
                    && raw.env.is_empty()
                    && raw.config.is_empty()
                    && raw.memory.is_none()
                {
                    raw.need("image`, `env`, `config` or `memory", None::<()>)?;
                }
                let effect = Effect::Deploy {
                    image: raw.image.clone(),
                    env: raw.env.clone(),
                    config: raw.config.clone(),
                    memory: raw.memory.clone(),
                };
                (effect, &["image", "env", "config", "memory"])
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
            "loss" => {
                let ratio = raw.need("ratio", raw.ratio)?;
                let counted = raw.counted.unwrap_or(true);
                (Effect::Loss { ratio, counted }, &["ratio", "counted"])
            }
            "fill" => {
                let mib_per_minute = raw.need("mib_per_minute", raw.mib_per_minute)?;
                let effect = Effect::Fill {
                    mib_per_minute,
                    pods,
                };
                (effect, &["mib_per_minute", "pods"])
            }
            "grow" => {
                let factor = raw.need("factor", raw.factor)?;
                let ramp = raw.ramp.unwrap_or_default();
                (Effect::Grow { factor, ramp }, &["factor", "ramp"])
            }
            "none" => (Effect::None, &[]),
            other => {
                return Err(format!(
                    "fault `{}` has the unknown kind `{other}`; kinds are deploy, leak, load, flap, \
                     corrupt_pod, scale_to, slow, errors, cpu_hog, loss, fill, grow, none",
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
            Effect::Deploy {
                image,
                env,
                config,
                memory,
            } => {
                (raw.image, raw.env, raw.config, raw.memory) = (image, env, config, memory);
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
            Effect::Loss { ratio, counted } => {
                (raw.ratio, raw.counted) = (Some(ratio), Some(counted));
                "loss"
            }
            Effect::Fill {
                mib_per_minute,
                pods,
            } => {
                (raw.mib_per_minute, raw.pods) = (Some(mib_per_minute), Some(pods));
                "fill"
            }
            Effect::Grow { factor, ramp } => {
                (raw.factor, raw.ramp) = (Some(factor), Some(ramp));
                "grow"
            }
            Effect::None => "none",
        };
        kind.clone_into(&mut raw.kind);
        raw
    }
}
