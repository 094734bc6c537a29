//! The dead man's switch, both ways: parts of Aegis that fall silent are told, and as long as none does, a
//! sign of life goes to somebody outside who notices when it ends.

use std::sync::Arc;

use aegis_nats::kv::{self, HealthBoard};
use aegis_nats::topology::{Durable, token};
use aegis_nats::{Bus, Error as BusError};
use aegis_schemas::{Cluster, Timestamp};
use reqwest::{Client, Url};
use tokio::time::{Instant, MissedTickBehavior};

use crate::alarm::{Alarm, Part, Pulse, pulse};
use crate::config::{DeadMan, service, url_fault};
use crate::desk::{Desk, Occasion, now};
use crate::ledger::Record;
use crate::secret::Secret;
use crate::station::{client, describe};
use crate::{Config, Error, metrics};

/// When the last heartbeat of each cluster was, shared by replicas.
pub(crate) struct Heartbeats(kv::Told);

impl Heartbeats {
    pub(crate) fn new(bus: &Bus) -> Self {
        Self(kv::Told::new(bus))
    }

    /// Notes a heartbeat; a later one that is noted stays.
    pub(crate) async fn heard(&self, cluster: &Cluster, at: Timestamp) -> Result<(), BusError> {
        let key = Self::key(cluster);
        loop {
            let held = self.0.read(&key).await?;
            let known = held.as_ref().and_then(|held| read(&held.value));
            if known.is_some_and(|known| known >= at) {
                return Ok(());
            }
            let revision = held.map_or(0, |held| held.revision);
            let value = at.as_nanos().to_string();
            match self.0.write(&key, revision, value.into()).await {
                Err(BusError::Conflict(_)) => {}
                stored => return stored.map(|_| ()),
            }
        }
    }

    async fn last(&self, cluster: &Cluster) -> Result<Option<Timestamp>, BusError> {
        let held = self.0.read(&Self::key(cluster)).await?;
        Ok(held.and_then(|held| read(&held.value)))
    }

    fn key(cluster: &Cluster) -> String {
        format!("heartbeat.{}", token(cluster.as_str()))
    }
}

fn read(value: &[u8]) -> Option<Timestamp> {
    let nanos = std::str::from_utf8(value).ok()?.parse().ok()?;
    Some(Timestamp::from_nanos(nanos))
}

/// Looks after the parts of Aegis.
pub(crate) struct Watch {
    bus: Bus,
    desk: Arc<Desk>,
    heartbeats: Heartbeats,
    board: HealthBoard,
    config: DeadMan,
    parts: Vec<Part>,
    client: Client,
    ping_url: Option<Url>,
    listening: Timestamp,
}

impl Watch {
    pub(crate) fn open(
        bus: &Bus,
        config: &Config,
        clusters: &[Cluster],
        desk: Arc<Desk>,
    ) -> Result<Self, Error> {
        let dead_man = config.dead_man.clone();
        let stages = dead_man.stages.iter().cloned().map(Part::Stage);
        let clusters = clusters.iter().cloned().map(Part::Heartbeat);
        Ok(Self {
            heartbeats: Heartbeats::new(bus),
            board: HealthBoard::new(bus),
            parts: clusters.chain(stages).collect(),
            client: client(config.request_timeout)?,
            ping_url: ping_url(&dead_man)?,
            config: dead_man,
            listening: now(),
            bus: bus.clone(),
            desk,
        })
    }

    /// Looks, for ever.
    pub(crate) async fn keep(self) {
        let mut looks = tokio::time::interval(self.config.look_every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pinged: Option<Instant> = None;
        loop {
            looks.tick().await;
            let well = self.look().await;
            let due = pinged.is_none_or(|at| at.elapsed() >= self.config.ping_every);
            if let Some(url) = self.ping_url.as_ref().filter(|_| due) {
                pinged = Some(Instant::now());
                if well {
                    self.ping(url.clone()).await;
                } else {
                    metrics::ping("withheld");
                }
            }
        }
    }

    /// Looks at every part once; answers whether all are well.
    async fn look(&self) -> bool {
        let mut well = true;
        for part in &self.parts {
            match self.examine(part).await {
                Ok(pulse) => well &= pulse == Pulse::Well,
                Err(error) => {
                    well = false;
                    tracing::warn!(%error, part = part.name(), "cannot look after it");
                }
            }
        }
        well
    }

    async fn examine(&self, part: &Part) -> Result<Pulse, BusError> {
        let heard = match part {
            Part::Heartbeat(cluster) => self.heartbeats.last(cluster).await?,
            Part::Stage(stage) => self.stage(stage).await?,
        };
        let now = now();
        let mut found = pulse(heard, self.listening, now, self.config.silence);
        // Who has not read everything yet has not heard everything.
        if matches!((part, found), (Part::Heartbeat(_), Pulse::Silent(_)))
            && self.bus.backlog(&Durable::notify()).await?.unread > 0
        {
            found = Pulse::Unclear;
        }
        metrics::silent(part, matches!(found, Pulse::Silent(_)));
        self.tell(part, found, now).await?;
        Ok(found)
    }

    async fn tell(&self, part: &Part, found: Pulse, now: Timestamp) -> Result<(), BusError> {
        let key = part.key();
        let take = |record: &mut Record| {
            if let Some(alarm) = Alarm::next(record.alarm.as_ref(), part, found, now) {
                record.alarm = Some(alarm);
            }
        };
        let (record, ()) = self.desk.change(&key, take).await?;
        let occasion = Occasion {
            by: 0,
            at: now,
            fresh: true,
        };
        // What was not taken is tried at the next look.
        self.desk.settle(&key, &record, occasion).await?;
        Ok(())
    }

    async fn stage(&self, name: &str) -> Result<Option<Timestamp>, BusError> {
        let Some(service) = service(name) else {
            return Ok(None);
        };
        let seen = self.board.of(&service).await?;
        Ok(seen.map(|seen| now() - seen.age))
    }

    async fn ping(&self, url: Url) {
        let answer = self.client.get(url).send().await;
        match answer.and_then(reqwest::Response::error_for_status) {
            Ok(_) => metrics::ping("taken"),
            Err(error) => {
                metrics::ping("failed");
                let error = describe(&error.without_url());
                tracing::warn!(error, "the dead man's switch did not take the sign of life");
            }
        }
    }
}

fn ping_url(config: &DeadMan) -> Result<Option<Url>, Error> {
    let Some(path) = &config.ping_url_file else {
        return Ok(None);
    };
    let secret = Secret::read(path)?;
    let refused = |reason: &str| Error::Secret {
        path: path.clone(),
        reason: reason.to_owned(),
    };
    if url_fault(secret.text()).is_some() {
        return Err(refused("it must be a URL that begins with `https://`"));
    }
    let url = Url::parse(secret.text()).map_err(|_| refused("it is not a URL"))?;
    Ok(Some(url))
}
