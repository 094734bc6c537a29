//! Where what is known becomes what people are told: the record is read, the request claimed in it, sent,
//! and its answer noted. Whoever dies on the way leaves a claim that ends.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aegis_nats::kv;
use aegis_nats::retry::Backoff;
use aegis_nats::{Bus, Error as BusError};
use aegis_schemas::Timestamp;
use futures::future::join_all;

use crate::channel::{Answer, Channel};
use crate::ledger::{Due, Record};
use crate::notice::Notice;
use crate::station::{Station, client};
use crate::{Config, Error, metrics};

/// The shortest and the longest wait before another try.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// The most messages to one receiver for one event; more than a case has acts.
const MAX_STEPS: usize = 32;

/// Tells people.
pub(crate) struct Desk {
    told: kv::Told,
    config: Config,
    stations: BTreeMap<String, Station>,
}

/// For which event people are told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Occasion {
    /// Its sequence; 0 for what is no event.
    pub(crate) by: u64,
    /// When it happened.
    pub(crate) at: Timestamp,
    /// Whether those are told who were not told before.
    pub(crate) fresh: bool,
}

impl Desk {
    /// Opens every receiver.
    ///
    /// # Errors
    ///
    /// When a secret cannot be read.
    pub(crate) fn open(bus: &Bus, config: Config) -> Result<Self, Error> {
        let stations = stations(&config)?;
        for station in stations.values() {
            metrics::begin(station.channel().kind());
        }
        Ok(Self {
            told: kv::Told::new(bus),
            stations,
            config,
        })
    }

    /// Changes what is kept under `key`, with nobody in between; answers what is kept then.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub(crate) async fn change<T>(
        &self,
        key: &str,
        mut change: impl FnMut(&mut Record) -> T,
    ) -> Result<(Record, T), BusError> {
        loop {
            let held = self.told.read(key).await?;
            let before = match &held {
                Some(held) => parse(key, &held.value),
                None => Record::default(),
            };
            let mut record = before.clone();
            let result = change(&mut record);
            if record == before {
                return Ok((record, result));
            }
            let revision = held.map_or(0, |held| held.revision);
            let value = serde_json::to_vec(&record).expect("a record has no maps but by text");
            match self.told.write(key, revision, value.into()).await {
                Err(BusError::Conflict(_)) => {}
                stored => return stored.map(|_| (record, result)),
            }
        }
    }

    /// Tells everybody who is to know of what is kept under `key`; answers how long to wait before doing it
    /// again, if that is needed. A receiver that does not answer holds back nobody else.
    ///
    /// # Errors
    ///
    /// When the bus does not answer.
    pub(crate) async fn settle(
        &self,
        key: &str,
        record: &Record,
        occasion: Occasion,
    ) -> Result<Option<Duration>, BusError> {
        let now = now();
        let Some((notice, calm)) = self.notice(key, record, now) else {
            return Ok(None);
        };
        let names = record.receivers(&notice, &self.config.routes, occasion.fresh);
        let told = join_all(names.iter().filter_map(|name| {
            let station = self.stations.get(name)?;
            Some(self.tell(key, name, station, occasion))
        }));
        let mut waits: Vec<Duration> = calm.map(|calm| calm.since(now)).into_iter().collect();
        for wait in told.await {
            waits.extend(wait?);
        }
        Ok(waits.into_iter().min())
    }

    async fn tell(
        &self,
        key: &str,
        name: &str,
        station: &Station,
        occasion: Occasion,
    ) -> Result<Option<Duration>, BusError> {
        for _ in 0..MAX_STEPS {
            // Before the claim, which must not end while it waits.
            let _room = station.enter().await;
            let now = now();
            // Longer than the request may take, so that nobody else sends it meanwhile.
            let claim = now + self.config.request_timeout * 2;
            let receiver = (name, station.channel());
            let due = |record: &mut Record| match self.notice(key, record, now) {
                Some((notice, _)) => record.claim(receiver, &notice, occasion.by, now, claim),
                None => Due::Nothing,
            };
            let (record, due) = self.change(key, due).await?;
            let step = match due {
                Due::Nothing => return Ok(None),
                Due::Wait(until) => return Ok(Some(until.since(now))),
                Due::Send(step) => step,
            };
            let answer = station.send(&step.call).await;
            let wait = wait(&answer, record.failures(name));
            let retry = crate::desk::now() + wait.unwrap_or_default();
            let note = |record: &mut Record| record.note(name, &step, &answer, occasion.by, retry);
            self.change(key, note).await?;
            say(key, name, station.channel(), &answer, occasion);
            if wait.is_some() {
                return Ok(wait);
            }
        }
        Ok(None)
    }

    /// Gives up what the event at `by` would have been handled again for.
    ///
    /// # Errors
    ///
    /// As [`Desk::change`].
    pub(crate) async fn give_up(&self, key: &str, by: u64) -> Result<(), BusError> {
        let (_, names) = self.change(key, |record| record.give_up(by)).await?;
        for name in names {
            let station = self.stations.get(&name);
            metrics::given_up(station.map_or("none", |station| station.channel().kind()));
            tracing::error!(key, receiver = name, "it did not answer in time: given up");
        }
        Ok(())
    }

    fn notice(
        &self,
        key: &str,
        record: &Record,
        now: Timestamp,
    ) -> Option<(Notice, Option<Timestamp>)> {
        let dashboard = self.config.dashboard_url.as_deref();
        let dashboard = dashboard.map(|url| url.trim_end_matches('/'));
        record.notice(key, &self.config.flapping, now, dashboard)
    }
}

/// Every receiver, by its name.
///
/// # Errors
///
/// When a secret cannot be read.
pub(crate) fn stations(config: &Config) -> Result<BTreeMap<String, Station>, Error> {
    let client = client(config.request_timeout)?;
    let mut stations = BTreeMap::new();
    for (name, receiver) in &config.receivers {
        let channel = Channel::open(name, receiver)?;
        stations.insert(name.clone(), Station::new(channel, client.clone()));
    }
    Ok(stations)
}

/// The wall clock: claims and questions end by it.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp::EPOCH + since.unwrap_or_default()
}

/// How long to wait before the same request is made again; none when it is not.
fn wait(answer: &Answer, failures: u32) -> Option<Duration> {
    let Answer::Later { after, .. } = answer else {
        return None;
    };
    let own = Backoff::new(RETRY.0, RETRY.1).after(failures).delay();
    Some(own.max(after.unwrap_or_default()))
}

fn say(key: &str, receiver: &str, channel: &Channel, answer: &Answer, occasion: Occasion) {
    let channel = channel.kind();
    match answer {
        Answer::Taken(_) => {
            let after = now().since(occasion.at);
            metrics::told(channel, after);
            tracing::info!(key, receiver, channel, ?after, "told");
        }
        Answer::Gone => {
            tracing::warn!(
                key,
                receiver,
                channel,
                "the message is gone: a new one is sent"
            );
        }
        Answer::Later { because, .. } => {
            tracing::warn!(key, receiver, channel, because, "not taken, tried again");
        }
        Answer::Never(because) => {
            metrics::given_up(channel);
            tracing::error!(key, receiver, channel, because, "refused: nobody is told");
        }
    }
}

/// What cannot be read is begun anew: people are rather told twice than never again.
fn parse(key: &str, value: &[u8]) -> Record {
    serde_json::from_slice(value).unwrap_or_else(|error| {
        tracing::error!(key, %error, "what is kept cannot be read and is begun anew");
        Record::default()
    })
}
