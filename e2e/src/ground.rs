//! An installation in which nobody decides but whoever tries it out.

use std::time::Duration;

use aegis_schemas::{Action, Event, Outcome, Warrant};
use anyhow::Result;

use crate::forge::Message;
use crate::{ControlPlane, Options, Policy, Stack, Watch};

/// How long anything may take on a machine with much to do.
const SOON: Duration = Duration::from_secs(90);

/// An executor and the record, with policy's place on the bus free for whoever wants to decide.
pub struct Ground {
    /// What runs.
    pub stack: Stack,
    /// Policy's place, and its key.
    pub policy: Policy,
    /// The record.
    pub watch: Watch,
}

impl Ground {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// When something does not start.
    pub async fn start() -> Result<Self> {
        Self::with(both(Options::scenario("healthy-day"))).await
    }

    /// Starts it on a real control plane.
    ///
    /// # Errors
    ///
    /// When something does not start.
    pub async fn on(cluster: ControlPlane) -> Result<Self> {
        Self::with(both(Options::scenario("healthy-day").real(cluster))).await
    }

    /// Starts the record alone, for whoever starts the executor in a way of their own.
    ///
    /// # Errors
    ///
    /// When something does not start.
    pub async fn without_executor() -> Result<Self> {
        Self::with(Options::scenario("healthy-day").roles(&["audit-sink"])).await
    }

    async fn with(options: Options) -> Result<Self> {
        let stack = Stack::start(options).await?;
        Ok(Self {
            policy: Policy::of(&stack).await?,
            watch: stack.watch().await?,
            stack,
        })
    }

    /// A decision that every rule allows: it scales a workload as that is now.
    ///
    /// # Errors
    ///
    /// When a server does not answer.
    pub async fn good(&mut self, replicas: i32) -> Result<Warrant> {
        let action = Action::Scale { replicas, from: 4 };
        let target = self.stack.deployment("shop", "cart").await?;
        self.policy.decide(target, action).await
    }

    /// Puts a message where decisions are, and waits until the record has what the executor says of it.
    ///
    /// # Errors
    ///
    /// When it is not stored, or nothing is said of it in time.
    pub async fn outcome(&mut self, (subject, body): Message) -> Result<Outcome> {
        let seq = self.policy.publish(&subject, body).await?;
        self.outcome_of(seq).await
    }

    /// Waits until the record has what the executor says of the message of that sequence.
    ///
    /// # Errors
    ///
    /// When nothing is said of it in time.
    pub async fn outcome_of(&mut self, seq: u64) -> Result<Outcome> {
        let told = |event: &Event| match event {
            Event::Outcome(outcome) if outcome.stream_seq == seq => Some(outcome.clone()),
            _ => None,
        };
        let what = format!("what became of message {seq}");
        let found = self.watch.until(&what, SOON, |entry| told(&entry.event));
        found.await
    }
}

/// With the executor and the record.
fn both(options: Options) -> Options {
    options.roles(&["audit-sink", "executor"])
}
