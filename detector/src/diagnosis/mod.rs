//! One incident in, its kind and the ranking of its causes out.
//!
//! Causes are ranked by rules (`evidence`, and `propagation` where calls and the symptom are known)
//! until there are incidents to learn from; kinds are learnt only. What is learnt is a [`Model`]: plain
//! data without a clock or a name of an entity.

mod case;
mod causes;
mod change;
mod class;
mod confidence;
mod evidence;
mod familiar;
mod heard;
mod model;
mod propagation;
mod quality;
mod robust;
mod text;
mod traits;

pub use case::{Case, Labelled, Series, Symptom, Usual};
pub use causes::{Cause, causes};
pub use model::{Answer, Model, UNKNOWN};
pub use quality::Quality;
pub use text::Unreadable;

#[cfg(test)]
mod tests;
