//! Every event of every stream, exactly once, into PostgreSQL: the record that can be proven.
//!
//! A delivery becomes a [`leaf`], a leaf becomes the next entry of an RFC 6962 Merkle tree
//! ([`merkle`], [`proof`]), and within a second the tree's head is signed ([`checkpoint`]). In the
//! same transaction the [`views`] that people read follow the log; they are a pure function of it
//! and [`rebuild`] makes them anew. [`verify`] recomputes all of it and names what was touched.
//!
//! A copy for searching goes to Loki ([`loki`]), if one is named; nothing waits for it and nothing is proved
//! from it.
//!
//! *Exactly once* is counted by the position in the stream (stream, epoch, sequence): that is what
//! JetStream delivers again and what can be compared. When a stream kept two copies of one event id
//! (a producer that went on past the dedupe window), both are entries, because a replay must see
//! what the cores saw; readers drop the second by its origin, as the cores do.

mod batch;
pub mod checkpoint;
pub mod config;
mod damage;
pub mod database;
mod error;
mod health;
pub mod leaf;
pub mod loki;
pub mod merkle;
mod metrics;
pub mod proof;
pub mod prove;
pub mod read;
pub mod rebuild;
mod record;
pub mod report;
pub mod sequencer;
pub mod server;
mod signer;
pub mod sink;
pub mod story;
mod tiles;
pub mod verify;
mod view_rows;
pub mod views;

pub use config::Config;
pub use error::Error;
pub use record::Record;
pub use sink::run;
