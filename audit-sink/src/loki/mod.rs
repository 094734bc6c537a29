//! The log's copy in Loki, for searching: every entry as a line, sent at least once and always with the
//! same bytes, of which Loki keeps one.
//!
//! What a line is follows from the entry alone ([`line`]), so what Loki holds can be compared with the
//! record ([`compare`]). PostgreSQL never waits for Loki: the copy follows what is committed, by index.

mod client;
mod compare;
mod config;
mod follow;
mod line;
mod push;
mod tally;

pub use client::Client;
pub use compare::{Report, compare};
pub use config::Config;
pub(crate) use follow::Follower;
pub use line::{Line, line};
pub use push::push;
pub use tally::{Difference, Tally};
