//! The simulated API server as the real `kube` client sees it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod deletion;
mod determinism;
mod http;
mod rollout;
mod support;
mod watch;
mod workloads;
mod writes;
