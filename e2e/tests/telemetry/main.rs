//! Aegis as it is seen from outside: traces, metrics, logs, and what watches over them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod trace;
