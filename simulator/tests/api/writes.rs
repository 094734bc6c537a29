//! Patches, preconditions, dry runs, the fence, generation, managers.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::events::v1::Event;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::support::{cluster, deployment, json_patch, make, refused};

fn executor() -> PatchParams {
    PatchParams {
        field_manager: Some("aegis-executor".to_owned()),
        ..PatchParams::default()
    }
}

/// The write that the executor makes.
fn act(of: &Deployment, fence: &str, replicas: i32) -> Patch<Value> {
    json_patch(json!([
        {"op": "test", "path": "/metadata/uid", "value": of.uid()},
        {"op": "test", "path": "/metadata/resourceVersion", "value": of.resource_version()},
        {"op": "replace", "path": "/spec/replicas", "value": replicas},
        {"op": "add", "path": "/metadata/annotations/aegis.dev~1decision-id", "value": "d1"},
        {"op": "add", "path": "/metadata/annotations/aegis.dev~1fence", "value": fence},
    ]))
}

#[tokio::test]
async fn a_patch_whose_test_fails_changes_nothing() {
    let mut cluster = cluster().await;
    let before = cluster.deploy("web", 2).await;
    let mut stale = before.clone();
    stale.metadata.resource_version = Some("1".to_owned());
    let deployments = cluster.deployments();
    let patch = act(&stale, "5", 4);
    let (code, message) = refused(deployments.patch("web", &executor(), &patch).await);
    assert_eq!(code, 422);
    assert!(message.contains("rejected our request"), "{message}");
    let after = deployments.get("web").await.unwrap();
    assert_eq!(after.resource_version(), before.resource_version());

    let mut old = before.clone();
    old.spec.replicas = Some(9);
    cluster.set_image("web", "shop/web:2").await;
    let late = deployments
        .replace("web", &PostParams::default(), &old)
        .await;
    assert_eq!(refused(late).0, 409);
}

#[tokio::test]
async fn a_dry_run_answers_as_the_write_would_and_leaves_no_trace() {
    let mut cluster = cluster().await;
    let before = cluster.deploy("web", 2).await;
    let deployments = cluster.deployments();
    let dry = PatchParams {
        dry_run: true,
        ..executor()
    };
    let would = deployments
        .patch("web", &dry, &act(&before, "5", 4))
        .await
        .unwrap();
    assert_eq!(would.spec.replicas, Some(4));
    assert_eq!(
        would.metadata.generation,
        before.metadata.generation.map(|g| g + 1)
    );
    let after = deployments.get("web").await.unwrap();
    assert_eq!(after, before);
    let entry = cluster.server.journal().pop().unwrap();
    assert!(entry.dry_run && !entry.changed);
    assert_eq!(entry.decision_id.as_deref(), Some("d1"));
}

#[tokio::test]
async fn the_executor_needs_a_rising_fence_and_nobody_else_does() {
    let mut cluster = cluster().await;
    let before = cluster.deploy("web", 2).await;
    let client = cluster.server.client("aegis-executor");
    let fenced: Api<Deployment> = Api::namespaced(client, "shop");
    let first = fenced
        .patch("web", &executor(), &act(&before, "5", 3))
        .await
        .unwrap();
    for fence in ["5", "4", "x"] {
        let (code, message) = refused(
            fenced
                .patch("web", &executor(), &act(&first, fence, 4))
                .await,
        );
        // Word for word what a real API server says with the policies of `deploy/`.
        let said = "deployments.apps \"web\" is forbidden: ValidatingAdmissionPolicy \
                    'aegis-executor-workloads' with binding 'aegis-executor-workloads' denied request: \
                    stale fence";
        assert_eq!((code, message.as_str()), (403, said));
    }
    let person = cluster.deployments();
    let scaled = person
        .patch("web", &executor(), &act(&first, "5", 4))
        .await
        .unwrap();
    fenced
        .patch("web", &executor(), &act(&scaled, "6", 5))
        .await
        .unwrap();
    let acts: Vec<_> = cluster
        .server
        .journal()
        .into_iter()
        .filter(|entry| entry.user == "aegis-executor" && entry.changed)
        .collect();
    assert_eq!(acts.len(), 2);
}

#[tokio::test]
async fn generation_counts_changes_of_the_spec_alone() {
    let mut cluster = cluster().await;
    let before = cluster.deploy("web", 2).await;
    assert_eq!(before.metadata.generation, Some(1));
    assert_eq!(before.status.unwrap().observed_generation, Some(1));
    let deployments = cluster.deployments();
    let label = Patch::Merge(json!({"metadata": {"labels": {"team": "a"}}}));
    let labelled = deployments.patch("web", &executor(), &label).await.unwrap();
    assert_eq!(labelled.metadata.generation, Some(1));
    let scale = Patch::Merge(json!({"spec": {"replicas": 3}}));
    let scaled = deployments
        .patch_scale("web", &executor(), &scale)
        .await
        .unwrap();
    assert_eq!(scaled.spec.unwrap().replicas, Some(3));
    let again = deployments.patch("web", &executor(), &scale).await.unwrap();
    assert_eq!(again.metadata.generation, Some(2));
    // Nothing changed, so there is nothing new to tell.
    let same = deployments.patch("web", &executor(), &scale).await.unwrap();
    assert_eq!(same.resource_version(), again.resource_version());
}

#[tokio::test]
async fn managed_fields_tell_who_set_what_and_apply_asks_before_taking() {
    let mut cluster = cluster().await;
    cluster.deploy("web", 2).await;
    let deployments = cluster.deployments();
    let scale = Patch::Merge(json!({"spec": {"replicas": 3}}));
    let hpa = PatchParams {
        field_manager: Some("hpa".to_owned()),
        ..PatchParams::default()
    };
    let scaled = deployments.patch("web", &hpa, &scale).await.unwrap();
    let owners: Vec<_> = scaled
        .managed_fields()
        .iter()
        .filter(|entry| {
            let fields = serde_json::to_value(&entry.fields_v1).unwrap();
            fields.pointer("/f:spec/f:replicas").is_some()
        })
        .map(|entry| entry.manager.clone().unwrap())
        .collect();
    assert_eq!(owners, ["hpa"]);

    let wanted = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web"}, "spec": {"replicas": 5},
    });
    let gitops = PatchParams::apply("gitops");
    let (code, message) = refused(
        deployments
            .patch("web", &gitops, &Patch::Apply(&wanted))
            .await,
    );
    assert_eq!(code, 409);
    assert!(
        message.contains("conflict with \"hpa\": .spec.replicas"),
        "{message}"
    );
    let forced = gitops.force();
    let applied = deployments
        .patch("web", &forced, &Patch::Apply(&wanted))
        .await
        .unwrap();
    assert_eq!(applied.spec.replicas, Some(5));
}

#[tokio::test]
async fn apply_creates_and_gives_up_what_it_no_longer_names() {
    let cluster = cluster().await;
    let maps: Api<ConfigMap> = cluster.api();
    let apply = PatchParams::apply("gitops");
    let named = |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data});
    let both = Patch::Apply(named(json!({"a": "1", "b": "2"})));
    maps.patch("c", &apply, &both).await.unwrap();
    let one = Patch::Apply(named(json!({"a": "1"})));
    let left = maps.patch("c", &apply, &one).await.unwrap();
    assert_eq!(left.data.unwrap().into_keys().collect::<Vec<_>>(), ["a"]);
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_with_its_field() {
    let mut cluster = cluster().await;
    cluster.deploy("web", 2).await;
    let deployments = cluster.deployments();
    for (patch, code, word) in [
        (json!({"spec": {"replicas": -1}}), 422, "spec.replicas"),
        (json!({"spec": {"replicas": "many"}}), 422, "invalid type"),
        (
            json!({"spec": {"selector": {"matchLabels": {"app": "x"}}}}),
            422,
            "selector",
        ),
        (
            json!({"spec": {"template": {"spec": {"containers": []}}}}),
            422,
            "containers",
        ),
        (json!({"metadata": {"uid": "other"}}), 422, "metadata.uid"),
        (
            json!({"metadata": {"resourceVersion": "1"}}),
            409,
            "modified",
        ),
    ] {
        let result = deployments
            .patch("web", &executor(), &Patch::Merge(&patch))
            .await;
        let (got, message) = refused(result);
        assert_eq!(got, code, "{patch}: {message}");
        assert!(message.contains(word), "{patch}: {message}");
    }
    let twice: Deployment = serde_json::from_value(deployment("web", 1)).unwrap();
    let params = PostParams::default();
    assert_eq!(refused(deployments.create(&params, &twice).await).0, 409);
    let nowhere: Api<Deployment> = Api::namespaced(cluster.client.clone(), "nowhere");
    assert_eq!(refused(nowhere.create(&params, &twice).await).0, 404);
    assert_eq!(refused(deployments.get("api").await).0, 404);
}

#[tokio::test]
async fn pages_join_to_the_whole_list() {
    let cluster = cluster().await;
    let maps: Api<ConfigMap> = cluster.api();
    for number in 0..7 {
        let map = json!({"metadata": {"generateName": "m-", "labels": {"odd": (number % 2).to_string()}}});
        make(&maps, map).await;
    }
    let mut params = ListParams::default().limit(3);
    let (mut names, mut pages) = (Vec::new(), 0);
    loop {
        let page = maps.list(&params).await.unwrap();
        names.extend(page.items.iter().map(ResourceExt::name_any));
        pages += 1;
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => break,
        }
    }
    names.dedup();
    assert_eq!((pages, names.len()), (3, 7));
    let odd = ListParams::default().labels("odd=1");
    assert_eq!(maps.list(&odd).await.unwrap().items.len(), 3);
    let metadata = maps.list_metadata(&odd).await.unwrap();
    assert_eq!(metadata.items.len(), 3);
}

#[tokio::test]
async fn an_event_of_the_new_api_reads_as_one_of_the_old() {
    let cluster = cluster().await;
    let events: Api<Event> = cluster.api();
    let event = json!({
        "metadata": {"generateName": "web."},
        "regarding": {"kind": "Deployment", "name": "web", "namespace": "shop"},
        "eventTime": "2026-03-01T12:00:00.000000Z",
        "reportingController": "aegis.dev/executor", "reportingInstance": "e1",
        "action": "Scale", "reason": "AegisScaled", "note": "from 2 to 3", "type": "Normal",
    });
    let made = make(&events, event).await;
    assert_eq!(made.note.as_deref(), Some("from 2 to 3"));
    let old: Api<k8s_openapi::api::core::v1::Event> = cluster.api();
    let of_web = ListParams::default().fields("involvedObject.name=web");
    let listed = old.list(&of_web).await.unwrap();
    assert_eq!(listed.items[0].message.as_deref(), Some("from 2 to 3"));
}
