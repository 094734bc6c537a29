//! Signed decisions in, one effect each at the Kubernetes API, outcomes out.
//!
//! The executor has no choices left: a decision names exactly one effect. It is believed only if an
//! active key signed it ([`accept`]); then the live object is read, the write is tried with a dry run
//! and made in one request that fails unless the object still is what was decided about. What an
//! executor remembers, in a bucket of the bus or in its process, saves work; that there is one effect
//! rests on the decision's id and fence, which the API server keeps on the object. Whether the effect
//! helped is not judged here.

pub mod accept;
mod act;
mod announce;
mod board;
mod clock;
mod config;
mod connect;
pub mod doctor;
mod error;
mod executor;
pub mod keys;
mod memory;
mod metrics;
mod service;
mod trial;

pub use act::{DECISION_ID, FENCE, HALT, INCIDENT, Live, MANAGER};
pub use announce::announce;
pub use board::{Board, Claim, Done, Held, MemoryBoard, NatsBoard, Past};
pub use config::{Config, Limits};
pub use connect::cluster_uid;
pub use error::Error;
pub use executor::Executor;
pub use service::run;
pub use trial::{Received, Step, Trial};
