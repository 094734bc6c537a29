//! The detector crate of Aegis.
