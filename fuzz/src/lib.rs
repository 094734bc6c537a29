//! Everything that reads bytes of others, each as a function of hostile bytes: it never panics, takes
//! memory in proportion to what it was given, and what it reads and writes again is the same.
//!
//! A target is fuzzed by the program of its name in `fuzz_targets/`, from the bytes in `seeds/`.

mod audit;
mod bus;
mod metrics;
mod objects;
mod state;
mod wire;

pub use audit::{leaf, note};
pub use bus::{delivery, intake};
pub use metrics::{exposition, remote_write};
pub use objects::objects;
pub use state::kept;
pub use wire::{envelope, messages};

/// Their seeds are made of these.
pub use bus::NOW;
pub use wire::CLUSTER_UID;

/// The body of a fuzz target: panics when the bytes show a fault.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: [(&str, Target); 10] = [
    ("delivery", delivery),
    ("envelope", envelope),
    ("exposition", exposition),
    ("intake", intake),
    ("kept", kept),
    ("leaf", leaf),
    ("messages", messages),
    ("note", note),
    ("objects", objects),
    ("remote_write", remote_write),
];
