//! Streams, consumers, buckets and permissions as data: the one place where they are said.

mod buckets;
mod consumers;
mod matrix;
mod settings;
mod streams;

pub use buckets::Bucket;
pub use consumers::{Durable, How};
pub use matrix::{Permissions, permissions};
pub use settings::Settings;
pub use streams::{EPOCH, MAX_MESSAGE, declaration};

/// A name as one token of a subject, as `schemas` writes them: `_` stands for a dot.
#[must_use]
pub fn token(name: &str) -> String {
    name.replace('.', "_")
}
