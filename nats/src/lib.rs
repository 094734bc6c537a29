//! The bus: the only crate that knows NATS.
//!
//! Streams, consumers, buckets and permissions are data in [`topology`]; from it come the server's
//! configuration ([`server`]), what [`provision`] makes and what [`check`] demands. Messages go out
//! through [`Publisher`] and come in through exactly one of three loops: [`in_order`] for the pure
//! cores, [`parallel`] for acts and intake, [`batch`] for sinks. A stage says `Ok` or [`Failure`];
//! only this crate turns that into an acknowledgement, a redelivery or a dead letter.

mod api;
pub mod batch;
mod bus;
pub mod check;
mod dead_letters;
mod delivery;
mod error;
pub mod failpoint;
pub mod floor;
pub mod in_order;
pub mod keys;
pub mod kv;
pub mod lag;
pub mod lease;
pub mod metrics;
pub mod parallel;
pub mod provision;
mod publish;
pub mod pulse;
mod random;
mod receive;
mod retire;
pub mod retry;
pub mod server;
mod service;
pub mod snapshot;
pub mod testing;
pub mod topology;
mod trace;
mod unreadable;

pub use bus::{Backlog, Bus, Options, StreamInfo, Tls, in_the_clear};
pub use dead_letters::letter;
pub use delivery::{Delivery, Failure};
pub use error::Error;
pub use publish::{PublishError, Publisher, Stored};
pub use retire::retire;
pub use service::Service;
pub use unreadable::UNREADABLE_HEADERS;
