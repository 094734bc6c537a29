//! Makes streams, buckets and consumers what they are declared to be. Doing it twice is harmless.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use aegis_schemas::header::Meta;
use aegis_schemas::signal::Genesis;
use aegis_schemas::{
    Cluster, Entity, EntityKind, Event, EventId, Kind, Name, Signal, SignalBody, Stream, Subject,
    Timestamp,
};
use async_nats::jetstream::stream;
use serde_json::{Value, json};

use crate::error::{NO_CONSUMER, NO_STREAM};
use crate::topology::{Bucket, Durable, EPOCH, Settings, declaration};
use crate::{Bus, Error};

/// What was found or made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provisioned {
    /// The epoch of AEGIS_EVENTS: the top bits of every fence.
    pub events_epoch: u16,
    /// What was not there before, by name.
    pub created: Vec<String>,
}

/// Makes everything. A stream that is made now gets `epoch_if_new`; one that exists keeps its epoch.
/// The first message of a new AEGIS_EVENTS is the genesis of the first cluster; every other cluster
/// gets its own before it is first read. It is said again when the cluster's UID is not the one that the
/// last genesis told: the cluster was made anew, or nobody knew it then.
///
/// # Errors
///
/// When the settings contradict themselves or the server refuses.
pub async fn provision(
    bus: &Bus,
    settings: &Settings,
    epoch_if_new: u16,
) -> Result<Provisioned, Error> {
    provision_with(bus, settings, epoch_if_new, &BTreeMap::new()).await
}

/// As [`provision`]; a genesis also tells the UID of its cluster, which decisions are bound to.
///
/// # Errors
///
/// When the settings contradict themselves or the server refuses.
pub async fn provision_with(
    bus: &Bus,
    settings: &Settings,
    epoch_if_new: u16,
    uids: &BTreeMap<Cluster, String>,
) -> Result<Provisioned, Error> {
    settings.validate()?;
    let mut created = Vec::new();
    let mut events_epoch = epoch_if_new;
    for stream in Stream::ALL {
        let epoch = existing_epoch(bus, stream).await?;
        let mut config = declaration(stream, settings, epoch.unwrap_or(epoch_if_new));
        if stream == Stream::Events {
            events_epoch = epoch.unwrap_or(epoch_if_new);
            if epoch.is_none() || !has_begun(bus, settings).await? {
                // Services may be waiting to publish: nothing comes before the genesis, also when an earlier
                // run ended before it said it.
                config.subjects = vec!["aegis.v1.signal.genesis.>".to_owned()];
            }
        }
        make_stream(bus, &config, epoch.is_some()).await?;
        if epoch.is_none() {
            created.push(config.name);
        }
    }
    for bucket in Bucket::ALL {
        let config = bucket.declaration(settings);
        let exists = stream_config(bus, &config.name).await?.is_some();
        make_stream(bus, &config, exists).await?;
        if !exists {
            created.push(config.name);
        }
    }
    for cluster in &settings.clusters {
        let last = last_genesis(bus, cluster).await?;
        let recorded = last.as_ref().and_then(|last| last.uid.as_ref());
        let uid = uids.get(cluster);
        let is_new = last.is_none() && !exists(bus, &Durable::policy(cluster)).await?;
        if is_new || (uid.is_some() && uid != recorded) {
            let after = last.map_or(0, |last| last.seq);
            say_genesis(bus, cluster, events_epoch, uids, after).await?;
        }
    }
    let events = declaration(Stream::Events, settings, events_epoch);
    make_stream(bus, &events, true).await?;
    for durable in Durable::all(settings) {
        if !exists(bus, &durable).await? {
            created.push(format!("{}/{}", durable.stream, durable.name));
        }
        make_consumer(bus, &durable).await?;
    }
    tracing::info!(
        events_epoch,
        created = created.len(),
        "the bus is provisioned"
    );
    Ok(Provisioned {
        events_epoch,
        created,
    })
}

/// Whether AEGIS_EVENTS has, or had, a genesis.
async fn has_begun(bus: &Bus, settings: &Settings) -> Result<bool, Error> {
    for cluster in &settings.clusters {
        let read = exists(bus, &Durable::policy(cluster)).await?;
        if read || last_genesis(bus, cluster).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(crate) async fn stream_config(bus: &Bus, name: &str) -> Result<Option<stream::Config>, Error> {
    let asked: Result<stream::Info, _> = bus.call(&format!("STREAM.INFO.{name}"), &json!({})).await;
    match asked {
        Ok(info) => Ok(Some(info.config)),
        Err(Error::Refused {
            code: NO_STREAM, ..
        }) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(crate) async fn existing_epoch(bus: &Bus, stream: Stream) -> Result<Option<u16>, Error> {
    let Some(config) = stream_config(bus, stream.name()).await? else {
        return Ok(None);
    };
    let epoch = config
        .metadata
        .get(EPOCH)
        .and_then(|text| text.parse().ok());
    epoch.map(Some).ok_or_else(|| {
        Error::Settings(format!(
            "stream {stream} exists, but `aegis provision` did not make it (no `{EPOCH}` in its metadata)"
        ))
    })
}

pub(crate) async fn make_stream(
    bus: &Bus,
    config: &stream::Config,
    exists: bool,
) -> Result<(), Error> {
    let verb = if exists { "UPDATE" } else { "CREATE" };
    let body = crate::check::declared(config);
    let _: Value = bus
        .call(&format!("STREAM.{verb}.{}", config.name), &body)
        .await?;
    Ok(())
}

async fn exists(bus: &Bus, durable: &Durable) -> Result<bool, Error> {
    let endpoint = format!("CONSUMER.INFO.{}.{}", durable.stream, durable.name);
    match bus.call::<Value>(&endpoint, &json!({})).await {
        Ok(_) => Ok(true),
        Err(Error::Refused {
            code: NO_CONSUMER, ..
        }) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn make_consumer(bus: &Bus, durable: &Durable) -> Result<(), Error> {
    let body = json!({
        "stream_name": durable.stream.name(),
        "config": durable.declaration(),
    });
    let endpoint = format!("CONSUMER.CREATE.{}.{}", durable.stream, durable.name);
    let _: Value = bus.call(&endpoint, &body).await?;
    Ok(())
}

/// A genesis on the log.
struct Said {
    seq: u64,
    /// The UID that it told of its cluster.
    uid: Option<String>,
}

/// The genesis of a cluster that the log tells last.
async fn last_genesis(bus: &Bus, cluster: &Cluster) -> Result<Option<Said>, Error> {
    let subject = Subject::signal("genesis", &cluster_entity(cluster)?);
    let query = json!({ "last_by_subj": subject.as_str() });
    let Some(message) = bus.stored(Stream::Events.name(), &query).await? else {
        return Ok(None);
    };
    // One that nobody can read told nobody a UID.
    let event = Event::decode(Kind::Signal.as_str(), &message.body);
    let uid = match event {
        Ok(Event::Signal(Signal {
            body: SignalBody::Genesis(genesis),
            ..
        })) => genesis.clusters.get(cluster.as_str()).cloned(),
        _ => None,
    };
    Ok(Some(Said {
        seq: message.seq,
        uid,
    }))
}

/// Says the stream's epoch and the cluster's UID to the cores of one cluster; `after` is where it was
/// said before.
async fn say_genesis(
    bus: &Bus,
    cluster: &Cluster,
    epoch: u16,
    uids: &BTreeMap<Cluster, String>,
    after: u64,
) -> Result<(), Error> {
    let uid = uids.get(cluster).map_or("", String::as_str);
    let name = format!("{epoch}/{cluster}/{uid}/{after}");
    let wall = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now = Timestamp::EPOCH + wall;
    let entity = cluster_entity(cluster)?;
    let subject = Subject::signal("genesis", &entity);
    let event = Event::Signal(Signal {
        entity,
        observed: now,
        source: "provision".to_owned(),
        body: SignalBody::Genesis(Genesis {
            epoch,
            clusters: uids
                .iter()
                .map(|(cluster, uid)| (cluster.as_str().to_owned(), uid.clone()))
                .collect(),
        }),
    });
    let meta = Meta {
        id: EventId::of_content("provision", name.as_bytes()),
        kind: event.kind().as_str().to_owned(),
        source: "provision".to_owned(),
        time: now,
        cause: None,
        origin: None,
        traceparent: None,
    };
    let body = event
        .encode()
        .map_err(|error| Error::Settings(error.to_string()))?;
    let within = Some(std::time::Duration::from_secs(30));
    bus.publisher()
        .publish(&subject, &meta, body.into(), within)
        .await?;
    Ok(())
}

/// The cluster as a whole.
fn cluster_entity(cluster: &Cluster) -> Result<Entity, Error> {
    let name = Name::parse(cluster.as_str()).map_err(|error| Error::Settings(error.to_string()))?;
    Ok(Entity::cluster_scoped(
        cluster.clone(),
        EntityKind::Cluster,
        name,
    ))
}
