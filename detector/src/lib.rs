//! Metrics and signals in, anomalies and incidents out.
//!
//! Two cores. The [`scorer`] reads one partition of AEGIS_METRICS and says when a workload behaves
//! unlike itself; the incident core ([`incidents`]) reads AEGIS_EVENTS of one cluster and says what is
//! wrong, why, and whether an act has helped. [`diagnosis`] names the kind and the causes of recorded
//! incidents with a [`forest`]. Neither reads a clock, a socket or a random number:
//! [`run`] is the shell around both.

pub mod diagnosis;
mod forecast;
pub mod forest;
pub mod incidents;
pub mod scorer;
pub mod univariate;
pub mod vector;

mod config;
mod error;
mod metrics;
mod service;

pub use config::Config;
pub use error::Error;
pub use service::run;
