//! How every stage is, as each says of itself on the bus.

use std::time::{Duration, Instant};

use aegis_nats::Service;
use aegis_nats::kv::{ActsLeft, HealthBoard, Seen, Storm};
use futures::future::join_all;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;

/// The stages, in the order of the pipeline.
const STAGES: [Service; 7] = [
    Service::Ingest,
    Service::Detector,
    Service::Policy,
    Service::Executor,
    Service::AuditSink,
    Service::Gateway,
    Service::Notify,
];
/// Stages say how they are every five seconds: one that was not heard of for so long has a fault.
const SILENT_AFTER: Duration = Duration::from_secs(30);
/// One that is further behind acts on what is long over.
const MAX_LAG_S: f64 = 60.0;

/// How a stage is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Stage {
    /// Its name, such as `detector`.
    pub(crate) stage: String,
    /// Whether it was heard of lately and is not far behind.
    pub(crate) well: bool,
    /// How long the oldest message that it has not handled has waited, seconds; none while it has not said so.
    lag_s: Option<f64>,
    /// What it has not handled as a share of what the stream may hold, 0 to 1.
    fill: Option<f64>,
    /// How long ago it said so, seconds; none of one that never did.
    heard_s: Option<f64>,
    /// Of policy: how many acts its limits leave the cluster. Not for strangers, who may ask for the health.
    #[serde(skip)]
    acts_left: Option<Budgets>,
}

/// What policy's limits leave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budgets {
    /// Acts in the rate limit's window without a person's yes.
    pub(crate) rate: Budget,
    /// Acts at once.
    pub(crate) at_once: Budget,
    /// While one lasts, nothing is done without people, whatever is left.
    pub(crate) storm: Option<Storm>,
}

/// A limit on acts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// How many more there may be.
    pub(crate) left: u32,
    /// How many there may be in all.
    pub(crate) of: u32,
}

impl From<ActsLeft> for Budgets {
    fn from(said: ActsLeft) -> Self {
        let budget = |(left, of)| Budget { left, of };
        Self {
            rate: budget(said.rate),
            at_once: budget(said.at_once),
            storm: said.storm,
        }
    }
}

impl Stage {
    fn of(service: &Service, seen: Option<Seen>) -> Self {
        let well = seen
            .is_some_and(|seen| seen.age < SILENT_AFTER && seen.health.lag_seconds <= MAX_LAG_S);
        Self {
            stage: service.to_string(),
            well,
            // Infinite once a stream lost messages, which JSON cannot say.
            lag_s: seen.map(|seen| seen.health.lag_seconds.min(f64::MAX)),
            fill: seen.map(|seen| seen.health.fill),
            heard_s: seen.map(|seen| seen.age.as_secs_f64()),
            acts_left: seen
                .and_then(|seen| seen.health.acts_left)
                .map(Budgets::from),
        }
    }

    /// The audit sink's: what people do depends on it.
    pub(crate) fn is_record(&self) -> bool {
        self.stage == Service::AuditSink.as_str()
    }

    pub(crate) const fn lag_s(&self) -> Option<f64> {
        self.lag_s
    }

    pub(crate) const fn heard_s(&self) -> Option<f64> {
        self.heard_s
    }

    pub(crate) const fn acts_left(&self) -> Option<Budgets> {
        self.acts_left
    }

    /// How far it is behind, in a word.
    pub(crate) fn behind(&self) -> String {
        match self.lag_s {
            None => "silent".to_owned(),
            Some(_)
                if self
                    .heard_s
                    .is_some_and(|s| s >= SILENT_AFTER.as_secs_f64()) =>
            {
                "silent".to_owned()
            }
            Some(lag) if lag >= f64::MAX => "damaged".to_owned(),
            Some(lag) => format!("{lag:.1} s"),
        }
    }

    /// In words.
    pub(crate) fn said(&self) -> String {
        let (Some(lag), Some(fill), Some(heard)) = (self.lag_s, self.fill, self.heard_s) else {
            return "was never heard of".to_owned();
        };
        if heard >= SILENT_AFTER.as_secs_f64() {
            return format!("silent for {heard:.0} s");
        }
        if lag >= f64::MAX {
            return "a stream lost messages: `aegis provision --new-epoch`".to_owned();
        }
        let waits = match (fill * 100.0).round() {
            0.0 => String::new(),
            percent => format!(", {percent} % of a stream waits"),
        };
        format!("{lag:.1} s behind{waits}, heard {heard:.0} s ago")
    }
}

/// Every stage; an error when the bus cannot be asked. notify is left out where it never ran: not everybody
/// wants to be told.
pub(crate) async fn stages(app: &App) -> Result<Vec<Stage>, aegis_nats::Error> {
    if let Some(known) = app.stages.get(&(), Instant::now()) {
        return Ok(known);
    }
    let board = HealthBoard::new(&app.bus);
    let asked = join_all(STAGES.iter().map(|service| board.of(service))).await;
    let mut stages = Vec::with_capacity(STAGES.len());
    for (service, seen) in STAGES.iter().zip(asked) {
        let seen = seen?;
        if seen.is_some() || *service != Service::Notify {
            stages.push(Stage::of(service, seen));
        }
    }
    app.stages.put((), stages.clone(), Instant::now());
    Ok(stages)
}

#[cfg(test)]
mod tests {
    use aegis_nats::kv::Health;

    use super::*;

    #[test]
    fn a_stage_is_well_when_it_was_heard_lately_and_is_not_far_behind() {
        let seen = |age, lag_seconds| {
            Some(Seen {
                health: Health {
                    lag_seconds,
                    fill: 0.03,
                    ..Health::default()
                },
                age: Duration::from_secs(age),
            })
        };
        let table = [
            (None, false, "was never heard of"),
            (
                seen(3, 0.2),
                true,
                "0.2 s behind, 3 % of a stream waits, heard 3 s ago",
            ),
            (seen(31, 0.2), false, "silent for 31 s"),
            (seen(3, 61.0), false, "61.0 s behind"),
            (seen(3, f64::INFINITY), false, "a stream lost messages"),
        ];
        for (seen, well, said) in table {
            let stage = Stage::of(&Service::Policy, seen);
            assert_eq!(stage.well, well, "{stage:?}");
            assert!(stage.said().starts_with(said), "{stage:?}");
            assert!(serde_json::to_string(&stage).is_ok());
        }
    }
}
