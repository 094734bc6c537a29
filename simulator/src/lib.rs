//! The simulator crate of Aegis.
