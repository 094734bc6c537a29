//! The policy crate of Aegis.
