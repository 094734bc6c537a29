//! The metrics of the pods, as cAdvisor, kube-state-metrics and the applications expose them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use crate::model::{BUCKETS, Spec};
use crate::world::{DISK, Pod};

/// A value of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The metric's name.
    pub name: &'static str,
    /// Its labels.
    pub labels: Vec<(&'static str, Arc<str>)>,
    /// Its value.
    pub value: f64,
}

/// The metrics with their types.
const TYPES: [(&str, &str); 12] = [
    ("container_cpu_usage_seconds_total", "counter"),
    ("container_memory_working_set_bytes", "gauge"),
    ("container_fs_usage_bytes", "gauge"),
    ("container_fs_limit_bytes", "gauge"),
    ("container_network_receive_packets_total", "counter"),
    ("container_network_receive_packets_dropped_total", "counter"),
    ("kube_pod_container_resource_limits", "gauge"),
    ("http_requests_total", "counter"),
    ("http_request_duration_seconds", "histogram"),
    ("http_client_requests_total", "counter"),
    ("http_client_request_duration_seconds_sum", "counter"),
    ("http_client_request_duration_seconds_count", "counter"),
];

/// Adds the samples of a pod.
pub(crate) fn samples(pod: &Pod, spec: &Spec, samples: &mut Vec<Sample>) {
    let base = [
        ("namespace", pod.namespace.clone()),
        ("pod", pod.name.clone()),
    ];
    let container = ("container", pod.container_name.clone());
    let mut add = |name, more: &[(&'static str, Arc<str>)], value| {
        let mut labels = base.to_vec();
        labels.extend_from_slice(more);
        samples.push(Sample {
            name,
            labels,
            value,
        });
    };
    let process = &pod.process;
    let counters = &process.counters;
    add(
        "container_cpu_usage_seconds_total",
        std::slice::from_ref(&container),
        counters.cpu_seconds,
    );
    add(
        "container_memory_working_set_bytes",
        std::slice::from_ref(&container),
        process.memory.floor(),
    );
    // cAdvisor's limit of a container's files is the size of the filesystem that they are on.
    for (name, bytes) in [
        ("container_fs_usage_bytes", process.filled.floor()),
        ("container_fs_limit_bytes", DISK),
    ] {
        add(name, std::slice::from_ref(&container), bytes);
    }
    let interface = ("interface", "eth0".into());
    for (name, packets) in [
        ("container_network_receive_packets_total", counters.packets),
        (
            "container_network_receive_packets_dropped_total",
            counters.dropped,
        ),
    ] {
        add(name, std::slice::from_ref(&interface), packets.floor());
    }
    for (resource, limit) in [("cpu", process.cpu_limit), ("memory", process.memory_limit)] {
        let labels = [container.clone(), ("resource", resource.into())];
        add("kube_pod_container_resource_limits", &labels, limit);
    }
    for (code, count) in [("200", counters.succeeded), ("500", counters.failed)] {
        add(
            "http_requests_total",
            &[("code", code.into())],
            count.floor(),
        );
    }
    let count = (counters.succeeded + counters.failed).floor();
    for (bound, within) in BUCKETS.iter().zip(counters.within) {
        let bound = ("le", bound.to_string().into());
        add(
            "http_request_duration_seconds_bucket",
            &[bound],
            within.floor().min(count),
        );
    }
    add(
        "http_request_duration_seconds_bucket",
        &[("le", "+Inf".into())],
        count,
    );
    add("http_request_duration_seconds_sum", &[], counters.seconds);
    add("http_request_duration_seconds_count", &[], count);
    for (edge, calls) in spec.calls.iter().zip(&counters.calls) {
        let peer = ("peer", edge.peer.clone());
        for (code, count) in [("200", calls.succeeded), ("500", calls.failed)] {
            let labels = [peer.clone(), ("code", code.into())];
            add("http_client_requests_total", &labels, count.floor());
        }
        let peer = [peer];
        add(
            "http_client_request_duration_seconds_sum",
            &peer,
            calls.seconds,
        );
        add(
            "http_client_request_duration_seconds_count",
            &peer,
            (calls.succeeded + calls.failed).floor(),
        );
    }
}

/// The samples in the Prometheus text format.
pub(crate) fn text(samples: &[Sample]) -> String {
    let mut families: BTreeMap<usize, Vec<&Sample>> = BTreeMap::new();
    for sample in samples {
        let family = TYPES.iter().position(|(name, kind)| {
            sample.name == *name || (*kind == "histogram" && sample.name.starts_with(name))
        });
        families
            .entry(family.unwrap_or(TYPES.len()))
            .or_default()
            .push(sample);
    }
    let mut text = String::with_capacity(samples.len() * 120);
    for (family, samples) in families {
        if let Some((name, kind)) = TYPES.get(family) {
            let _ = writeln!(text, "# TYPE {name} {kind}");
        }
        for sample in samples {
            text.push_str(sample.name);
            for (place, (key, value)) in sample.labels.iter().enumerate() {
                let before = if place == 0 { '{' } else { ',' };
                let _ = write!(text, "{before}{key}=\"{value}\"");
            }
            let _ = writeln!(text, "}} {}", sample.value);
        }
    }
    text
}
