//! What can go wrong between a service and the bus.

use crate::PublishError;

/// Why the bus did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection.
    #[error("cannot connect to NATS at `{url}`: {reason}")]
    Connect {
        /// Where.
        url: String,
        /// Why not.
        reason: String,
    },
    /// A server on another host that would be talked to in the clear.
    #[error(
        "NATS at `{host}` is on another host, where everybody on the way could listen: set `bus.ca_file` for TLS (`aegis keys tls` makes certificates), or begin the URL with `tls://`"
    )]
    InTheClear {
        /// Which host.
        host: String,
    },
    /// The server lacks what Aegis relies on.
    #[error("nats-server {found} is too old: Aegis needs 2.15.1 or later")]
    OldServer {
        /// Its version.
        found: String,
    },
    /// No answer: the server is away, or this user may not ask that.
    #[error("no answer to `{subject}`: {reason}")]
    NoAnswer {
        /// What was asked.
        subject: String,
        /// What the client says.
        reason: String,
    },
    /// The server refused.
    #[error("the server refused `{subject}`: {text} (code {code})")]
    Refused {
        /// What was asked.
        subject: String,
        /// JetStream's error code.
        code: u64,
        /// Its description.
        text: String,
    },
    /// The server's answer cannot be read.
    #[error("cannot read the answer to `{subject}`: {reason}")]
    Unreadable {
        /// What was asked.
        subject: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A stream is not what the snapshot was taken from.
    #[error("{0}")]
    Snapshot(String),
    /// Somebody else changed the key first.
    #[error("key `{0}` was changed by somebody else")]
    Conflict(String),
    /// A value to be kept cannot be written.
    #[error("cannot encode: {0}")]
    Encode(#[from] rmp_serde::encode::Error),
    /// A kept value cannot be read.
    #[error("key `{key}` holds a malformed value: {reason}")]
    Malformed {
        /// Which.
        key: String,
        /// Why.
        reason: String,
    },
    /// A message was not stored.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// Text that is not an nkey seed of a user.
    #[error("not an nkey seed of a user (`SU…`): {0}")]
    Seed(String),
    /// The settings contradict themselves.
    #[error("{0}")]
    Settings(String),
    /// The server's process.
    #[error("nats-server: {0}")]
    Process(String),
    /// A file or a process failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
}

/// There is no such stream.
pub(crate) const NO_STREAM: u64 = 10059;
/// There is no such consumer.
pub(crate) const NO_CONSUMER: u64 = 10014;

impl Error {
    /// Whether what was asked for is not there: nobody provisioned it, or it is being made anew.
    pub(crate) const fn is_missing(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                code: NO_STREAM | NO_CONSUMER,
                ..
            }
        )
    }

    /// Whether another try may succeed without anybody doing anything.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. }
                | Self::NoAnswer { .. }
                | Self::Publish(PublishError::Unavailable | PublishError::Full(_))
                // JetStream is starting, or its cluster has no leader at the moment.
                | Self::Refused {
                    code: 10004 | 10005 | 10008 | 10009,
                    ..
                }
        )
    }
}
