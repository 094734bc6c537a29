//! The executor crate of Aegis.
