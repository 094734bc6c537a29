//! The gateway crate of Aegis.
