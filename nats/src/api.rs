//! Requests to JetStream, with the error code that the typed client hides.

use std::pin::pin;
use std::time::Duration;

use aegis_schemas::{Stream, Timestamp};
use async_nats::HeaderMap;
use async_nats::client::Request;
use bytes::Bytes;
use data_encoding::BASE64;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::Error;
use crate::bus::{Bus, REQUEST_TIMEOUT, describe};

/// JetStream's code for a message that is not there.
const NO_MESSAGE: u64 = 10037;
/// How long an answer may take to be read that was there when its time was over.
const READ_AFTERWARDS: Duration = Duration::from_millis(500);

/// A message as a stream keeps it.
#[derive(Deserialize)]
pub(crate) struct Stored {
    pub(crate) seq: u64,
    pub(crate) time: Timestamp,
    /// What cannot be said in JSON is replaced.
    #[serde(default)]
    pub(crate) subject: String,
    /// All headers, as its sender wrote them.
    #[serde(default, rename = "hdrs", deserialize_with = "base64")]
    pub(crate) headers: Vec<u8>,
    #[serde(default, rename = "data", deserialize_with = "base64")]
    pub(crate) body: Vec<u8>,
}

fn base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = BASE64.decode(text.as_bytes());
    bytes.map_err(serde::de::Error::custom)
}

impl Bus {
    /// The message that `query` asks the stream's leader for, if there is one.
    pub(crate) async fn stored(
        &self,
        stream: &str,
        query: &Value,
    ) -> Result<Option<Stored>, Error> {
        #[derive(Deserialize)]
        struct Got {
            message: Stored,
        }
        let endpoint = format!("STREAM.MSG.GET.{stream}");
        match self.call::<Got>(&endpoint, query).await {
            Ok(Got { message }) => Ok(Some(message)),
            Err(Error::Refused {
                code: NO_MESSAGE, ..
            }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the stream still has the message at `seq` and can read it.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub async fn has(&self, stream: Stream, seq: u64) -> Result<bool, Error> {
        let found = self.stored(stream.name(), &json!({ "seq": seq })).await?;
        Ok(found.is_some())
    }

    /// Asks `$JS.API.<endpoint>`.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        endpoint: &str,
        body: &Value,
    ) -> Result<T, Error> {
        let subject = format!("$JS.API.{endpoint}");
        self.ask(&subject, HeaderMap::new(), body.to_string().into())
            .await
    }

    /// Sends a request whose answer is JSON with an `error` in it when it is refused.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        subject: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<T, Error> {
        let answer = self.request(subject, headers, body).await?;
        let unreadable = |error: serde_json::Error| Error::Unreadable {
            subject: subject.to_owned(),
            reason: error.to_string(),
        };
        let answer: Value = serde_json::from_slice(&answer.payload).map_err(unreadable)?;
        if let Some(error) = answer.get("error") {
            return Err(Error::Refused {
                subject: subject.to_owned(),
                code: error["err_code"].as_u64().unwrap_or(0),
                text: error["description"].as_str().unwrap_or("").to_owned(),
            });
        }
        serde_json::from_value(answer).map_err(unreadable)
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn request(
        &self,
        subject: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<async_nats::Message, Error> {
        // The wait is bounded here, see `answered`.
        let mut request = Request::new().payload(body).timeout(None);
        if !headers.is_empty() {
            request = request.headers(headers);
        }
        let sent = self.client().send_request(subject.to_owned(), request);
        let reason = match answered(sent).await {
            Some(Ok(answer)) => return Ok(answer),
            Some(Err(error)) => describe(&error),
            None => "timed out (is it away, or may this user not do that?)".to_owned(),
        };
        Err(Error::NoAnswer {
            subject: subject.to_owned(),
            reason,
        })
    }
}

/// The answer, if it comes in time. In a process that stood still (stopped, swapped out, in a machine
/// that was moved) the timer is due before the answer is read that came meanwhile; one more moment
/// keeps it from sending everything again that was under way.
async fn answered<F: Future>(answer: F) -> Option<F::Output> {
    let mut answer = pin!(answer);
    for wait in [REQUEST_TIMEOUT, READ_AFTERWARDS] {
        if let Ok(answer) = tokio::time::timeout(wait, &mut answer).await {
            return Some(answer);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;
    use tokio::task::yield_now;
    use tokio::time::sleep;

    #[tokio::test(start_paused = true)]
    async fn an_answer_counts_that_is_read_after_the_timer() {
        for (read_after, counts) in [
            (REQUEST_TIMEOUT / 2, true),
            (REQUEST_TIMEOUT, true),
            (REQUEST_TIMEOUT * 2, false),
        ] {
            let (reads, answer) = oneshot::channel();
            let connection = async {
                sleep(read_after).await;
                yield_now().await;
                // Nobody listens any more where it came too late.
                let _ = reads.send(());
            };
            let (answer, ()) = tokio::join!(answered(answer), connection);
            assert_eq!(answer.is_some(), counts, "{read_after:?}");
        }
    }
}
