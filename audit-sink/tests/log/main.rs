//! The log on a real PostgreSQL, and the sink on a real nats-server.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod append;
#[allow(
    dead_code,
    reason = "shared with the tests of the schemas, which use more of it"
)]
#[path = "../../../schemas/tests/draw/mod.rs"]
mod draw;
mod objects;
mod server;
mod sink;
mod support;
mod tamper;
mod views;
