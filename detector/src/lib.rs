//! The detector crate of Aegis.

pub mod incidents;
