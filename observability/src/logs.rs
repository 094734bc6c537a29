//! Structured logs: readable in a terminal, JSON otherwise.

use std::io::IsTerminal;

use serde::{Deserialize, Serialize};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::Traces;

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Readable where standard error is a terminal, JSON where it is not.
    #[default]
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A filter that cannot be read, or logs that are set up already.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter is not one.
    #[error("log filter `{0}` is invalid: {1}")]
    Filter(String, String),
    /// Somebody was first.
    #[error("logs are set up already")]
    AlreadySet,
}

/// Sends the process' logs to standard error, and its spans to `traces`. `filter` is of the form
/// `info,aegis_policy=debug`.
///
/// # Errors
///
/// When the filter cannot be read, or logs were set up before.
pub fn init(format: Format, filter: &str, traces: Option<&Traces>) -> Result<(), Error> {
    let parsed = EnvFilter::try_new(filter)
        .map_err(|error| Error::Filter(filter.to_owned(), error.to_string()))?;
    let terminal = std::io::stderr().is_terminal();
    let json = format == Format::Json || (format == Format::Auto && !terminal);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = if json {
        lines.json().flatten_event(true).boxed()
    } else {
        lines.with_ansi(terminal).boxed()
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(parsed))
        .with(traces.map(Traces::layer))
        .try_init()
        .map_err(|_| Error::AlreadySet)
}
