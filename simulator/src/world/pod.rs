//! A pod as the world knows it: its object, its container and the process in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::draw::hash;
use crate::kubelet::Container;
use crate::model::Process;
use crate::quantity;
use crate::scenario::{Behaviour, Scenario};

/// A pod.
#[derive(Debug)]
pub(crate) struct Pod {
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) uid: String,
    /// The revision of the StatefulSet that made it, "" for pods of others.
    pub(crate) revision: String,
    /// Its workload's place in the scenario; `None` for pods of somebody else.
    pub(crate) place: Option<usize>,
    /// The containers of its spec.
    pub(crate) containers: Vec<Value>,
    /// The name of the first of them.
    pub(crate) container_name: Arc<str>,
    pub(crate) created: Timestamp,
    pub(crate) address: String,
    /// Whether it has a node.
    pub(crate) scheduled: bool,
    /// Its node's name, "" before it has one.
    pub(crate) node: Arc<str>,
    /// Since when it is on its way out.
    pub(crate) terminating: Option<Timestamp>,
    pub(crate) container: Container,
    pub(crate) process: Process,
    /// With which code its corrupt local state makes it end.
    pub(crate) corrupt: Option<i32>,
    /// Whether its status has to be written.
    pub(crate) dirty: bool,
    /// Reasons and messages of Kubernetes Events that have to be written.
    pub(crate) tell: Vec<(&'static str, String)>,
}

impl Pod {
    pub(crate) fn new(
        object: &Value,
        place: Option<usize>,
        calls: usize,
        seed: u64,
        now: Timestamp,
    ) -> Self {
        let metadata = &object["metadata"];
        let text = |key: &str| metadata[key].as_str().unwrap_or_default();
        let containers = object["spec"]["containers"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let limit = |key: &str, otherwise: f64| {
            let limits = containers
                .first()
                .map(|one| &one["resources"]["limits"][key]);
            let quantity = match limits {
                Some(Value::String(text)) => quantity::parse(text),
                Some(Value::Number(number)) => number.as_f64(),
                _ => None,
            };
            quantity.filter(|value| *value > 0.0).unwrap_or(otherwise)
        };
        let process = Process::new(
            seed,
            &format!("pod {}/{}", text("namespace"), text("name")),
            limit("cpu", 1.0),
            limit("memory", 4_294_967_296.0),
            calls,
        );
        let mark = hash(text("uid"));
        let name = containers
            .first()
            .and_then(|one| one["name"].as_str())
            .unwrap_or_default();
        let mut pod = Self {
            namespace: text("namespace").into(),
            name: text("name").into(),
            uid: text("uid").to_owned(),
            revision: metadata["labels"]["controller-revision-hash"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            place,
            container_name: name.into(),
            containers,
            created: now,
            address: format!(
                "10.{}.{}.{}",
                64 + mark % 64,
                mark / 64 % 256,
                1 + mark / 16_384 % 254
            ),
            scheduled: false,
            node: "".into(),
            terminating: None,
            container: Container::new(),
            process,
            corrupt: None,
            dirty: false,
            tell: Vec::new(),
        };
        pod.see(object, now);
        pod
    }

    /// Takes in what others changed.
    pub(crate) fn see(&mut self, object: &Value, now: Timestamp) {
        let node = object["spec"]["nodeName"].as_str().unwrap_or_default();
        self.scheduled = !node.is_empty();
        if *self.node != *node {
            self.node = node.into();
        }
        if object["metadata"]["deletionTimestamp"].is_string() && self.terminating.is_none() {
            self.terminating = Some(now);
            self.process.ready = false;
        }
    }

    /// Whether it counts: it has not been told to go.
    pub(crate) fn is_staying(&self) -> bool {
        self.terminating.is_none() && !self.container.is_evicted()
    }

    /// How its version behaves.
    pub(crate) fn behaviour(
        &self,
        scenario: &Scenario,
        configs: &BTreeMap<String, BTreeMap<String, String>>,
    ) -> Behaviour {
        let (Some(place), Some(main)) = (self.place, self.containers.first()) else {
            return Behaviour::default();
        };
        let image = main["image"].as_str().unwrap_or_default();
        let variables = main["env"].as_array();
        let env = |key: &str| {
            let found = variables
                .into_iter()
                .flatten()
                .find(|one| one["name"] == key)?;
            found["value"].as_str()
        };
        let map =
            config_map(main).and_then(|name| configs.get(&format!("{}/{name}", self.namespace)));
        let config = |key: &str| map.and_then(|map| map.get(key)).map(String::as_str);
        let versions = &scenario.workloads[place].versions;
        let found = versions.iter().find(|version| {
            version.image.as_ref().is_none_or(|wanted| wanted == image)
                && version
                    .env
                    .iter()
                    .all(|(key, value)| env(key) == Some(value))
                && version
                    .config
                    .iter()
                    .all(|(key, value)| config(key) == Some(value))
        });
        found
            .map(|version| version.behaviour.clone())
            .unwrap_or_default()
    }
}

/// The ConfigMap that a container takes its environment from.
pub(super) fn config_map(container: &Value) -> Option<&str> {
    let sources = container["envFrom"].as_array()?;
    sources
        .iter()
        .find_map(|source| source["configMapRef"]["name"].as_str())
}

/// The place of a pod's workload.
pub(super) fn place(scenario: &Scenario, object: &Value) -> Option<usize> {
    let metadata = &object["metadata"];
    let namespace = metadata["namespace"].as_str()?;
    let app = metadata["labels"]["app"].as_str()?;
    scenario.place(&format!("{namespace}/{app}"))
}

/// A map of texts.
pub(super) fn texts(object: &Value) -> BTreeMap<String, String> {
    let fields = object.as_object().into_iter().flatten();
    fields
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}
