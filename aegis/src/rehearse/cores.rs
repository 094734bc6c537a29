//! The stages' cores, side by side on one log, with the executor behind them.

use aegis_detector::incidents;
use aegis_detector::scorer::Scorer;
use aegis_executor::{Executor, MemoryBoard, Received, Step, Trial, announce};
use aegis_nats::in_order::Machine;
use aegis_nats::topology::Durable;
use aegis_policy as policy;
use aegis_schemas::keyring::KeyFile;
use aegis_schemas::pipeline::{Core, Input, Output};
use aegis_schemas::{Cluster, Event, Outcome, Stream, Timestamp};
use anyhow::{Result, bail};

use super::log::{Log, Message};
use crate::config::Config;

/// A core with what it reads.
struct Seat<C> {
    machine: Machine<C>,
    durable: Durable,
}

impl<C: Core> Seat<C> {
    fn new(core: C, durable: Durable) -> Self {
        Self {
            machine: Machine::new(core, Timestamp::EPOCH),
            durable,
        }
    }

    fn reads(&self, message: &Message) -> bool {
        message.stream == self.durable.stream && self.durable.reads(message.subject.as_str())
    }

    fn take(&mut self, input: Input, bytes: usize) -> Result<Vec<Output>> {
        match self.machine.take(input, bytes) {
            Ok((_, outputs)) => Ok(outputs),
            Err(reason) => bail!("{}: {reason}", self.durable.name),
        }
    }
}

/// A decision that the executor waits to carry out.
struct Waiting {
    message: Message,
    tries: u32,
    due: Timestamp,
}

/// The stages.
pub(super) struct Cores {
    cluster: Cluster,
    /// Not in a machine, which keeps a copy of every input: most of what a rehearsal reads are samples.
    scorer: Scorer,
    scorer_reads: Durable,
    incidents: Seat<incidents::Core>,
    policy: Seat<policy::Core>,
    executor: Executor<MemoryBoard>,
    executor_reads: Durable,
    waiting: Vec<Waiting>,
}

impl Cores {
    /// All of them as they begin.
    pub(super) fn new(config: &Config, keys: KeyFile, executor: Executor<MemoryBoard>) -> Self {
        let cluster = config.detector.cluster.clone();
        let scorer = Scorer::new(0, config.detector.scorer.clone());
        let incidents = incidents::Core::new(cluster.clone(), incidents::Config::default());
        let policy = policy::Core::new(cluster.clone(), keys);
        Self {
            scorer,
            scorer_reads: Durable::scorer(0),
            incidents: Seat::new(incidents, Durable::incidents(&cluster)),
            policy: Seat::new(policy, Durable::policy(&cluster)),
            executor,
            executor_reads: Durable::executor(&cluster),
            waiting: Vec::new(),
            cluster,
        }
    }

    /// Gives samples to the scorer.
    pub(super) fn score(&mut self, log: &mut Log, now: Timestamp, input: &Input) -> Result<()> {
        for output in self.scorer.handle(input) {
            if !log.output(now, output) {
                bail!("the scorer said what cannot be read");
            }
        }
        Ok(())
    }

    /// Lets everybody read until nothing is left; `heard` hears every message of AEGIS_EVENTS.
    pub(super) async fn settle(
        &mut self,
        log: &mut Log,
        now: Timestamp,
        heard: &mut impl FnMut(Timestamp, &Event),
    ) -> Result<()> {
        self.executor.board().set_now(now);
        let due: Vec<Waiting> = self
            .waiting
            .extract_if(.., |waiting| waiting.due <= now)
            .collect();
        for Waiting { message, tries, .. } in due {
            self.act(log, now, message, tries).await?;
        }
        while let Some(message) = log.next() {
            if message.stream == Stream::Events {
                heard(now, &message.input.event);
            }
            let mut outputs = Vec::new();
            let scored = message.stream == self.scorer_reads.stream
                && self.scorer_reads.reads(message.subject.as_str());
            if scored {
                outputs.extend(self.scorer.handle(&message.input));
            }
            if self.incidents.reads(&message) {
                outputs.extend(self.incidents.take(message.input.clone(), message.bytes)?);
            }
            if self.policy.reads(&message) {
                outputs.extend(self.policy.take(message.input.clone(), message.bytes)?);
            }
            for output in outputs {
                if !log.output(now, output) {
                    bail!("a core said what cannot be read");
                }
            }
            let decided = message.stream == Stream::Events
                && matches!(message.input.event, Event::Warrant(_))
                && self.executor_reads.reads(message.subject.as_str());
            if decided {
                self.act(log, now, message, 0).await?;
            }
        }
        Ok(())
    }

    async fn act(
        &mut self,
        log: &mut Log,
        now: Timestamp,
        message: Message,
        tries: u32,
    ) -> Result<()> {
        let body = message.input.event.encode()?;
        let received = || Received {
            seq: message.input.seq,
            time: message.input.time,
            subject: message.subject.as_str(),
            body: &body,
            redelivered: tries > 0,
        };
        match self.executor.attempt(&mut Trial::new(received())).await {
            Step::Done(outcome) => {
                let outcome: Outcome = *outcome;
                let (subject, meta) = announce(
                    &self.cluster,
                    &received(),
                    Some(message.input.id),
                    &outcome,
                    now,
                );
                log.publish(now, subject, meta, Event::Outcome(outcome));
            }
            Step::Wait { after, .. } => {
                let due = now + after;
                self.waiting.push(Waiting {
                    message,
                    tries: tries + 1,
                    due,
                });
            }
        }
        Ok(())
    }
}
