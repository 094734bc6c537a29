//! The Kubernetes watch. Every process of a cluster watches, so that it can map pods; the active one
//! says what it sees.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use aegis_schemas::Signal;
use futures::StreamExt;
use futures::stream::{BoxStream, SelectAll};
use kube::Client;
use kube::api::{Api, DynamicObject, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::metadata::PartialObjectMeta;
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::Value;
use tokio::sync::watch::Sender;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::shared::{Shared, now};
use crate::{Error, ObjectKind, metrics};

const SOURCE: &str = "kubernetes";
/// How often is asked whether the API server still answers.
const PROBE: Duration = Duration::from_secs(5);
const PROBE_PATIENCE: Duration = Duration::from_secs(2);
/// A kind whose watch failed twice within this time is not watched at the moment.
const FAILING: Duration = Duration::from_secs(60);

type Events = BoxStream<'static, (ObjectKind, watcher::Result<Event<Value>>)>;

/// How to reach Kubernetes.
pub(crate) async fn client(kubeconfig: Option<&Path>) -> Result<Client, Error> {
    let wrong = |error: &dyn std::fmt::Display| Error::Kubernetes(error.to_string());
    let config = match kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path).map_err(|error| wrong(&error))?;
            kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
                .await
                .map_err(|error| wrong(&error))?
        }
        None => kube::Config::infer().await.map_err(|error| wrong(&error))?,
    };
    Client::try_from(config).map_err(|error| wrong(&error))
}

/// Watches until `stop`; `synced` is set once all needed kinds were listed.
pub(crate) async fn run(
    shared: Shared,
    client: Client,
    synced: Sender<bool>,
    stop: CancellationToken,
) {
    let mut watch = Watch {
        events: ObjectKind::ALL
            .map(|kind| events(&client, kind))
            .into_iter()
            .collect(),
        lists: BTreeMap::new(),
        failures: BTreeMap::new(),
        shared,
        client,
        synced,
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = watch.run() => {}
    }
}

struct Watch {
    events: SelectAll<Events>,
    /// Lists that are arriving.
    lists: BTreeMap<ObjectKind, Vec<Value>>,
    /// When the watch of a kind last failed, and how often in a row.
    failures: BTreeMap<ObjectKind, (Instant, u32)>,
    shared: Shared,
    client: Client,
    synced: Sender<bool>,
}

impl Watch {
    async fn run(&mut self) {
        let mut restate = tokio::time::interval(self.shared.config.restate);
        restate.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut probe = tokio::time::interval(PROBE);
        probe.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut active = self.shared.active.clone();
        let gate = self.shared.gate.clone();
        let mut epoch = None;
        let mut stated = false;
        loop {
            tokio::select! {
                Some((kind, event)) = self.events.next() => {
                    let signals = self.take(kind, event);
                    if stated && self.shared.is_active() {
                        self.say(&signals).await;
                    }
                }
                _ = restate.tick() => stated = false,
                // A stream that was made anew holds no object.
                () = gate.made_anew(&mut epoch) => stated = false,
                changed = active.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    stated = false;
                }
                _ = probe.tick() => self.probe().await,
            }
            active.mark_unchanged();
            let say = self.shared.is_active() && *self.synced.borrow();
            if say && !stated {
                let signals = self.shared.restate(now());
                tracing::info!(signals = signals.len(), "stating all objects");
                self.say(&signals).await;
                restate.reset();
            }
            stated = say;
        }
    }

    fn take(&mut self, kind: ObjectKind, event: watcher::Result<Event<Value>>) -> Vec<Signal> {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                self.failed(kind, &error);
                return Vec::new();
            }
        };
        self.failures.remove(&kind);
        let at = now();
        self.shared.lives.delivered(SOURCE, at);
        match event {
            Event::Init => {
                self.lists.insert(kind, Vec::new());
                Vec::new()
            }
            Event::InitApply(object) => {
                self.lists.entry(kind).or_default().push(object);
                Vec::new()
            }
            Event::InitDone => {
                let objects = self.lists.remove(&kind).unwrap_or_default();
                let (signals, synced) = self.shared.with_catalogue(|catalogue| {
                    let signals = catalogue.listed(kind, &objects, at);
                    (signals, catalogue.is_synced())
                });
                self.synced.send_if_modified(|last| {
                    let first = synced && !*last;
                    *last |= synced;
                    first
                });
                signals
            }
            Event::Apply(object) => self
                .shared
                .with_catalogue(|catalogue| catalogue.applied(kind, &object, at)),
            Event::Delete(object) => self
                .shared
                .with_catalogue(|catalogue| catalogue.deleted(kind, &object, at)),
        }
    }

    fn failed(&mut self, kind: ObjectKind, error: &watcher::Error) {
        let (_, _, name, _) = kind.resource();
        metrics::watch_failed(name);
        let again = self.failures.get(&kind).map_or(0, |(_, times)| *times);
        self.failures.insert(kind, (Instant::now(), again + 1));
        // One failure is the ordinary end of a connection.
        if again == 1 {
            tracing::warn!(
                error = describe(error),
                kind = name,
                "cannot watch, trying again"
            );
        }
    }

    /// Nothing may happen for hours; that the API server answers shows that the watch would tell.
    async fn probe(&mut self) {
        let failing = self
            .failures
            .iter()
            .filter(|(kind, _)| kind.is_needed())
            .any(|(_, (at, times))| *times > 1 && at.elapsed() < FAILING);
        if failing || !*self.synced.borrow() {
            return;
        }
        let api = api::<DynamicObject>(&self.client, ObjectKind::Namespace);
        let one = ListParams::default().limit(1);
        let answer = tokio::time::timeout(PROBE_PATIENCE, api.list(&one)).await;
        if let Ok(Ok(_)) = answer {
            self.shared.lives.delivered(SOURCE, now());
        }
    }

    /// Stores signals, however long it takes: meanwhile the watch is not read.
    async fn say(&mut self, signals: &[Signal]) {
        if let Err(error) = self.shared.outbox.signals(signals, None).await {
            tracing::error!(%error, "signals cannot be stored");
        }
    }
}

fn api<K>(client: &Client, kind: ObjectKind) -> Api<K>
where
    K: kube::Resource<DynamicType = ApiResource>,
{
    let (group, version, name, plural) = kind.resource();
    let gvk = GroupVersionKind::gvk(group, version, name);
    let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
    Api::all_with(client.clone(), &resource)
}

fn events(client: &Client, kind: ObjectKind) -> Events {
    // Of ConfigMaps only the metadata: their data is nobody's business.
    if kind == ObjectKind::ConfigMap {
        let api = api::<PartialObjectMeta<DynamicObject>>(client, kind);
        stream(kind, watcher(api, watcher::Config::default()))
    } else {
        let api = api::<DynamicObject>(client, kind);
        stream(kind, watcher(api, watcher::Config::default()))
    }
}

fn stream<K: serde::Serialize + Send + 'static>(
    kind: ObjectKind,
    events: impl futures::Stream<Item = watcher::Result<Event<K>>> + Send + 'static,
) -> Events {
    events
        .default_backoff()
        .map(move |event| (kind, event.map(json)))
        .boxed()
}

fn json<K: serde::Serialize>(event: Event<K>) -> Event<Value> {
    let json = |object: K| serde_json::to_value(object).unwrap_or(Value::Null);
    match event {
        Event::Apply(object) => Event::Apply(json(object)),
        Event::Delete(object) => Event::Delete(json(object)),
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(json(object)),
        Event::InitDone => Event::InitDone,
    }
}

/// An error with its causes: the outermost alone does not say much.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
