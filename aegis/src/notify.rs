//! `aegis notify`: whether receivers take what they would be told.

use anyhow::{Result, bail};
use clap::Subcommand;

use crate::config::Config;
use crate::exit::Ended;

/// Messages to people.
#[derive(Debug, Subcommand)]
pub enum Notify {
    /// Send a test message, and its end, and say what came back.
    #[command(after_help = "Examples:\n  aegis notify test\n  aegis notify test on-call")]
    Test {
        /// The receiver's name in `notify.receivers`; without it each of them.
        receiver: Option<String>,
    },
}

impl Notify {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When there is no such receiver, a secret cannot be read, or a receiver did not take the message.
    pub async fn run(self, config: &Config) -> Result<()> {
        config.validate()?;
        let Self::Test { receiver } = self;
        if config.notify.receivers.is_empty() {
            bail!(
                "nobody can be told: `notify.receivers` is empty; docs/notify.md shows how it is filled"
            );
        }
        let tried = aegis_notify::try_out(&config.notify, receiver.as_deref()).await;
        let tried = tried.map_err(|error| match error {
            aegis_notify::Error::NoReceiver(_) => Ended::NotFound(error.to_string()).into(),
            other => anyhow::Error::from(other),
        })?;
        let mut failed = 0;
        for one in &tried {
            let (name, channel) = (&one.receiver, one.channel);
            match &one.fault {
                None => println!("{name} ({channel}): taken"),
                Some(fault) => {
                    failed += 1;
                    println!("{name} ({channel}): {fault}");
                }
            }
        }
        if failed > 0 {
            bail!(
                "{failed} of {} receivers did not take the message",
                tried.len()
            );
        }
        Ok(())
    }
}
