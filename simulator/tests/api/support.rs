//! A small cluster to try things on.

use aegis_simulator::api::Api as Server;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A server with three nodes and the namespace `shop`, and a person's client.
pub(crate) struct Cluster {
    pub(crate) server: Server,
    pub(crate) client: Client,
    now: Timestamp,
}

pub(crate) async fn cluster() -> Cluster {
    let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    let server = Server::new(7, now);
    let client = server.client("admin");
    let mut cluster = Cluster {
        server,
        client,
        now,
    };
    cluster.settle(1);
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    make(&namespaces, json!({"metadata": {"name": "shop"}})).await;
    for node in ["n1", "n2", "n3"] {
        let nodes: Api<Node> = Api::all(cluster.client.clone());
        let node = json!({
            "metadata": {"name": node, "labels": {"kubernetes.io/hostname": node}},
            "status": {
                "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"},
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        });
        make(&nodes, node).await;
    }
    cluster
}

impl Cluster {
    /// Lets `seconds` pass, one at a time.
    pub(crate) fn settle(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.now += SignedDuration::from_secs(1);
            self.server.advance(self.now);
        }
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), "shop")
    }

    pub(crate) fn deployments(&self) -> Api<Deployment> {
        self.api()
    }

    pub(crate) async fn deploy(&mut self, name: &str, replicas: i32) -> Deployment {
        make(&self.deployments(), deployment(name, replicas)).await;
        self.settle(5);
        self.deployments().get(name).await.unwrap()
    }

    pub(crate) async fn budget(&mut self, min_available: Value) {
        let budget = json!({
            "metadata": {"name": "web"},
            "spec": {"minAvailable": min_available, "selector": {"matchLabels": {"app": "web"}}},
        });
        make(&self.api::<PodDisruptionBudget>(), budget).await;
        self.settle(1);
    }

    pub(crate) async fn pods(&self) -> Vec<Pod> {
        let pods: Api<Pod> = self.api();
        pods.list(&ListParams::default()).await.unwrap().items
    }

    pub(crate) async fn sets(&self) -> Vec<ReplicaSet> {
        let sets: Api<ReplicaSet> = self.api();
        sets.list(&ListParams::default()).await.unwrap().items
    }

    pub(crate) async fn stateful(&mut self, name: &str, replicas: i32) -> Api<StatefulSet> {
        let mut set = deployment(name, replicas);
        set["spec"]["serviceName"] = name.into();
        let sets: Api<StatefulSet> = self.api();
        make(&sets, set).await;
        self.settle(10);
        sets
    }

    pub(crate) async fn set_image(&self, name: &str, image: &str) -> Deployment {
        let patch = json!({"spec": {"template": {"spec": {
            "containers": [{"name": "main", "image": image}],
        }}}});
        self.deployments()
            .patch(name, &PatchParams::default(), &Patch::Strategic(patch))
            .await
            .unwrap()
    }
}

pub(crate) fn deployment(name: &str, replicas: i32) -> Value {
    json!({
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": "shop/web:1"}]},
            },
        },
    })
}

pub(crate) async fn make<K>(api: &Api<K>, object: Value) -> K
where
    K: Clone + DeserializeOwned + Serialize + std::fmt::Debug,
{
    let object: K = serde_json::from_value(object).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap()
}

/// The code and message of a refusal.
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> (u16, String) {
    match result.unwrap_err() {
        kube::Error::Api(status) => (status.code, status.message),
        other => panic!("not a refusal: {other}"),
    }
}

pub(crate) fn json_patch(operations: Value) -> Patch<Value> {
    Patch::Json(serde_json::from_value(operations).unwrap())
}

pub(crate) fn image(pod: &Pod) -> String {
    let spec = pod.spec.as_ref().unwrap();
    spec.containers[0].image.clone().unwrap()
}
