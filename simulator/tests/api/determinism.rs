//! The same seed and the same writes give the same cluster, whatever happens.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::support::{Cluster, cluster};

/// One random write of those that people and faults make.
async fn disturb(cluster: &Cluster, dice: &mut ChaCha8Rng) {
    let deployments = cluster.deployments();
    let pods: Api<Pod> = cluster.api();
    let nodes: Api<Node> = Api::all(cluster.client.clone());
    let params = PatchParams::default();
    match dice.random_range(0..6) {
        0 => {
            let replicas = dice.random_range(0..8);
            let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
            deployments.patch("web", &params, &patch).await.unwrap();
        }
        1 => {
            let image = format!("shop/web:{}", dice.random_range(1..4));
            cluster.set_image("web", &image).await;
        }
        2 => {
            let all = cluster.pods().await;
            if !all.is_empty() {
                let name = all[dice.random_range(0..all.len())].name_any();
                let _ = pods.delete(&name, &DeleteParams::default()).await.unwrap();
            }
        }
        3 => {
            let _ = nodes.cordon(&format!("n{}", dice.random_range(1..4))).await;
        }
        4 => {
            let _ = nodes
                .uncordon(&format!("n{}", dice.random_range(1..4)))
                .await;
        }
        _ => {
            let paused = dice.random_bool(0.3);
            let patch = Patch::Merge(json!({"spec": {"paused": paused}}));
            deployments.patch("web", &params, &patch).await.unwrap();
        }
    }
}

async fn all(cluster: &Cluster) -> Value {
    let params = ListParams::default();
    let (sets, events): (Api<ReplicaSet>, Api<Event>) = (cluster.api(), cluster.api());
    json!([
        serde_json::to_value(cluster.pods().await).unwrap(),
        serde_json::to_value(sets.list(&params).await.unwrap().items).unwrap(),
        serde_json::to_value(events.list(&params).await.unwrap().items).unwrap(),
    ])
}

async fn live_through(seed: u64) -> (Cluster, Value) {
    let mut cluster = cluster().await;
    cluster.deploy("web", 3).await;
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    for _ in 0..25 {
        disturb(&cluster, &mut dice).await;
        cluster.settle(dice.random_range(0..3));
    }
    let seen = all(&cluster).await;
    (cluster, seen)
}

#[tokio::test]
async fn any_storm_is_repeatable_and_ends_in_what_was_asked_for() {
    for seed in 0..3 {
        let (mut cluster, first) = live_through(seed).await;
        let (_, second) = live_through(seed).await;
        assert!(first == second, "seed {seed} gave two clusters");

        let nodes: Api<Node> = Api::all(cluster.client.clone());
        for node in ["n1", "n2", "n3"] {
            nodes.uncordon(node).await.unwrap();
        }
        let resume = Patch::Merge(json!({"spec": {"paused": false}}));
        let deployments = cluster.deployments();
        deployments
            .patch("web", &PatchParams::default(), &resume)
            .await
            .unwrap();
        cluster.settle(40);
        let web: Deployment = deployments.get("web").await.unwrap();
        let (wanted, status) = (web.spec.replicas.unwrap(), web.status.unwrap());
        assert_eq!(status.updated_replicas.unwrap_or(0), wanted, "seed {seed}");
        assert_eq!(
            status.available_replicas.unwrap_or(0),
            wanted,
            "seed {seed}"
        );
        assert_eq!(cluster.pods().await.len(), usize::try_from(wanted).unwrap());
    }
}

#[tokio::test]
async fn events_are_forgotten_after_an_hour() {
    let mut cluster = cluster().await;
    cluster.deploy("web", 1).await;
    let events: Api<Event> = cluster.api();
    assert!(
        !events
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
    cluster.settle(3601);
    assert!(
        events
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
}
