//! Whom notify tells what, and that it tells it once.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its case fails"
)]

mod channels;
mod core;
mod hook;
mod service;
mod support;
