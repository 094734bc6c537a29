//! The shells around the pure mapping: one file per source.

pub(crate) mod backfill;
mod fetch;
pub(crate) mod heart;
pub(crate) mod intake;
mod problem;
pub(crate) mod receive;
pub(crate) mod scrape;
pub(crate) mod watch;
