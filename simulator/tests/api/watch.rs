//! Watches: from a version, through a selector, over a gap.

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, WatchEvent, WatchParams};
use kube::runtime::watcher::{self, watcher};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::support::{cluster, make};

async fn told(api: &Api<ConfigMap>, params: &WatchParams, from: &str, count: usize) -> Vec<String> {
    let stream = api.watch(params, from).await.unwrap().take(count);
    stream
        .map_ok(|event| match event {
            WatchEvent::Added(map) => format!("+{}", map.name_any()),
            WatchEvent::Modified(map) => format!("~{}", map.name_any()),
            WatchEvent::Deleted(map) => format!("-{}", map.name_any()),
            WatchEvent::Bookmark(_) => "bookmark".to_owned(),
            WatchEvent::Error(status) => format!("error {}", status.code),
        })
        .try_collect()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_watch_resumes_where_it_stopped_and_sees_through_its_selector() {
    let cluster = cluster().await;
    let maps: Api<ConfigMap> = cluster.api();
    let start = maps.list(&ListParams::default()).await.unwrap();
    let start = start.metadata.resource_version.unwrap();
    let first = make(
        &maps,
        json!({"metadata": {"name": "a", "labels": {"on": "1"}}}),
    )
    .await;
    make(&maps, json!({"metadata": {"name": "b"}})).await;
    let off = Patch::Merge(json!({"metadata": {"labels": {"on": null}}}));
    maps.patch("a", &PatchParams::default(), &off)
        .await
        .unwrap();
    maps.delete("b", &DeleteParams::default()).await.unwrap();
    let all = WatchParams::default();
    assert_eq!(told(&maps, &all, &start, 4).await, ["+a", "+b", "~a", "-b"]);
    let resumed = first.resource_version().unwrap();
    assert_eq!(told(&maps, &all, &resumed, 3).await, ["+b", "~a", "-b"]);
    let on = WatchParams::default().labels("on=1");
    assert_eq!(told(&maps, &on, &start, 2).await, ["+a", "-a"]);
    // Without a version it begins with what there is.
    assert_eq!(told(&maps, &all, "0", 1).await, ["+a"]);
}

#[tokio::test]
async fn a_forgotten_version_is_gone_also_one_of_an_earlier_server() {
    let cluster = cluster().await;
    let maps: Api<ConfigMap> = cluster.api();
    let map = make(&maps, json!({"metadata": {"name": "a"}})).await;
    let params = WatchParams::default();
    for version in ["1", "99999999999999999999"] {
        if let Ok(stream) = maps.watch(&params, version).await {
            let events: Vec<_> = stream.collect().await;
            assert!(matches!(&events[0], Ok(WatchEvent::Error(status)) if status.code == 410));
        }
    }
    cluster.server.compact();
    let version = map.resource_version().unwrap();
    assert_eq!(told(&maps, &params, &version, 9).await, ["error 410"]);
}

#[tokio::test]
async fn the_watcher_of_kube_survives_a_gap() {
    let mut cluster = cluster().await;
    let pods: Api<Pod> = cluster.api();
    let mut stream = Box::pin(watcher(pods, watcher::Config::default()));
    let mut known = std::collections::BTreeSet::new();
    let mut relisted = 0;
    let mut read = async |known: &mut std::collections::BTreeSet<String>, want: usize| {
        while known.len() != want {
            match stream.next().await.unwrap() {
                Ok(watcher::Event::Init) => {
                    known.clear();
                    relisted += 1;
                }
                Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod)) => {
                    known.insert(pod.name_any());
                }
                Ok(watcher::Event::Delete(pod)) => {
                    known.remove(&pod.name_any());
                }
                Ok(watcher::Event::InitDone) | Err(_) => {}
            }
        }
        relisted
    };
    cluster.deploy("web", 2).await;
    read(&mut known, 2).await;
    cluster.server.compact();
    cluster.deploy("api", 1).await;
    assert_eq!(read(&mut known, 3).await, 2);
}
