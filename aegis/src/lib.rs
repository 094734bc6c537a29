//! The aegis library.
