//! The scorer: samples in, anomalies out.
//!
//! One partition of AEGIS_METRICS in stream order. The raw series of a workload become a row of
//! features ([`features`]); each feature knows what is usual ([`metric`]), the row as a whole too, and how
//! unusual it is becomes a tail probability ([`vector`](crate::vector)); rows that stay unusual become an
//! episode ([`episode`]) that names the features to blame ([`blame`]). So does what will come to its limit
//! ([`supplies`]). No clock, no randomness: time is that of the samples and of the log.

mod aside;
mod blame;
mod certificates;
mod config;
mod core;
mod counter;
mod episode;
mod features;
mod logs;
mod metric;
mod series;
mod supplies;
mod tally;
mod trace;
mod track;

pub(crate) use self::certificates::MAX_SAID as MAX_CERTIFICATES_SAID;
pub use self::config::{Config, Invalid};
pub use self::core::{Scorer, State, Stats};
pub use self::trace::{Seen, trace};
