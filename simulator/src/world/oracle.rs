//! Begins faults and judges from the live state whether they are healed.

use jiff::Timestamp;
use serde_json::{Map, json};

use super::{World, objects, pod};
use crate::draw::Draws;
use crate::scenario::{Effect, Which};
use crate::{Error, rest};

/// What counts as a symptom of a pod.
const ERRORS: f64 = 0.04;
const UTILISATION: f64 = 0.85;
const MEMORY: f64 = 0.9;

impl World {
    /// Begins the faults that are due at `now`. Whether it wrote.
    pub(super) async fn begin_faults(&mut self, now: Timestamp) -> Result<bool, Error> {
        let mut wrote = false;
        for number in self.faults.due(now) {
            let place = self.faults.target(number);
            let baseline = self.objects[place]["spec"]["replicas"]
                .as_u64()
                .unwrap_or(0);
            let level = self.faults.begin(number, now, baseline);
            match self.faults.effect(number) {
                deploy @ Effect::Deploy { .. } => {
                    self.deploy(place, &deploy).await?;
                    wrote = true;
                }
                Effect::ScaleTo { replicas } => {
                    let patch = json!({"spec": {"replicas": replicas}});
                    rest::patch(&self.deployer, &self.object_path(place), &patch).await?;
                    wrote = true;
                }
                Effect::Leak { pods, .. } => {
                    let leak = level * 1_048_576.0 / 60.0;
                    self.hit(number, place, pods, |pod| pod.process.leak = leak);
                }
                Effect::Fill { pods, .. } => {
                    let fill = level * 1_048_576.0 / 60.0;
                    self.hit(number, place, pods, |pod| pod.process.fill = fill);
                }
                Effect::CorruptPod { exit_code, pods } => {
                    self.hit(number, place, pods, |pod| pod.corrupt = Some(exit_code));
                }
                _ => {}
            }
        }
        Ok(wrote)
    }

    /// Does something to one drawn or to all pods of a workload.
    fn hit(
        &mut self,
        number: usize,
        place: usize,
        which: Which,
        mut harm: impl FnMut(&mut pod::Pod),
    ) {
        let mut pods: Vec<&mut pod::Pod> = self
            .pods
            .values_mut()
            .filter(|pod| pod.place == Some(place) && pod.is_staying())
            .collect();
        match which {
            Which::All => pods.into_iter().for_each(harm),
            Which::One => {
                let name = format!("victim {}", self.scenario.faults[number].name);
                let drawn = Draws::new(self.seed, &name).at(0).place(pods.len());
                if let Some(pod) = pods.get_mut(drawn) {
                    harm(pod);
                }
            }
        }
    }

    /// What a person does who rolls out a change.
    async fn deploy(&self, place: usize, change: &Effect) -> Result<(), Error> {
        let Effect::Deploy {
            image,
            env,
            config,
            memory,
        } = change
        else {
            return Ok(());
        };
        let workload = &self.scenario.workloads[place];
        let main = &self.objects[place]["spec"]["template"]["spec"]["containers"][0];
        let mut container = Map::new();
        container.insert("name".to_owned(), main["name"].clone());
        if let Some(image) = image {
            container.insert("image".to_owned(), image.as_str().into());
        }
        if let Some(memory) = memory {
            let bytes = json!({"memory": memory});
            let resources = json!({"limits": bytes, "requests": bytes});
            container.insert("resources".to_owned(), resources);
        }
        if !env.is_empty() {
            container.insert("env".to_owned(), objects::env(env));
        }
        if !config.is_empty() {
            let name = pod::config_map(main).unwrap_or_default();
            let mut data = self
                .configs
                .get(&format!("{}/{name}", workload.namespace))
                .cloned()
                .unwrap_or_default();
            data.extend(config.clone());
            let map = objects::config_map(workload, &data);
            let maps = format!("/api/v1/namespaces/{}/configmaps", workload.namespace);
            rest::create(&self.deployer, &maps, &map).await?;
            let from = json!([{"configMapRef": {"name": map["metadata"]["name"]}}]);
            container.insert("envFrom".to_owned(), from);
        }
        let patch = json!({"spec": {"template": {"spec": {"containers": [container]}}}});
        rest::patch(&self.deployer, &self.object_path(place), &patch).await?;
        Ok(())
    }

    fn object_path(&self, place: usize) -> String {
        let workload = &self.scenario.workloads[place];
        format!(
            "{}/{}?fieldManager=deployer",
            objects::collection(workload),
            workload.name
        )
    }

    /// Looks at every fault that is on.
    pub(super) fn judge(&mut self) {
        for number in self.faults.open() {
            let well = self.is_well(number);
            self.faults.judge(number, self.now, well);
        }
    }

    /// The oracle's condition: as many ready as before, none with a symptom, the root condition gone.
    fn is_well(&self, number: usize) -> bool {
        let place = self.faults.root(number);
        let spec = &self.objects[place]["spec"]["replicas"];
        let baseline = self.faults.baseline(number);
        let mut ready = 0;
        let mut utilisation = 0.0;
        for pod in self
            .pods
            .values()
            .filter(|pod| pod.place == Some(place) && pod.is_staying())
        {
            let process = &pod.process;
            let sick = !process.ready
                || process.health.error > ERRORS
                || process.memory > MEMORY * process.memory_limit
                || process.leak > 0.0
                || process.fill > 0.0
                || pod.corrupt.is_some()
                || !process.behaviour.is_good();
            if sick {
                return false;
            }
            ready += 1;
            utilisation += process.health.utilisation;
        }
        ready > 0
            && ready >= baseline
            && spec.as_u64().unwrap_or(0) >= baseline
            && utilisation / (ready as f64) < UTILISATION
            && !self.faults.is_forced(number, self.now)
    }
}
