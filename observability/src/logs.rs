//! Structured logs: readable in a terminal, JSON otherwise.

use std::io::IsTerminal;

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

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

/// Sends the process' logs to standard error. `filter` is of the form `info,aegis_policy=debug`.
///
/// # Errors
///
/// When the filter cannot be read, or logs were set up before.
pub fn init(format: Format, filter: &str) -> Result<(), Error> {
    let parsed = EnvFilter::try_new(filter)
        .map_err(|error| Error::Filter(filter.to_owned(), error.to_string()))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_writer(std::io::stderr);
    let terminal = std::io::stderr().is_terminal();
    let json = format == Format::Json || (format == Format::Auto && !terminal);
    let installed = if json {
        builder.json().flatten_event(true).try_init()
    } else {
        builder.with_ansi(terminal).try_init()
    };
    installed.map_err(|_| Error::AlreadySet)
}
