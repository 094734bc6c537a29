//! Evictions, budgets, owners, namespaces.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{DeleteParams, EvictParams, ListParams, Preconditions, PropagationPolicy};
use kube::core::Status;
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::support::{Cluster, cluster, refused};

async fn evict(
    cluster: &Cluster,
    pod: &Pod,
    uid: &str,
    dry_run: bool,
) -> Result<Status, kube::Error> {
    let name = pod.name_any();
    let query = if dry_run { "?dryRun=All" } else { "" };
    let body = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name},
        "deleteOptions": {"preconditions": {"uid": uid}},
    });
    let request = http::Request::post(format!(
        "/api/v1/namespaces/shop/pods/{name}/eviction{query}"
    ))
    .header("content-type", "application/json")
    .body(serde_json::to_vec(&body).unwrap())
    .unwrap();
    cluster.client.request(request).await
}

#[tokio::test]
async fn evictions_stop_where_the_budget_ends() {
    let mut cluster = cluster().await;
    cluster.deploy("web", 3).await;
    cluster.budget(json!(2)).await;
    let pods = cluster.pods().await;
    let uid = |pod: &Pod| pod.uid().unwrap();
    assert_eq!(
        refused(evict(&cluster, &pods[0], "other", false).await).0,
        409
    );
    evict(&cluster, &pods[0], &uid(&pods[0]), true)
        .await
        .unwrap();
    assert_eq!(cluster.pods().await.len(), 3);
    evict(&cluster, &pods[0], &uid(&pods[0]), false)
        .await
        .unwrap();
    // At once: the controllers have not looked yet.
    let (code, message) = refused(evict(&cluster, &pods[1], &uid(&pods[1]), false).await);
    assert_eq!(code, 429);
    assert!(message.contains("disruption budget"), "{message}");
    cluster.settle(5);
    evict(&cluster, &pods[1], &uid(&pods[1]), false)
        .await
        .unwrap();
    cluster.settle(5);
    assert_eq!(cluster.pods().await.len(), 3);
    let api: Api<Pod> = cluster.api();
    let name = pods[2].name_any();
    api.evict(&name, &EvictParams::default()).await.unwrap();
}

#[tokio::test]
async fn a_deletion_means_one_object_only() {
    let mut cluster = cluster().await;
    cluster.deploy("web", 1).await;
    let pods: Api<Pod> = cluster.api();
    let pod = cluster.pods().await.remove(0);
    let mut params = DeleteParams::default().preconditions(Preconditions {
        uid: Some("other".to_owned()),
        resource_version: None,
    });
    assert_eq!(refused(pods.delete(&pod.name_any(), &params).await).0, 409);
    params.preconditions = Some(Preconditions {
        uid: pod.uid(),
        resource_version: pod.resource_version(),
    });
    let left = pods.delete(&pod.name_any(), &params).await.unwrap();
    let left = left.left().expect("a running pod stops with grace");
    assert!(left.metadata.deletion_timestamp.is_some());
}

#[tokio::test]
async fn what_a_deployment_owns_goes_with_it() {
    let mut cluster = cluster().await;
    cluster.deploy("web", 2).await;
    let deployments: Api<Deployment> = cluster.api();
    deployments
        .delete("web", &DeleteParams::default())
        .await
        .unwrap();
    cluster.settle(3);
    assert!(cluster.sets().await.is_empty() && cluster.pods().await.is_empty());

    cluster.deploy("web", 2).await;
    let foreground = DeleteParams::foreground();
    let left = deployments.delete("web", &foreground).await.unwrap();
    assert!(left.is_left(), "it waits for its pods");
    cluster.settle(3);
    assert!(cluster.sets().await.is_empty() && cluster.pods().await.is_empty());
    assert!(deployments.get_opt("web").await.unwrap().is_none());

    cluster.deploy("web", 2).await;
    let orphan = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Orphan),
        ..DeleteParams::default()
    };
    deployments.delete("web", &orphan).await.unwrap();
    cluster.settle(3);
    assert_eq!(cluster.pods().await.len(), 2);
}

#[tokio::test]
async fn a_namespace_goes_with_all_that_is_in_it() {
    let mut cluster = cluster().await;
    cluster.deploy("web", 2).await;
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    namespaces
        .delete("shop", &DeleteParams::default())
        .await
        .unwrap();
    cluster.settle(3);
    let left = namespaces.list(&ListParams::default()).await.unwrap();
    let names: Vec<_> = left.iter().map(ResourceExt::name_any).collect();
    assert_eq!(names, ["default"]);
}
