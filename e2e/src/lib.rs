//! The e2e crate of Aegis.
