//! How a process of Aegis is seen from outside: its logs, its metrics, its traces, and whether it lives and
//! is ready.
//!
//! Stages record through the `metrics` and `tracing` facades and know nothing of this crate; the binary
//! installs what collects them.

pub mod admin;
mod health;
pub mod logs;
pub mod recorder;
mod traces;

pub use health::{Component, Health, Report};
pub use traces::{Failed, Traces};
