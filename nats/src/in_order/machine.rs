//! A core that survives what it cannot take.

use std::panic::{AssertUnwindSafe, catch_unwind};

use aegis_schemas::pipeline::{Core, Input, Output};
use aegis_schemas::{Timestamp, codec};

/// The clone to fall back on is made anew after so many inputs or bytes.
const MAX_INPUTS: usize = 512;
const MAX_BYTES: usize = 4 << 20;

/// A core, and what is needed to undo its last input: a clone, and the inputs since. The shell runs
/// every core in one, and so does whoever runs a record again.
#[derive(Debug)]
pub struct Machine<C> {
    core: C,
    clone: C,
    /// Stream time of the clone.
    clone_now: Timestamp,
    since: Vec<Input>,
    bytes: usize,
    now: Timestamp,
}

impl<C: Core> Machine<C> {
    /// Goes on with `core` as it was at stream time `now`.
    #[must_use]
    pub fn new(core: C, now: Timestamp) -> Self {
        Self {
            clone: core.clone(),
            core,
            clone_now: now,
            since: Vec::new(),
            bytes: 0,
            now,
        }
    }

    /// The core as it is now.
    #[must_use]
    pub const fn core(&self) -> &C {
        &self.core
    }

    /// Stream time, which never falls.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Gives the core its next input, of so many bytes. On a panic or an output that is too large the
    /// core is as if it had never seen it.
    ///
    /// # Errors
    ///
    /// Why the input goes to the dead letters.
    pub fn take(&mut self, mut input: Input, bytes: usize) -> Result<(Input, Vec<Output>), String> {
        self.make_room();
        input.time = input.time.max(self.now);
        let handled = catch_unwind(AssertUnwindSafe(|| self.core.handle(&input)));
        let refused = match handled {
            Ok(outputs) => match outputs
                .iter()
                .find(|output| output.body.len() > codec::MAX_BODY)
            {
                None => {
                    self.now = input.time;
                    self.since.push(input.clone());
                    self.bytes += bytes;
                    return Ok((input, outputs));
                }
                Some(output) => format!("an output of {} bytes is too large", output.body.len()),
            },
            Err(panic) => format!("the core panicked: {}", text(panic.as_ref())),
        };
        self.go_back();
        Err(refused)
    }

    /// Takes the last input back: its outputs can never be published.
    pub(super) fn undo(&mut self) {
        self.since.pop();
        self.go_back();
    }

    /// Before an input, so that the last one can always be undone.
    fn make_room(&mut self) {
        if self.since.len() >= MAX_INPUTS || self.bytes >= MAX_BYTES {
            self.clone = self.core.clone();
            self.clone_now = self.now;
            self.since.clear();
            self.bytes = 0;
        }
    }

    /// The clone after the same inputs is what the core was.
    fn go_back(&mut self) {
        self.core = self.clone.clone();
        for input in &self.since {
            let _said_before = self.core.handle(input);
        }
        self.now = self.since.last().map_or(self.clone_now, |last| last.time);
    }
}

fn text(panic: &(dyn std::any::Any + Send)) -> String {
    let literal = panic.downcast_ref::<&str>().map(ToString::to_string);
    literal
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use aegis_schemas::signal::Heartbeat;
    use aegis_schemas::{Cluster, Entity, EntityKind, Event, EventId, Name, Signal, SignalBody};

    use super::*;

    /// Remembers the times of its inputs; refuses odd ones after it has changed its state.
    #[derive(Clone, Default)]
    struct Times(Vec<i64>);

    impl Core for Times {
        type State = Vec<i64>;

        fn producer(&self) -> String {
            "times".to_owned()
        }

        fn handle(&mut self, input: &Input) -> Vec<Output> {
            self.0.push(input.time.as_nanos());
            assert!(input.time.as_nanos() % 2 == 0, "odd");
            Vec::new()
        }

        fn state(&self) -> Vec<i64> {
            self.0.clone()
        }

        fn restore(&mut self, state: Vec<i64>) {
            self.0 = state;
        }
    }

    fn input(nanos: i64) -> Input {
        let demo = Cluster::parse("demo").expect("a valid name");
        let name = Name::parse("demo").expect("a valid name");
        Input {
            epoch: 1,
            seq: 1,
            time: Timestamp::from_nanos(nanos),
            id: EventId::default(),
            cause: None,
            origin: None,
            event: Event::Signal(Signal {
                entity: Entity::cluster_scoped(demo, EntityKind::Cluster, name),
                observed: Timestamp::EPOCH,
                source: "test".to_owned(),
                body: SignalBody::Heartbeat(Heartbeat {
                    clock: Timestamp::EPOCH,
                    sources: BTreeMap::new(),
                    fill: 0.0,
                }),
            }),
        }
    }

    #[test]
    fn a_refused_input_leaves_nothing_behind_wherever_the_clone_was_made() {
        let mut machine = Machine::new(Times::default(), Timestamp::EPOCH);
        let mut expected = Vec::new();
        let last = i64::try_from(2 * MAX_INPUTS + 3).expect("small");
        for place in 1..=last {
            assert!(machine.take(input(10 * place + 1), 1).is_err());
            machine.take(input(10 * place), 1).expect("even");
            expected.push(10 * place);
            machine.take(input(10 * place + 2), 1).expect("even");
            machine.undo();
        }
        assert_eq!(machine.core().0, expected);
        assert_eq!(machine.now(), Timestamp::from_nanos(10 * last));
    }

    #[test]
    fn time_never_falls() {
        let mut machine = Machine::new(Times::default(), Timestamp::from_nanos(8));
        let (seen, _) = machine.take(input(4), 1).expect("even");
        assert_eq!(seen.time, Timestamp::from_nanos(8));
    }
}
