//! Where each fault of a scenario stands: to come, on, healed, over; and what it does meanwhile.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::draw::Draws;
use crate::model::Conditions;
use crate::scenario::{Effect, Fault, Range, Scenario};

/// How long an act is still for a fault that is healed: it was decided before.
const AFTERGLOW: SignedDuration = SignedDuration::from_mins(5);

/// All faults.
#[derive(Debug)]
pub(crate) struct Faults {
    faults: Vec<State>,
    hold: Duration,
}

#[derive(Debug)]
struct State {
    fault: Fault,
    target: usize,
    root: usize,
    /// When it is to begin, unless it waits for another.
    due: Option<Timestamp>,
    delay: Duration,
    waits_for: Option<usize>,
    /// Its drawn magnitude.
    level: f64,
    since: Option<Timestamp>,
    /// Replicas of the target when it began.
    baseline: u64,
    /// When it first did harm.
    harmed: Option<Timestamp>,
    /// Since when all is well again.
    held: Option<Timestamp>,
    healed: Option<Timestamp>,
    over: Option<Timestamp>,
    acts: usize,
}

impl Faults {
    pub(crate) fn new(scenario: &Scenario, seed: u64, start: Timestamp) -> Self {
        let place = |path: &str| scenario.place(path).expect("checked when it was read");
        let states = scenario.faults.iter().map(|fault| {
            let mut draws = Draws::new(seed, &format!("fault {}", fault.name));
            let draws = draws.at(0);
            let delay = fault.at + fault.jitter.mul_f64(draws.unit());
            let others = scenario.faults.iter();
            let waits_for = fault
                .after
                .as_ref()
                .and_then(|name| others.clone().position(|other| other.name == *name));
            State {
                target: place(&fault.target),
                root: place(fault.oracle.root.as_ref().unwrap_or(&fault.target)),
                due: waits_for.is_none().then(|| start + delay),
                delay,
                waits_for,
                level: level(&fault.effect).map_or(0.0, |range| range.at(draws.unit())),
                since: None,
                baseline: 0,
                harmed: None,
                held: None,
                healed: None,
                over: None,
                acts: 0,
                fault: fault.clone(),
            }
        });
        Self {
            faults: states.collect(),
            hold: scenario.hold,
        }
    }

    /// Those that are to begin.
    pub(crate) fn due(&mut self, now: Timestamp) -> Vec<usize> {
        for number in 0..self.faults.len() {
            let before = self.faults[number]
                .waits_for
                .map(|other| &self.faults[other]);
            if let Some(at) = before.and_then(State::settled) {
                let state = &mut self.faults[number];
                let delay = state.delay;
                state.due.get_or_insert(at + delay);
            }
        }
        let states = self.faults.iter().enumerate();
        states
            .filter(|(_, state)| state.since.is_none() && state.due.is_some_and(|due| due <= now))
            .map(|(number, _)| number)
            .collect()
    }

    /// Begins one; its magnitude.
    pub(crate) fn begin(&mut self, number: usize, now: Timestamp, baseline: u64) -> f64 {
        let state = &mut self.faults[number];
        state.since = Some(now);
        state.baseline = baseline;
        tracing::info!(
            fault = state.fault.name,
            target = state.fault.target,
            "a fault begins"
        );
        state.level
    }

    pub(crate) fn effect(&self, number: usize) -> Effect {
        self.faults[number].fault.effect.clone()
    }

    pub(crate) fn target(&self, number: usize) -> usize {
        self.faults[number].target
    }

    pub(crate) fn root(&self, number: usize) -> usize {
        self.faults[number].root
    }

    pub(crate) fn baseline(&self, number: usize) -> u64 {
        let state = &self.faults[number];
        // Replicas of the target say nothing about another root.
        if state.root == state.target {
            state.baseline
        } else {
            0
        }
    }

    /// What the faults do to each workload at `now`.
    pub(crate) fn conditions(&self, workloads: usize, now: Timestamp) -> Vec<Conditions> {
        let mut conditions = vec![Conditions::default(); workloads];
        for state in &self.faults {
            let Some(age) = state.age(now) else { continue };
            let on = &mut conditions[state.target];
            let level = state.level;
            match state.fault.effect {
                Effect::Load { ramp, .. } => {
                    let left = state
                        .fault
                        .duration
                        .map(|length| length.saturating_sub(age));
                    let up = share(age, ramp);
                    let down = left.map_or(1.0, |left| share(left, ramp));
                    on.load *= 1.0 + (level - 1.0) * up.min(down);
                }
                Effect::Flap { on: lit, off, .. } => {
                    let round = (lit + off).as_secs_f64();
                    if age.as_secs_f64() % round < lit.as_secs_f64() {
                        on.load *= level;
                    }
                }
                Effect::Slow { .. } => on.slow *= level,
                Effect::Errors { .. } => on.errors = 1.0 - (1.0 - on.errors) * (1.0 - level),
                Effect::CpuHog { .. } => on.cpu *= level,
                Effect::Loss { counted, .. } => {
                    on.loss = 1.0 - (1.0 - on.loss) * (1.0 - level);
                    on.loss_counted |= counted;
                }
                Effect::Grow { ramp, .. } => {
                    on.memory *= 1.0 + (level - 1.0) * share(age, ramp);
                }
                _ => {}
            }
        }
        conditions
    }

    /// Whether nobody but time ends it, and time has not.
    pub(crate) fn is_forced(&self, number: usize, now: Timestamp) -> bool {
        let state = &self.faults[number];
        let lasting = matches!(
            state.fault.effect,
            Effect::Slow { .. } | Effect::Errors { .. } | Effect::Loss { .. }
        );
        lasting && state.age(now).is_some()
    }

    /// Those that are neither healed nor over.
    pub(crate) fn open(&self) -> Vec<usize> {
        let states = self.faults.iter().enumerate();
        states
            .filter(|(_, state)| state.since.is_some() && state.settled().is_none())
            .map(|(number, _)| number)
            .collect()
    }

    /// Takes in whether all is well with one that is on.
    pub(crate) fn judge(&mut self, number: usize, now: Timestamp, well: bool) {
        let state = &mut self.faults[number];
        let hold = match state.fault.effect {
            // The quiet between two surges heals nothing.
            Effect::Flap { on, off, .. } => self.hold.max(on + off),
            _ => self.hold,
        };
        let ended = state.age(now).is_none() || matches!(state.fault.effect, Effect::None);
        if !well {
            if !state.fault.oracle.harmless {
                state.harmed.get_or_insert(now);
            }
            state.held = None;
            return;
        }
        let since = *state.held.get_or_insert(now);
        let long_enough = now.duration_since(since).unsigned_abs() >= hold;
        if state.harmed.is_some() && long_enough {
            state.healed = Some(since);
            tracing::info!(fault = state.fault.name, "a fault is healed");
        } else if long_enough && (ended || state.is_done_without_harm()) {
            state.over = Some(now);
        }
    }

    /// The fault that an act on the workload at `place` is right for.
    pub(crate) fn rightly(&mut self, place: usize, act: &str, now: Timestamp) -> Option<String> {
        let state = self.faults.iter_mut().find(|state| {
            let oracle = &state.fault.oracle;
            let on = state.since.is_some()
                && (state.goes_on(now)
                    || state
                        .settled()
                        .is_none_or(|at| now.duration_since(at) < AFTERGLOW));
            on && state.root == place
                && oracle.right.iter().any(|right| right == act)
                && oracle.most.is_none_or(|most| state.acts < most)
        })?;
        state.acts += 1;
        Some(state.fault.name.clone())
    }

    pub(crate) fn status(&self) -> Value {
        self.faults.iter().map(State::status).collect()
    }
}

impl State {
    /// How long it has been on; `None` before and after.
    fn age(&self, now: Timestamp) -> Option<Duration> {
        let age = now.duration_since(self.since?).unsigned_abs();
        self.fault
            .duration
            .is_none_or(|length| age < length)
            .then_some(age)
    }

    /// Whether time alone ends it, and has not: what was enough for it once may be too little later.
    fn goes_on(&self, now: Timestamp) -> bool {
        let by_time = matches!(self.fault.effect, Effect::Load { .. } | Effect::Flap { .. });
        by_time && self.age(now).is_some()
    }

    /// When it was healed or ended.
    fn settled(&self) -> Option<Timestamp> {
        self.healed.or(self.over)
    }

    /// Whether it can do no harm any more, having done none: a good rollout.
    fn is_done_without_harm(&self) -> bool {
        self.fault.oracle.harmless && self.fault.duration.is_none()
    }

    fn status(&self) -> Value {
        let state = match (self.since, self.healed, self.over) {
            (None, ..) => "pending",
            (_, Some(_), _) => "healed",
            (_, _, Some(_)) => "over",
            _ => "active",
        };
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        json!({
            "name": self.fault.name,
            "target": self.fault.target,
            "root": self.fault.oracle.root.as_ref().unwrap_or(&self.fault.target),
            "kind": self.fault.oracle.kind,
            "right": self.fault.oracle.right,
            "harmless": self.fault.oracle.harmless,
            "state": state,
            "due": text(self.due),
            "since": text(self.since),
            "harmed": text(self.harmed),
            "healed": text(self.healed),
            "over": text(self.over),
            "right_acts": self.acts,
        })
    }
}

/// The magnitude of an effect.
fn level(effect: &Effect) -> Option<Range> {
    match effect {
        Effect::Leak {
            mib_per_minute: range,
            ..
        }
        | Effect::Load { factor: range, .. }
        | Effect::Flap { factor: range, .. }
        | Effect::Slow { factor: range }
        | Effect::Errors { ratio: range }
        | Effect::CpuHog { factor: range }
        | Effect::Loss { ratio: range, .. }
        | Effect::Fill {
            mib_per_minute: range,
            ..
        }
        | Effect::Grow { factor: range, .. } => Some(*range),
        Effect::Deploy { .. }
        | Effect::CorruptPod { .. }
        | Effect::ScaleTo { .. }
        | Effect::None => None,
    }
}

/// `part` of `whole`, at most 1.
fn share(part: Duration, whole: Duration) -> f64 {
    if whole.is_zero() {
        1.0
    } else {
        (part.as_secs_f64() / whole.as_secs_f64()).min(1.0)
    }
}
