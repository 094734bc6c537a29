//! An installation on this host with real servers, of which nothing is left afterwards: what the demo and
//! the benchmarks run on.

pub mod children;
pub mod place;
pub mod ports;
pub mod stage;
pub mod tool;

use aegis_schemas::Timestamp;

/// The wall clock.
pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp::EPOCH + since.unwrap_or_default()
}
