//! Requests to JetStream, with the error code that the typed client hides.

use async_nats::HeaderMap;
use async_nats::client::{Request, RequestErrorKind};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Error;
use crate::bus::{Bus, REQUEST_TIMEOUT, describe};

impl Bus {
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
        let mut request = Request::new().payload(body).timeout(Some(REQUEST_TIMEOUT));
        if !headers.is_empty() {
            request = request.headers(headers);
        }
        let answer = self
            .client()
            .send_request(subject.to_owned(), request)
            .await;
        answer.map_err(|error| Error::NoAnswer {
            subject: subject.to_owned(),
            reason: match error.kind() {
                RequestErrorKind::TimedOut => {
                    "timed out (is it away, or may this user not do that?)".to_owned()
                }
                _ => describe(&error),
            },
        })
    }
}
