//! People in, commands on the log: sign-in, REST, and the views that the audit sink keeps.
//!
//! The gateway is thin and stateless. It knows who somebody is and which role may ask what; whether
//! something is done is policy's to say. It reads PostgreSQL, never the bus, and every request that it
//! refuses is an event in the audit log.

mod access;
mod app;
mod auth;
mod bare;
mod checks;
mod config;
mod cores;
mod document;
mod gate;
mod limits;
mod live;
mod metrics;
mod pages;
mod password;
mod permits;
mod problem;
mod recent;
mod record;
mod repeat;
mod routes;
mod stages;
mod store;
mod token;
mod trace;

use std::net::SocketAddr;
use std::sync::Arc;

use aegis_nats::Bus;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use bare::serve_bare;
pub use config::Config;
pub use cores::{
    Because, Call, Checked, Cores, Detection, Evaluation, Fault, PolicySaid, Question, Silence,
};
pub use password::{TooShort, hash as hash_password};
pub use problem::Problem;
pub use record::{Entry, Point, Proven, Record, Trace, Unavailable};
pub use store::{Store, User};

/// Why the gateway does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file with a secret cannot be read.
    #[error("cannot read `{0}`: {1}")]
    Secret(String, std::io::Error),
    /// The token secret is no good.
    #[error(transparent)]
    Token(#[from] token::Error),
    /// The database does not answer.
    #[error("cannot reach the database: {0}")]
    Database(#[source] sqlx::Error),
    /// The database is on another host and its URL does not ask for TLS.
    #[error(
        "PostgreSQL at `{0}` is on another host, and its URL does not ask for TLS: add `?sslmode=verify-full&sslrootcert=FILE`"
    )]
    InTheClear(String),
    /// It cannot listen.
    #[error("cannot listen on `{0}`: {1}; another process may use that port")]
    Listen(SocketAddr, std::io::Error),
    /// The server failed.
    #[error("the HTTP server failed: {0}")]
    Serve(#[from] std::io::Error),
}

/// Serves people until `stop`; `cores` answer what is not the gateway's to know, and `ready` is called once
/// it listens.
///
/// # Errors
///
/// When it cannot start, or the server fails.
pub async fn run(
    bus: Bus,
    config: Config,
    cores: Arc<dyn Cores>,
    ready: impl FnOnce(),
    stop: CancellationToken,
) -> Result<(), Error> {
    metrics::describe();
    let (recorder, writer) = access::recorder();
    let listen = config.listen;
    let app = App::new(bus, config, recorder, cores, stop.clone()).await?;
    let following = tokio::spawn(app.live.clone().run(app.store.clone(), stop.clone()));
    let writing = tokio::spawn(writer.run(app.publisher.clone(), stop.clone()));
    let (store, hearing) = (app.store.clone(), stop.clone());
    let hearing = tokio::spawn(async move { store.listen(&hearing).await });
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| Error::Listen(listen, error))?;
    tracing::info!(%listen, "the gateway listens");
    ready();
    let routes = routes::router(Arc::new(app)).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, routes)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await?;
    // Refusals of the last requests still reach the log.
    let _ = tokio::join!(writing, following, hearing);
    Ok(())
}

use app::App;
