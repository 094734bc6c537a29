//! A workload that only exists as an object and as numbers: what its pods would measure.

use std::collections::BTreeMap;

use rand::Rng;
use rand::rngs::StdRng;

use super::remote_write::Sample;

/// Requests a second of one pod.
const USUAL: f64 = 50.0;
/// How much more it is under load.
const SURGE: f64 = 2.4;
/// CPU seconds of a request: 40 % of a core is used usually.
const CPU: f64 = 0.008;
/// How long a request takes.
const SECONDS: f64 = 0.02;

/// A workload.
pub(super) struct Workload {
    namespace: &'static str,
    pods: Vec<Pod>,
    /// Whether it is under load.
    pub(super) surge: bool,
    random: StdRng,
}

#[derive(Default)]
struct Pod {
    name: String,
    requests: f64,
    cpu: f64,
    duration: f64,
}

impl Workload {
    /// With those pods.
    pub(super) fn new(namespace: &'static str, pods: Vec<String>, random: StdRng) -> Self {
        let pods = pods.into_iter().map(|name| Pod {
            name,
            ..Pod::default()
        });
        Self {
            namespace,
            pods: pods.collect(),
            surge: false,
            random,
        }
    }

    /// What is measured at that time, `seconds` after the time before.
    pub(super) fn row(&mut self, at_ms: i64, seconds: f64) -> Vec<Sample> {
        let mut samples = Vec::new();
        for pod in &mut self.pods {
            let noise = self.random.random_range(0.96..1.04);
            let rate = USUAL * noise * if self.surge { SURGE } else { 1.0 };
            pod.requests += rate * seconds;
            pod.cpu += rate * CPU * seconds;
            pod.duration += rate * SECONDS * seconds * self.random.random_range(0.97..1.03);
            let memory = 1e8 * self.random.random_range(0.98..1.02);
            let mut say = |name: &str, label: Option<(&'static str, &str)>, value: f64| {
                let mut labels = BTreeMap::from([
                    ("__name__", name.to_owned()),
                    ("namespace", self.namespace.to_owned()),
                    ("pod", pod.name.clone()),
                ]);
                if name.contains("container") {
                    labels.insert("container", "app".to_owned());
                }
                labels.extend(label.map(|(name, value)| (name, value.to_owned())));
                samples.push(Sample {
                    labels,
                    value,
                    at_ms,
                });
            };
            say("container_cpu_usage_seconds_total", None, pod.cpu);
            say("container_memory_working_set_bytes", None, memory);
            say(
                "kube_pod_container_resource_limits",
                Some(("resource", "cpu")),
                1.0,
            );
            say(
                "kube_pod_container_resource_limits",
                Some(("resource", "memory")),
                268_435_456.0,
            );
            say("http_requests_total", Some(("code", "200")), pod.requests);
            say("http_request_duration_seconds_sum", None, pod.duration);
            say("http_request_duration_seconds_count", None, pod.requests);
        }
        samples
    }
}

/// How many samples a workload with that many pods has in a row.
pub(super) const fn samples_of(pods: usize) -> usize {
    7 * pods
}
