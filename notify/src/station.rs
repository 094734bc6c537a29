//! A receiver with its requests: a few at a time, and none while it asked to be left alone.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures::StreamExt;
use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::channel::{Answer, Call, Channel, Reply};
use crate::{Error, metrics};

/// Requests to one receiver at a time.
const AT_ONCE: usize = 4;
/// How much of an answer is read, in bytes.
const MAX_REPLY: usize = 64 << 10;

/// A receiver that requests can be sent to.
pub(crate) struct Station {
    channel: Channel,
    client: Client,
    room: Semaphore,
    closed_until: Mutex<Option<Instant>>,
}

/// What speaks HTTP to receivers: nobody sends it elsewhere.
///
/// # Errors
///
/// When TLS cannot be set up.
pub(crate) fn client(timeout: Duration) -> Result<Client, Error> {
    let client = Client::builder()
        .timeout(timeout)
        .redirect(Policy::none())
        .user_agent(concat!("aegis/", env!("CARGO_PKG_VERSION")));
    client
        .build()
        .map_err(|error| Error::Http(error.to_string()))
}

impl Station {
    pub(crate) const fn new(channel: Channel, client: Client) -> Self {
        Self {
            channel,
            client,
            room: Semaphore::const_new(AT_ONCE),
            closed_until: Mutex::new(None),
        }
    }

    pub(crate) const fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Waits until few enough are at it.
    pub(crate) async fn enter(&self) -> SemaphorePermit<'_> {
        let room = self.room.acquire().await;
        room.expect("it is never closed")
    }

    /// Sends a request, unless the receiver asked to be left alone.
    pub(crate) async fn send(&self, call: &Call) -> Answer {
        if let Some(rest) = self.rest() {
            return later(Some(rest), "it asked to wait".to_owned());
        }
        let begun = Instant::now();
        let answer = match self.ask(call).await {
            Ok(reply) => self.channel.understand(&reply),
            // The URL may be a secret.
            Err(error) => later(None, describe(&error.without_url())),
        };
        metrics::answered(self.channel.kind(), &answer, begun.elapsed());
        if let Answer::Later {
            after: Some(after), ..
        } = &answer
        {
            self.close(*after);
        }
        answer
    }

    async fn ask(&self, call: &Call) -> Result<Reply, reqwest::Error> {
        let mut request = self.client.post(&call.url).body(call.body.clone());
        request = request.header(CONTENT_TYPE, "application/json; charset=utf-8");
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let retry_after = answer.headers().get(RETRY_AFTER);
        let retry_after = retry_after
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        let mut body = Vec::new();
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            let room = MAX_REPLY - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() == MAX_REPLY {
                break;
            }
        }
        Ok(Reply {
            status,
            retry_after,
            body,
        })
    }

    /// How long it is to be left alone.
    fn rest(&self) -> Option<Duration> {
        let until = (*self.lock())?;
        let rest = until.saturating_duration_since(Instant::now());
        (!rest.is_zero()).then_some(rest)
    }

    fn close(&self, rest: Duration) {
        let until = Instant::now().checked_add(rest);
        let mut closed = self.lock();
        *closed = until.max(*closed);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.closed_until
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

const fn later(after: Option<Duration>, because: String) -> Answer {
    Answer::Later { after, because }
}

/// An error with its causes: the outermost says only that a request failed.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
