//! The ingest crate of Aegis.
