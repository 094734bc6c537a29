//! The nats crate of Aegis.
