//! What can go wrong.

/// Why the audit log could not be written, read or trusted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// PostgreSQL refused or could not be reached.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// A migration failed.
    #[error("migration: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A file could not be read or written.
    #[error("`{path}`: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A key is not one, or lies open to others.
    #[error("key: {0}")]
    Key(String),
    /// A checkpoint is malformed or its signature is wrong.
    #[error("checkpoint: {0}")]
    Checkpoint(String),
    /// What is stored contradicts what was signed: nothing is written on top of it.
    #[error(
        "the audit log was tampered with: {0}; `aegis audit verify` names what, nothing is written until it is settled"
    )]
    Tampered(String),
    /// Somebody else wrote between two of our writes; the next try reads the log again.
    #[error("another sequencer moved the log")]
    Moved,
    /// No such thing in the log.
    #[error("{0} is not in the audit log")]
    NotFound(String),
    /// A stored entry cannot be read.
    #[error("entry {idx}: {reason}")]
    Unreadable {
        /// The entry.
        idx: u64,
        /// Why.
        reason: String,
    },
    /// Loki did not answer as it should.
    #[error("Loki: {0}")]
    Loki(String),
    /// The private PostgreSQL could not be started.
    #[error("{0}")]
    Server(String),
    /// The configuration asks for something that does not work.
    #[error("configuration: {0}")]
    Configuration(String),
    /// A server setting would lose what was acknowledged.
    #[error("PostgreSQL setting `{name}` is `{value}`, it must be `on`")]
    NotDurable {
        /// The setting.
        name: String,
        /// What it is.
        value: String,
    },
}

impl Error {
    /// An I/O error with the file that it is about.
    pub(crate) fn file(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::File {
            path: path.display().to_string(),
            source,
        }
    }
}
