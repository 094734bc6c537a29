//! Why ingest does not run.

use std::net::SocketAddr;

/// Why ingest does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration makes no sense.
    #[error("`ingest` is wrong: {0}")]
    Config(String),
    /// Somebody else has the port.
    #[error("cannot listen at `{address}` (`ingest.listen`): {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// Kubernetes is not configured.
    #[error("cannot set up the Kubernetes watch (`ingest.kubeconfig`): {0}")]
    Kubernetes(String),
    /// HTTP requests cannot be made.
    #[error("cannot make HTTP requests: {0}")]
    Http(#[from] reqwest::Error),
    /// The HTTP server ended.
    #[error("the remote write server failed: {0}")]
    Serve(#[source] std::io::Error),
    /// The bus does not let it go on.
    #[error(transparent)]
    Bus(#[from] aegis_nats::Error),
}
