//! The key-value buckets: the kill switch, the executors' claims, the services' health.

mod claims;
mod halt;
mod health;
mod notes;
pub(crate) mod store;

pub use claims::{Claim, Claims, Held};
pub use halt::{Halt, HaltState, Standing};
pub use health::{Health, HealthBoard, Seen};
pub use notes::Notes;
