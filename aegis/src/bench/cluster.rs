//! A simulated API server with workloads that are nothing but objects.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use aegis_simulator::api::{Api, Entry};
use anyhow::{Context, Result, bail};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The namespace of the workloads.
pub(super) const NAMESPACE: &str = "bench";
/// How many pods each has.
pub(super) const PODS: usize = 2;
/// How often the server's clock moves: so exact are the times of its journal.
const TICK: Duration = Duration::from_millis(1);
const READY_WITHIN: Duration = Duration::from_secs(30);

/// The API server.
pub(super) struct Cluster {
    api: Api,
    address: SocketAddr,
}

impl Cluster {
    /// Starts it; it serves until `stop`.
    pub(super) async fn start(listen: SocketAddr, stop: &CancellationToken) -> Result<Self> {
        let api = Api::new(1, jiff::Timestamp::now());
        let listener = TcpListener::bind(listen).await?;
        let (serving, until) = (api.clone(), stop.clone());
        tokio::spawn(async move { serving.serve(listener, until).await });
        let (ticking, until) = (api.clone(), stop.clone());
        std::thread::spawn(move || {
            while !until.is_cancelled() {
                ticking.advance(jiff::Timestamp::now());
                std::thread::sleep(TICK);
            }
        });
        Ok(Self {
            api,
            address: listen,
        })
    }

    /// Writes the files that Aegis reaches it with.
    pub(super) fn kubeconfigs(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        for user in ["aegis-ingest", "aegis-executor"] {
            let text = Api::kubeconfig(self.address, user);
            crate::init::write(
                &folder.join(format!("{user}.kubeconfig")),
                0o600,
                text.as_bytes(),
            )?;
        }
        Ok(())
    }

    /// Makes that many workloads and waits for their pods; answers the pods' names by workload.
    pub(super) async fn populate(&self, workloads: usize) -> Result<Vec<Vec<String>>> {
        let enabled = json!({"aegis.dev/enabled": "true"});
        for (name, labels) in [
            ("kube-system", json!({})),
            ("aegis", json!({})),
            (NAMESPACE, enabled),
        ] {
            let body = json!({"apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": name, "labels": labels}});
            self.create("/api/v1/namespaces", &body).await?;
        }
        for node in 0..3 {
            self.create("/api/v1/nodes", &self::node(node)).await?;
        }
        for workload in 0..workloads {
            let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments");
            self.create(&path, &deployment(workload)).await?;
        }
        let begun = std::time::Instant::now();
        loop {
            let pods = self.pods(workloads).await?;
            if pods.iter().all(|pods| pods.len() == PODS) {
                return Ok(pods);
            }
            if begun.elapsed() > READY_WITHIN {
                bail!("the simulated pods do not get ready");
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The acts that changed an object so far.
    pub(super) fn acts(&self) -> Vec<Entry> {
        let entries = self.api.journal().into_iter();
        entries
            .filter(|entry| {
                entry.user == "aegis-executor" && entry.changed && entry.decision_id.is_some()
            })
            .collect()
    }

    async fn create(&self, path: &str, body: &Value) -> Result<()> {
        let url = format!("http://{}{path}", self.address);
        let answer = Client::new()
            .post(url)
            .bearer_auth("admin")
            .json(body)
            .send()
            .await?;
        let status = answer.status();
        if !status.is_success() {
            bail!(
                "the simulated API server refused {path} ({status}): {}",
                answer.text().await?
            );
        }
        Ok(())
    }

    /// The ready pods of each workload.
    async fn pods(&self, workloads: usize) -> Result<Vec<Vec<String>>> {
        let url = format!("http://{}/api/v1/namespaces/{NAMESPACE}/pods", self.address);
        let list: Value = Client::new()
            .get(url)
            .bearer_auth("admin")
            .send()
            .await?
            .json()
            .await?;
        let mut pods = vec![Vec::new(); workloads];
        for pod in list["items"].as_array().context("no list of pods")? {
            let ready = pod["status"]["conditions"].as_array().is_some_and(|all| {
                all.iter()
                    .any(|one| one["type"] == "Ready" && one["status"] == "True")
            });
            let place = pod["metadata"]["labels"]["place"]
                .as_str()
                .and_then(|text| text.parse().ok());
            if let (true, Some(place), Some(name)) =
                (ready, place, pod["metadata"]["name"].as_str())
                && let Some(pods) = pods.get_mut::<usize>(place)
            {
                pods.push(name.to_owned());
            }
        }
        Ok(pods)
    }
}

fn node(place: usize) -> Value {
    let room = json!({"cpu": "500", "memory": "2000Gi", "pods": "2000"});
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": format!("node-{place}")},
        "status": {"capacity": room, "allocatable": room,
            "conditions": [{"type": "Ready", "status": "True"}]}})
}

fn deployment(place: usize) -> Value {
    let labels = json!({"app": format!("work-{place}"), "place": place.to_string()});
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": format!("work-{place}"), "namespace": NAMESPACE,
            "labels": {"aegis.dev/managed": "true"}},
        "spec": {"replicas": PODS, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{
                "name": "app", "image": "bench/app:1",
                "resources": {"limits": {"cpu": "1", "memory": "256Mi"}}}]}}}})
}
