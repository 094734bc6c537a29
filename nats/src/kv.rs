//! The key-value buckets: the kill switch, what executors claimed and saw, the services' health.

mod claims;
mod halt;
mod health;
mod notes;
mod past;
pub(crate) mod store;
mod told;

pub use claims::{Claim, Claims, Held};
pub use halt::{Halt, HaltState, Standing};
pub use health::{ActsLeft, Health, HealthBoard, Seen, Storm};
pub use notes::Notes;
pub use past::Past;
pub use told::Told;
