//! Deployments: rollout, stall, rollback, pause, recreate.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::support::{Cluster, cluster, image, json_patch};

const REVISION: &str = "deployment.kubernetes.io/revision";

fn condition(deployment: &Deployment, kind: &str) -> (String, String) {
    let status = deployment.status.clone().unwrap();
    let found = status
        .conditions
        .unwrap()
        .into_iter()
        .find(|c| c.type_.as_deref() == Some(kind));
    let found = found.unwrap();
    (found.status.unwrap(), found.reason.unwrap())
}

async fn images(cluster: &Cluster) -> BTreeMap<String, usize> {
    let mut images = BTreeMap::new();
    for pod in cluster.pods().await {
        *images.entry(image(&pod)).or_default() += 1;
    }
    images
}

fn revisions(sets: &[ReplicaSet]) -> BTreeMap<String, (String, i32)> {
    sets.iter()
        .map(|set| {
            let spec = set.spec.clone();
            let template = spec.template.unwrap().spec.unwrap();
            let image = template.containers[0].image.clone().unwrap();
            (
                image,
                (set.annotations()[REVISION].clone(), spec.replicas.unwrap()),
            )
        })
        .collect()
}

async fn merge(cluster: &Cluster, patch: Value) {
    let deployments = cluster.deployments();
    deployments
        .patch("web", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_rollout_never_drops_below_what_it_promises_and_completes() {
    let mut cluster = cluster().await;
    let deployment = cluster.deploy("web", 4).await;
    assert_eq!(
        deployment.status.as_ref().unwrap().available_replicas,
        Some(4)
    );
    assert_eq!(
        condition(&deployment, "Progressing").1,
        "NewReplicaSetAvailable"
    );
    cluster.set_image("web", "shop/web:2").await;
    for _ in 0..20 {
        cluster.settle(1);
        let status = cluster
            .deployments()
            .get("web")
            .await
            .unwrap()
            .status
            .unwrap();
        assert!(status.available_replicas.unwrap() >= 3);
        assert!(status.replicas.unwrap() <= 5);
    }
    assert_eq!(
        images(&cluster).await,
        BTreeMap::from([("shop/web:2".to_owned(), 4)])
    );
    let deployment = cluster.deployments().get("web").await.unwrap();
    assert_eq!(deployment.annotations()[REVISION], "2");
    assert_eq!(
        condition(&deployment, "Progressing").1,
        "NewReplicaSetAvailable"
    );
}

#[tokio::test]
async fn a_rollback_reuses_the_old_set_under_a_new_revision() {
    let mut cluster = cluster().await;
    cluster.deploy("web", 3).await;
    let before = cluster.sets().await.remove(0);
    cluster.set_image("web", "shop/web:2").await;
    cluster.settle(20);
    // As the executor does it: the old set's template less its hash.
    let mut template = serde_json::to_value(before.spec.template.unwrap()).unwrap();
    template["metadata"]["labels"]
        .as_object_mut()
        .unwrap()
        .remove("pod-template-hash");
    let patch = json_patch(json!([{"op": "replace", "path": "/spec/template", "value": template}]));
    let deployments = cluster.deployments();
    deployments
        .patch("web", &PatchParams::default(), &patch)
        .await
        .unwrap();
    cluster.settle(20);
    let sets = revisions(&cluster.sets().await);
    assert_eq!(sets["shop/web:1"], ("3".to_owned(), 3));
    assert_eq!(sets["shop/web:2"], ("2".to_owned(), 0));
    assert_eq!(
        images(&cluster).await,
        BTreeMap::from([("shop/web:1".to_owned(), 3)])
    );
}

#[tokio::test]
async fn a_stalled_rollout_keeps_the_old_pods_and_misses_its_deadline() {
    let mut cluster = cluster().await;
    cluster.deploy("web", 3).await;
    merge(&cluster, json!({"spec": {"progressDeadlineSeconds": 30}})).await;
    cluster.settle(1);
    // Nobody makes the new pod ready.
    cluster.server = cluster.server.clone().with_kubelet(false);
    cluster.set_image("web", "shop/web:2").await;
    cluster.settle(20);
    let expected = BTreeMap::from([("shop/web:1".to_owned(), 3), ("shop/web:2".to_owned(), 1)]);
    assert_eq!(images(&cluster).await, expected);
    let deployment = cluster.deployments().get("web").await.unwrap();
    assert_eq!(condition(&deployment, "Progressing").0, "True");
    cluster.settle(20);
    let deployment = cluster.deployments().get("web").await.unwrap();
    let expected = ("False".to_owned(), "ProgressDeadlineExceeded".to_owned());
    assert_eq!(condition(&deployment, "Progressing"), expected);
    assert_eq!(condition(&deployment, "Available").0, "True");
}

#[tokio::test]
async fn a_paused_rollout_scales_but_does_not_roll() {
    let mut cluster = cluster().await;
    cluster.deploy("web", 2).await;
    merge(&cluster, json!({"spec": {"paused": true, "replicas": 3}})).await;
    cluster.set_image("web", "shop/web:2").await;
    cluster.settle(10);
    assert_eq!(
        images(&cluster).await,
        BTreeMap::from([("shop/web:1".to_owned(), 3)])
    );
    merge(&cluster, json!({"spec": {"paused": false}})).await;
    cluster.settle(20);
    assert_eq!(
        images(&cluster).await,
        BTreeMap::from([("shop/web:2".to_owned(), 3)])
    );
}

#[tokio::test]
async fn recreate_stops_all_before_it_starts_any() {
    let mut cluster = cluster().await;
    cluster.deploy("web", 2).await;
    let strategy = json!({"spec": {"strategy": {"type": "Recreate", "rollingUpdate": null}}});
    merge(&cluster, strategy).await;
    cluster.set_image("web", "shop/web:2").await;
    for _ in 0..10 {
        cluster.settle(1);
        assert!(images(&cluster).await.len() <= 1, "old and new at once");
    }
    assert_eq!(
        images(&cluster).await,
        BTreeMap::from([("shop/web:2".to_owned(), 2)])
    );
}

#[tokio::test]
async fn scaling_in_the_middle_of_a_bad_rollout_adds_good_pods() {
    let mut cluster = cluster().await;
    cluster.deploy("web", 4).await;
    cluster.server = cluster.server.clone().with_kubelet(false);
    cluster.set_image("web", "shop/web:2").await;
    cluster.settle(5);
    let stuck = images(&cluster).await;
    merge(&cluster, json!({"spec": {"replicas": 8}})).await;
    cluster.settle(1);
    let scaled = images(&cluster).await;
    let added = |image: &str| scaled[image] - stuck[image];
    assert!(
        added("shop/web:1") > added("shop/web:2"),
        "{stuck:?} {scaled:?}"
    );
}
