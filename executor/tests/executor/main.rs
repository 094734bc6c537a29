//! One decision, one effect: the rules as tables, the acts against a simulated API server in virtual
//! time, the service on a real bus.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod accept;
mod effects;
mod mutants;
mod refusals;
mod service;
mod support;
