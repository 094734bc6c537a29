//! The observability crate of Aegis.
