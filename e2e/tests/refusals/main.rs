//! What the executor refuses, on a real nats-server, PostgreSQL and executor. The test holds the key that
//! decisions are signed with, so that nothing but the rule in question speaks against a decision.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod kill_switch;
mod rules;

use std::time::Duration;

/// How long anything may take on a machine with much to do.
const SOON: Duration = Duration::from_secs(90);
