//! The numbers of the guards, `settings.toml`.

use std::time::Duration;

use serde::Deserialize;

use super::{Invalid, bundle::SETTINGS, line_of};

/// A duration as people write it: `2m`, `1h 30m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Span(
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub(crate)  Duration,
);

const fn seconds(seconds: u64) -> Span {
    Span(Duration::from_secs(seconds))
}

/// The numbers of the guards.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    pub(crate) signing_key: Option<String>,
    pub(crate) warrant_lifetime: Span,
    pub(crate) evidence_max_age: Span,
    pub(crate) clock_max_apart: Span,
    pub(crate) events_max_fill_percent: u32,
    pub(crate) approval_lifetime: Span,
    pub(crate) escalate_after: Span,
    pub(crate) restate_orders: Span,
    pub(crate) cooldown: Cooldown,
    pub(crate) rate: Rate,
    pub(crate) blast: BlastLimits,
    pub(crate) breaker: Breaker,
    pub(crate) storm: StormLimits,
    pub(crate) assessment: Waits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            signing_key: None,
            warrant_lifetime: seconds(120),
            evidence_max_age: seconds(60),
            clock_max_apart: seconds(5),
            events_max_fill_percent: 90,
            approval_lifetime: seconds(900),
            escalate_after: seconds(30),
            restate_orders: seconds(24 * 3600),
            cooldown: Cooldown::default(),
            rate: Rate::default(),
            blast: BlastLimits::default(),
            breaker: Breaker::default(),
            storm: StormLimits::default(),
            assessment: Waits::default(),
        }
    }
}

/// How long a workload is left alone after an act.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Cooldown {
    pub(crate) same_action: Span,
    pub(crate) longest: Span,
    pub(crate) any_action: Span,
}

impl Default for Cooldown {
    fn default() -> Self {
        Self {
            same_action: seconds(300),
            longest: seconds(3600),
            any_action: seconds(120),
        }
    }
}

/// How many acts in a window.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rate {
    pub(crate) window: Span,
    pub(crate) per_cluster: u32,
    pub(crate) per_namespace: u32,
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            window: seconds(3600),
            per_cluster: 20,
            per_namespace: 20,
        }
    }
}

/// How much may be at risk in a window.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BlastLimits {
    pub(crate) window: Span,
    pub(crate) workload_percent: u32,
    pub(crate) namespace_percent: u32,
    pub(crate) acts_per_cluster: u32,
}

impl Default for BlastLimits {
    fn default() -> Self {
        Self {
            window: seconds(600),
            workload_percent: 25,
            namespace_percent: 10,
            acts_per_cluster: 5,
        }
    }
}

/// When acts that do not help are left to people.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Breaker {
    pub(crate) failures: u32,
    pub(crate) within: Span,
    pub(crate) repeats: u32,
    pub(crate) open_for: Span,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            failures: 3,
            within: seconds(4 * 3600),
            repeats: 2,
            open_for: seconds(3600),
        }
    }
}

/// When so much is wrong at once that nothing is done without people.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StormLimits {
    pub(crate) within: Span,
    pub(crate) workloads: u32,
    pub(crate) workloads_percent: u32,
    pub(crate) nodes: u32,
    pub(crate) nodes_percent: u32,
    pub(crate) over_after: Span,
}

impl Default for StormLimits {
    fn default() -> Self {
        Self {
            within: seconds(120),
            workloads: 10,
            workloads_percent: 20,
            nodes: 3,
            nodes_percent: 30,
            over_after: seconds(600),
        }
    }
}

/// How long outcomes and verdicts are waited for.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Waits {
    pub(crate) outcome_within: Span,
    pub(crate) verdict_within: Span,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            outcome_within: seconds(300),
            verdict_within: seconds(1800),
        }
    }
}

/// The executor refuses what lives longer.
const MAX_WARRANT_LIFETIME: Span = seconds(120);
/// Guards look back no further: what is older is forgotten.
pub(crate) const MAX_WINDOW: Duration = Duration::from_secs(24 * 3600);
/// More acts in a window would outgrow what is remembered.
const MAX_ACTS: u32 = 50;

impl Settings {
    pub(super) fn parse(text: &str) -> Result<Self, Invalid> {
        let settings: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| line_of(text, span.start));
            Invalid::new(SETTINGS, line, error.message())
        })?;
        settings
            .check()
            .map_err(|reason| Invalid::new(SETTINGS, None, reason))?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), String> {
        let most = |name: &str, value: Span, most: Duration| {
            if value.0 > most {
                Err(format!("`{name}` may be at most {} s", most.as_secs()))
            } else {
                Ok(())
            }
        };
        most(
            "warrant_lifetime",
            self.warrant_lifetime,
            MAX_WARRANT_LIFETIME.0,
        )?;
        most("approval_lifetime", self.approval_lifetime, MAX_WINDOW)?;
        most("cooldown.longest", self.cooldown.longest, MAX_WINDOW)?;
        most("rate.window", self.rate.window, MAX_WINDOW)?;
        most("blast.window", self.blast.window, MAX_WINDOW)?;
        most("breaker.within", self.breaker.within, MAX_WINDOW)?;
        most("breaker.open_for", self.breaker.open_for, MAX_WINDOW)?;
        most("storm.within", self.storm.within, MAX_WINDOW)?;
        most("storm.over_after", self.storm.over_after, MAX_WINDOW)?;
        most(
            "assessment.outcome_within",
            self.assessment.outcome_within,
            MAX_WINDOW,
        )?;
        most(
            "assessment.verdict_within",
            self.assessment.verdict_within,
            MAX_WINDOW,
        )?;
        if self.warrant_lifetime.0 < Duration::from_secs(1) {
            return Err("`warrant_lifetime` must be at least 1s".to_owned());
        }
        let percents = [
            self.events_max_fill_percent,
            self.blast.workload_percent,
            self.blast.namespace_percent,
            self.storm.workloads_percent,
            self.storm.nodes_percent,
        ];
        if percents.iter().any(|percent| *percent > 100) {
            return Err("a percentage is at most 100".to_owned());
        }
        if self.blast.acts_per_cluster > MAX_ACTS {
            return Err(format!(
                "`blast.acts_per_cluster` may be at most {MAX_ACTS}"
            ));
        }
        if self.breaker.failures == 0 || self.breaker.repeats == 0 {
            return Err("`breaker.failures` and `breaker.repeats` must be at least 1".to_owned());
        }
        if self.storm.workloads == 0 || self.storm.nodes == 0 {
            return Err("`storm.workloads` and `storm.nodes` must be at least 1".to_owned());
        }
        Ok(())
    }
}
