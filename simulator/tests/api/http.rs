//! The same over real HTTP.

use std::time::{Duration, Instant};

use aegis_simulator::api::Api as Server;
use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, ResourceExt};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::support::make;

#[tokio::test]
async fn kube_reads_writes_and_watches_with_a_kubeconfig() {
    let server = Server::new(1, "2026-03-01T12:00:00Z".parse().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn({
        let (server, stop) = (server.clone(), stop.clone());
        async move { server.serve(listener, stop).await }
    });
    let kubeconfig = Kubeconfig::from_yaml(&Server::kubeconfig(address, "deployer")).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .unwrap();
    let client = Client::try_from(config).unwrap();
    let version = client.apiserver_version().await.unwrap();
    assert_eq!(version.major, "1");
    assert!(!client.list_api_groups().await.unwrap().groups.is_empty());

    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let list = maps.list(&ListParams::default()).await.unwrap();
    let version = list.metadata.resource_version.unwrap();
    let mut watch = maps
        .watch(&WatchParams::default(), &version)
        .await
        .unwrap()
        .boxed();
    make(&maps, json!({"metadata": {"name": "a"}})).await;
    match watch.next().await.unwrap().unwrap() {
        WatchEvent::Added(map) => assert_eq!(map.name_any(), "a"),
        other => panic!("not an addition: {other:?}"),
    }
    let entry = server.journal().pop().unwrap();
    assert_eq!(
        (entry.user.as_str(), entry.name.as_str()),
        ("deployer", "a")
    );

    // A watch does not keep the server from stopping.
    let begun = Instant::now();
    stop.cancel();
    drop(client);
    assert!(watch.next().await.is_none_or(|last| last.is_err()));
    serving.await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn who_does_not_say_their_name_gets_nothing() {
    use tower::ServiceExt;
    let server = Server::new(1, "2026-03-01T12:00:00Z".parse().unwrap());
    let request = http::Request::get("/api/v1/namespaces")
        .body(axum::body::Body::empty())
        .unwrap();
    let response = server.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 401);
    let namespaces: Api<Namespace> = Api::all(server.client("anyone"));
    assert_eq!(
        namespaces
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .len(),
        1
    );
}

#[tokio::test]
async fn an_idle_advance_costs_next_to_nothing() {
    let server = Server::new(1, "2026-03-01T12:00:00Z".parse().unwrap());
    let mut now = server.now();
    server.advance(now);
    let begun = Instant::now();
    for _ in 0..86_400 {
        now += jiff::SignedDuration::from_secs(1);
        assert!(!server.advance(now));
    }
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
}
