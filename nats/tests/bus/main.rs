//! The bus on a real nats-server.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod batch;
mod disk;
mod in_order;
mod kv;
mod parallel;
mod permissions;
mod provision;
mod publish;
mod support;
