//! Policy: incidents and commands in, signed decisions out.
//!
//! One core per cluster reads AEGIS_EVENTS in stream order. For each incident it takes the best act that
//! nothing speaks against, asks the Cedar policies (`rules`) and the guards (cooldown, rate, blast
//! radius, breaker, storm, evidence, freeze, kill switch, ...), and says allow, ask, deny or escalate, with
//! reasons and with the smallest change that would turn it. An allow is a [`aegis_schemas::Warrant`] in a
//! signed envelope, bound to one effect. It answers every command with one decision, takes acts back that
//! did not help, and says its standing orders again every day.
//!
//! Deliberately absent: a clock, I/O and randomness in the core; judging whether an act helped (the
//! detector's); choices at the executor.

mod acts;
mod commands;
mod config;
mod core;
mod dossier;
mod echo;
mod error;
mod evaluate;
mod guards;
mod incidents;
mod judge;
mod metrics;
mod objection;
mod orders;
mod proposals;
mod rules;
mod say;
mod service;
mod sign;
mod storm;
mod time;
mod undo;
mod world;

pub use self::config::Config;
pub use self::core::{Core, State, Stats};
pub use self::error::Error;
pub use self::evaluate::{Because, Evaluation, NOT_LOOKED_AT, Question};
pub use self::rules::{Call, DEFAULT_FILES, Invalid, Permissions, Rules, bundle, default_bundle};
pub use self::service::run;
pub use self::storm::Storm;
