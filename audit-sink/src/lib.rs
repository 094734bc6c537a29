//! The audit-sink crate of Aegis.
