//! ReplicaSets, StatefulSets, DaemonSets and the scheduler.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet, StatefulSet};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::support::{cluster, deployment, image, make};

fn node(pod: &Pod) -> String {
    pod.spec
        .as_ref()
        .unwrap()
        .node_name
        .clone()
        .unwrap_or_default()
}

#[tokio::test]
async fn pods_spread_over_ready_nodes_and_wait_when_there_is_none() {
    let mut cluster = cluster().await;
    let nodes: Api<Node> = Api::all(cluster.client.clone());
    nodes.cordon("n1").await.unwrap();
    cluster.deploy("web", 4).await;
    let used: BTreeSet<_> = cluster.pods().await.iter().map(node).collect();
    assert_eq!(used, BTreeSet::from(["n2".to_owned(), "n3".to_owned()]));
    for node in ["n2", "n3"] {
        nodes.cordon(node).await.unwrap();
    }
    cluster.deploy("api", 1).await;
    let pods: Api<Pod> = cluster.api();
    let waiting = ListParams::default().labels("app=api");
    let pod = pods.list(&waiting).await.unwrap().items.remove(0);
    let condition = &pod.status.as_ref().unwrap().conditions.as_ref().unwrap()[0];
    assert_eq!(condition.reason.as_deref(), Some("Unschedulable"));
    nodes.uncordon("n1").await.unwrap();
    cluster.settle(3);
    assert_eq!(node(&pods.get(&pod.name_any()).await.unwrap()), "n1");
}

#[tokio::test]
async fn a_deleted_pod_is_replaced_and_a_pod_without_its_label_is_let_go() {
    let mut cluster = cluster().await;
    cluster.deploy("web", 2).await;
    let pods: Api<Pod> = cluster.api();
    let before: Vec<_> = cluster
        .pods()
        .await
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    pods.delete(&before[0], &DeleteParams::default())
        .await
        .unwrap();
    cluster.settle(3);
    let after: Vec<_> = cluster
        .pods()
        .await
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    assert_eq!(after.len(), 2);
    assert!(!after.contains(&before[0]) && after.contains(&before[1]));
    let isolate = Patch::Merge(json!({"metadata": {"labels": {"app": "isolated"}}}));
    pods.patch(&before[1], &PatchParams::default(), &isolate)
        .await
        .unwrap();
    cluster.settle(3);
    assert_eq!(cluster.pods().await.len(), 3);
    assert!(
        pods.get(&before[1])
            .await
            .unwrap()
            .owner_references()
            .is_empty()
    );
}

#[tokio::test]
async fn a_stateful_set_rolls_from_the_top_and_stays_stuck_on_a_bad_pod() {
    let mut cluster = cluster().await;
    let sets: Api<StatefulSet> = cluster.stateful("db", 3).await;
    let names: Vec<_> = cluster
        .pods()
        .await
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    assert_eq!(names, ["db-0", "db-1", "db-2"]);
    let roll = |image: &str| {
        Patch::Strategic(json!({"spec": {"template": {"spec": {
            "containers": [{"name": "main", "image": image}],
        }}}}))
    };
    sets.patch("db", &PatchParams::default(), &roll("db:2"))
        .await
        .unwrap();
    cluster.settle(20);
    assert!(cluster.pods().await.iter().all(|pod| image(pod) == "db:2"));
    let status = sets.get("db").await.unwrap().status.unwrap();
    assert_eq!(status.current_revision, status.update_revision);
    let revisions: Api<ControllerRevision> = cluster.api();
    let kept = revisions.list(&ListParams::default()).await.unwrap().items;
    assert_eq!(kept.len(), 2);

    // Kubernetes #67250: going back does not free a set whose pod never got ready.
    cluster.server = cluster.server.clone().with_kubelet(false);
    sets.patch("db", &PatchParams::default(), &roll("db:bad"))
        .await
        .unwrap();
    cluster.settle(60);
    sets.patch("db", &PatchParams::default(), &roll("db:2"))
        .await
        .unwrap();
    cluster.settle(60);
    let pods: Api<Pod> = cluster.api();
    assert_eq!(image(&pods.get("db-2").await.unwrap()), "db:bad");
    pods.delete("db-2", &DeleteParams::default().grace_period(0))
        .await
        .unwrap();
    cluster.settle(1);
    assert_eq!(image(&pods.get("db-2").await.unwrap()), "db:2");
}

#[tokio::test]
async fn a_daemon_set_has_one_pod_on_every_node() {
    let mut cluster = cluster().await;
    let mut set = deployment("agent", 1);
    set["spec"].as_object_mut().unwrap().remove("replicas");
    let sets: Api<DaemonSet> = cluster.api();
    make(&sets, set).await;
    cluster.settle(5);
    let used: BTreeSet<_> = cluster.pods().await.iter().map(node).collect();
    assert_eq!(used.len(), 3);
    assert_eq!(
        sets.get("agent")
            .await
            .unwrap()
            .status
            .unwrap()
            .number_ready,
        3
    );
}
