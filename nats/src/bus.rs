//! The connection.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aegis_schemas::{Stream, Timestamp, is_this_host};
use async_nats::jetstream::{self, consumer, stream};
use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::kv::ActsLeft;
use crate::topology::Durable;
use crate::{Error, Publisher, Service, keys, metrics, topology};

/// How to connect.
pub struct Options {
    /// Where: `nats://host:port`, or several with commas between them.
    pub url: String,
    /// As whom.
    pub service: Service,
    /// The user's nkey seed, `SU…`.
    pub seed: Zeroizing<String>,
    /// How long to try at start.
    pub connect_timeout: Duration,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("url", &self.url)
            .field("service", &self.service)
            .field("seed", &"***")
            .field("connect_timeout", &self.connect_timeout)
            .finish()
    }
}

/// TLS to the server.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Trust this authority (PEM) besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The client's certificate and key (PEM), where the server asks for them.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Refuse a server without TLS.
    pub required: bool,
}

/// A connection to the bus; clones share it.
#[derive(Clone)]
pub struct Bus(Arc<Inner>);

struct Inner {
    client: Client,
    jetstream: jetstream::Context,
    service: Service,
    id_key: Zeroizing<[u8; 32]>,
    acts_left: Mutex<Option<ActsLeft>>,
    /// Cores that need a lease, and those that have it.
    cores: Arc<AtomicUsize>,
    cores_at_work: Arc<AtomicUsize>,
}

/// One that is counted for as long as this lives.
pub(crate) struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn by(counter: &Arc<AtomicUsize>) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counter))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus")
            .field("service", &self.0.service)
            .finish_non_exhaustive()
    }
}

/// What the server says of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    /// Raised when the stream is made anew.
    pub epoch: u16,
    /// The sequence of the oldest message.
    pub first_seq: u64,
    /// The sequence of the newest message, also when it is gone.
    pub last_seq: u64,
    /// How many messages there are.
    pub messages: u64,
    /// How many bytes they take.
    pub bytes: u64,
    /// How many bytes they may take.
    pub max_bytes: u64,
}

/// What a consumer has before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Messages that nobody was given yet.
    pub unread: u64,
    /// Messages that were given out and not acknowledged.
    pub unacknowledged: usize,
    /// The stream's sequence up to which all were acknowledged.
    pub handled: u64,
}

impl Backlog {
    /// Messages that are not handled.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.unread + self.unacknowledged as u64
    }
}

impl StreamInfo {
    /// How full the stream is, from 0 to 1.
    #[must_use]
    pub fn fill(&self) -> f64 {
        if self.max_bytes == 0 {
            return 0.0;
        }
        self.bytes as f64 / self.max_bytes as f64
    }
}

impl Bus {
    /// Connects without TLS: for a server on this host.
    ///
    /// # Errors
    ///
    /// When nothing answers, the seed is refused or the server is too old.
    pub async fn connect(options: Options) -> Result<Self, Error> {
        Self::connect_with(options, Tls::default()).await
    }

    /// Connects with TLS.
    ///
    /// # Errors
    ///
    /// As [`Bus::connect`], when a certificate is refused, and when TLS is not required although a server
    /// is on another host.
    pub async fn connect_with(options: Options, tls: Tls) -> Result<Self, Error> {
        if !tls.required
            && let Some(host) = in_the_clear(&options.url)
        {
            return Err(Error::InTheClear { host });
        }
        let id_key = keys::message_id_key(&options.seed)?;
        let service = options.service.clone();
        let mut connect = ConnectOptions::new()
            .nkey(options.seed.to_string())
            .name(service.as_str())
            .custom_inbox_prefix(service.inbox())
            .connection_timeout(options.connect_timeout)
            .request_timeout(Some(REQUEST_TIMEOUT))
            .ping_interval(Duration::from_secs(10))
            .require_tls(tls.required)
            .event_callback(|event| async move { note(&event) });
        if let Some(file) = tls.ca_file {
            connect = connect.add_root_certificates(file);
        }
        if let Some((certificate, key)) = tls.certificate {
            connect = connect.add_client_certificate(certificate, key);
        }
        let refused = |reason: String| Error::Connect {
            url: options.url.clone(),
            reason,
        };
        let client = tokio::time::timeout(options.connect_timeout, connect.connect(&options.url))
            .await
            .map_err(|_| refused("no answer in time".to_owned()))?
            .map_err(|error| refused(describe(&error)))?;
        if !client.is_server_compatible(2, 15, 1) {
            return Err(Error::OldServer {
                found: client.server_info().version,
            });
        }
        let jetstream = jetstream::ContextBuilder::new()
            .timeout(REQUEST_TIMEOUT)
            .build(client.clone());
        Ok(Self(Arc::new(Inner {
            client,
            jetstream,
            service,
            id_key,
            acts_left: Mutex::default(),
            cores: Arc::default(),
            cores_at_work: Arc::default(),
        })))
    }

    /// As whom it is connected.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.0.service
    }

    /// What publishes over this connection.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        Publisher::new(self.clone())
    }

    /// The state of a stream.
    ///
    /// # Errors
    ///
    /// When the server does not answer, or there is no such stream.
    pub async fn stream_info(&self, stream: Stream) -> Result<StreamInfo, Error> {
        let info: stream::Info = self
            .call(&format!("STREAM.INFO.{stream}"), &serde_json::json!({}))
            .await?;
        let epoch = info.config.metadata.get(topology::EPOCH);
        Ok(StreamInfo {
            epoch: epoch.and_then(|text| text.parse().ok()).unwrap_or(0),
            first_seq: info.state.first_sequence,
            last_seq: info.state.last_sequence,
            messages: info.state.messages,
            bytes: info.state.bytes,
            max_bytes: u64::try_from(info.config.max_bytes).unwrap_or(0),
        })
    }

    /// What a consumer has before it.
    ///
    /// # Errors
    ///
    /// When the server does not answer, or there is no such consumer.
    pub async fn backlog(&self, durable: &Durable) -> Result<Backlog, Error> {
        let endpoint = format!("CONSUMER.INFO.{}.{}", durable.stream, durable.name);
        let info: consumer::Info = self.call(&endpoint, &serde_json::json!({})).await?;
        Ok(Backlog {
            unread: info.num_pending,
            unacknowledged: info.num_ack_pending,
            handled: info.ack_floor.stream_sequence,
        })
    }

    /// The server's wall clock, as it answers whoever reads that consumer.
    ///
    /// # Errors
    ///
    /// When the server does not answer, or there is no such consumer.
    pub async fn server_time(&self, durable: &Durable) -> Result<Timestamp, Error> {
        #[derive(Deserialize)]
        struct Told {
            ts: Timestamp,
        }
        let endpoint = format!("CONSUMER.INFO.{}.{}", durable.stream, durable.name);
        let told: Told = self.call(&endpoint, &serde_json::json!({})).await?;
        Ok(told.ts)
    }

    /// Whether the connection stands at this moment.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.0.client.connection_state() == async_nats::connection::State::Connected
    }

    /// The id of the server of this connection: another one after each of its starts.
    #[must_use]
    pub fn server_id(&self) -> String {
        self.0.client.server_info().server_id
    }

    /// Sends what is buffered, then closes the connection.
    ///
    /// # Errors
    ///
    /// When the server does not take what is buffered.
    pub async fn drain(&self) -> Result<(), Error> {
        let failed = |reason: String| Error::NoAnswer {
            subject: "drain".to_owned(),
            reason,
        };
        let flushed = tokio::time::timeout(REQUEST_TIMEOUT, self.0.client.flush()).await;
        flushed
            .map_err(|_| failed("no answer in time".to_owned()))?
            .map_err(|error| failed(error.to_string()))?;
        let drained = self.0.client.drain().await;
        drained.map_err(|error| failed(error.to_string()))
    }

    pub(crate) fn client(&self) -> &Client {
        &self.0.client
    }

    pub(crate) fn jetstream(&self) -> &jetstream::Context {
        &self.0.jetstream
    }

    /// Lets the pulse say how many acts are left; policy's service alone knows.
    pub fn say_acts_left(&self, left: ActsLeft) {
        *self
            .0
            .acts_left
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(left);
    }

    /// The lease went to another process: what this one knew of acts is old.
    pub(crate) fn forget_acts_left(&self) {
        *self
            .0
            .acts_left
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Counts a core that needs a lease.
    pub(crate) fn has_core(&self) -> Counted {
        Counted::by(&self.0.cores)
    }

    /// Counts a core that has its lease.
    pub(crate) fn has_core_at_work(&self) -> Counted {
        Counted::by(&self.0.cores_at_work)
    }

    /// Whether others have the leases of all cores of this process.
    pub(crate) fn stands_by(&self) -> bool {
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        count(&self.0.cores) > 0 && count(&self.0.cores_at_work) == 0
    }

    pub(crate) fn acts_left(&self) -> Option<ActsLeft> {
        *self
            .0
            .acts_left
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn id_key(&self) -> &[u8; 32] {
        &self.0.id_key
    }
}

/// The first server of `url` that is on another host and whose address does not ask for TLS. One that is no
/// address is refused when it is connected to.
#[must_use]
pub fn in_the_clear(url: &str) -> Option<String> {
    let addresses = url.split(',').filter_map(|one| one.trim().parse().ok());
    addresses
        .filter(|address: &ServerAddr| !address.tls_required() && !is_this_host(address.host()))
        .map(|address| address.host().to_owned())
        .next()
}

/// How long one request may take before it is tried again.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// An error with all its causes: the outermost alone often says nothing.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

fn note(event: &Event) {
    match event {
        Event::Connected => tracing::info!("connected to NATS"),
        Event::Disconnected => {
            metrics::disconnected();
            tracing::warn!("lost the connection to NATS");
        }
        Event::ServerError(error) => {
            metrics::server_error();
            tracing::warn!(%error, "NATS refused something");
        }
        Event::SlowConsumer(_) => {
            metrics::slow_consumer();
            tracing::warn!("messages arrive faster than they are taken");
        }
        other => tracing::info!(event = %other, "NATS connection"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_host_is_talked_to_in_the_clear() {
        let table = [
            ("nats://127.0.0.1:4222", None),
            ("localhost", None),
            ("nats://[::1]:4222,nats://127.0.0.2", None),
            ("tls://nats.example.org:4222", None),
            ("nats://nats.example.org:4222", Some("nats.example.org")),
            ("nats://127.0.0.1, 10.0.0.5:4222", Some("10.0.0.5")),
            (
                "tls://a.example.org,nats://b.example.org",
                Some("b.example.org"),
            ),
            ("ws://nats.example.org", Some("nats.example.org")),
        ];
        for (url, host) in table {
            assert_eq!(in_the_clear(url).as_deref(), host, "{url}");
        }
    }
}
