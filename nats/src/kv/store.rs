//! One bucket: reads that go to the server every time, writes that compare and swap.

use std::time::Duration;

use aegis_schemas::Timestamp;
use async_nats::HeaderMap;
use bytes::Bytes;
use serde::Deserialize;

use crate::topology::Bucket;
use crate::{Bus, Error};

const EXPECTED_REVISION: &str = "Nats-Expected-Last-Subject-Sequence";
const OPERATION: &str = "KV-Operation";
const TIME_TO_LIVE: &str = "Nats-TTL";

/// JetStream's code for a revision that is not the expected one.
const WRONG_REVISION: u64 = 10071;

/// A bucket over a connection.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    bus: Bus,
    bucket: Bucket,
}

/// A key's value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) revision: u64,
    pub(crate) time: Timestamp,
    pub(crate) value: Bytes,
}

#[derive(Deserialize)]
struct Ack {
    seq: u64,
}

impl Store {
    pub(crate) const fn new(bus: Bus, bucket: Bucket) -> Self {
        Self { bus, bucket }
    }

    /// The key's value as it is now; `None` when it has none or was deleted.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Entry>, Error> {
        Ok(self
            .last(key)
            .await?
            .and_then(|(entry, deleted)| (!deleted).then_some(entry)))
    }

    /// Sets the key, whatever it was.
    pub(crate) async fn put(&self, key: &str, value: Bytes) -> Result<u64, Error> {
        self.write(key, HeaderMap::new(), value).await
    }

    /// Sets the key if it was never set or was deleted; `None` when it has a value.
    pub(crate) async fn create(&self, key: &str, value: Bytes) -> Result<Option<u64>, Error> {
        match self.update(key, 0, value.clone()).await {
            Err(Error::Conflict(_)) => {}
            result => return result.map(Some),
        }
        match self.last(key).await? {
            Some((entry, true)) => match self.update(key, entry.revision, value).await {
                Err(Error::Conflict(_)) => Ok(None),
                result => result.map(Some),
            },
            _ => Ok(None),
        }
    }

    /// Sets the key if it still is at `revision` (0: was never set).
    pub(crate) async fn update(
        &self,
        key: &str,
        revision: u64,
        value: Bytes,
    ) -> Result<u64, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(EXPECTED_REVISION, revision.to_string());
        match self.write(key, headers, value).await {
            Err(Error::Refused {
                code: WRONG_REVISION,
                ..
            }) => Err(Error::Conflict(key.to_owned())),
            result => result,
        }
    }

    /// Deletes the key; the marker that says so goes away by itself.
    pub(crate) async fn delete(&self, key: &str, marker: Duration) -> Result<u64, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(OPERATION, "DEL");
        headers.insert(TIME_TO_LIVE, format!("{}s", marker.as_secs().max(1)));
        self.write(key, headers, Bytes::new()).await
    }

    async fn write(&self, key: &str, headers: HeaderMap, value: Bytes) -> Result<u64, Error> {
        let subject = self.bucket.subject(key);
        let ack: Ack = self.bus.ask(&subject, headers, value).await?;
        Ok(ack.seq)
    }

    async fn last(&self, key: &str) -> Result<Option<(Entry, bool)>, Error> {
        if self.bucket.any_replica_answers() {
            self.last_of_any(key).await
        } else {
            self.last_of_leader(key).await
        }
    }

    async fn last_of_leader(&self, key: &str) -> Result<Option<(Entry, bool)>, Error> {
        let query = serde_json::json!({ "last_by_subj": self.bucket.subject(key) });
        let stored = self.bus.stored(&self.bucket.stream(), &query).await?;
        let Some(message) = stored else {
            return Ok(None);
        };
        let deleted = String::from_utf8_lossy(&message.headers)
            .lines()
            .any(|line| {
                line.split_once(':')
                    .is_some_and(|(name, value)| name == OPERATION && value.trim() != "PUT")
            });
        let entry = Entry {
            revision: message.seq,
            time: message.time,
            value: message.body.into(),
        };
        Ok(Some((entry, deleted)))
    }

    async fn last_of_any(&self, key: &str) -> Result<Option<(Entry, bool)>, Error> {
        let subject = format!(
            "$JS.API.DIRECT.GET.{}.{}",
            self.bucket.stream(),
            self.bucket.subject(key)
        );
        let answer = self
            .bus
            .request(&subject, HeaderMap::new(), Bytes::new())
            .await?;
        if let Some(status) = answer.status
            && !status.is_success()
        {
            if status.as_u16() == 404 {
                return Ok(None);
            }
            return Err(Error::Refused {
                subject,
                code: u64::from(status.as_u16()),
                text: answer.description.unwrap_or_default(),
            });
        }
        let header = |name: &str| {
            let headers = answer.headers.as_ref()?;
            headers.get(name).map(|value| value.as_str().to_owned())
        };
        let unreadable = |reason: &str| Error::Unreadable {
            subject: subject.clone(),
            reason: reason.to_owned(),
        };
        let revision = header("Nats-Sequence")
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| unreadable("no sequence"))?;
        let time = header("Nats-Time-Stamp")
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| unreadable("no time"))?;
        let deleted = header(OPERATION).is_some_and(|operation| operation != "PUT");
        let entry = Entry {
            revision,
            time,
            value: answer.payload,
        };
        Ok(Some((entry, deleted)))
    }
}
