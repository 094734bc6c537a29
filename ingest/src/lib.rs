//! Sources in, metric batches and signals out.
//!
//! Scrapes, Prometheus remote write, AEGIS_INTAKE and a Kubernetes watch are mapped to entities and put
//! on the log; a sender is told "stored" only after JetStream has stored. What maps is pure and can be
//! driven without a broker: [`Catalogue`] (objects to signals), [`Mapper`] (samples to batches),
//! [`exposition`] and [`remote_write`] (bytes to samples), [`intake`] (messages of others to events),
//! [`heartbeat`]. Everything else is a thin
//! shell around them in `sources/`.

pub mod catalogue;
mod config;
mod error;
pub mod exposition;
mod gate;
mod heartbeat;
pub mod intake;
mod lives;
mod log_rates;
pub mod mapper;
mod metrics;
mod outbox;
pub mod remote_write;
mod sample;
mod service;
mod shared;
mod sources;

pub use catalogue::{Catalogue, ObjectKind};
pub use config::{Backfill, Config, Target};
pub use error::Error;
pub use heartbeat::heartbeat;
pub use mapper::{Mapped, Mapper};
pub use sample::Sample;
pub use service::run;
