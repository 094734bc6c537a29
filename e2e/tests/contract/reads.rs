//! Reading: objects, lists, selectors, pages.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::call::Call;
use crate::objects::{
    DEPLOYMENT, budget, config_map, event, idle_deployment, ready_pod, text, workload,
};
use crate::session::Session;

/// What stands for an object in a list of names.
fn names(list: &Value) -> Value {
    let items = list["items"].as_array();
    let names = items.into_iter().flatten();
    names.map(|item| item["metadata"]["name"].clone()).collect()
}

async fn list(s: &mut Session, call: Call) -> Result<Value> {
    let told = call.to_string();
    let list = s.expect(200, call, &["/kind"]).await?;
    s.note(&format!("the names in {told}"), &names(&list));
    Ok(list)
}

async fn three_config_maps(s: &mut Session) -> Result<()> {
    for (name, labels) in [
        ("a", json!({ "team": "shop", "tier": "front" })),
        ("b", json!({ "team": "shop" })),
        ("c", json!({ "team": "bank", "tier": "back" })),
    ] {
        let map = config_map(name, &labels);
        s.made(Call::create("v1/configmaps", &map)).await?;
    }
    Ok(())
}

pub(super) async fn a_workload_with_its_defaults(s: &mut Session) -> Result<()> {
    idle_deployment(s).await?;
    let shown = [
        "/apiVersion",
        "/kind",
        "/metadata/labels",
        "/metadata/generation",
        "/spec",
    ];
    s.expect(200, Call::get(DEPLOYMENT), &shown).await?;
    for (kind, plural) in [("StatefulSet", "statefulsets"), ("DaemonSet", "daemonsets")] {
        let mut object = workload(kind, "db");
        object["spec"]["template"]["spec"]["nodeSelector"] = json!({ "absent": "true" });
        let create = Call::create(format!("apps/v1/{plural}"), &object);
        s.expect(201, create, &["/metadata/generation", "/spec"])
            .await?;
    }
    Ok(())
}

pub(super) async fn a_list_of_each_kind_that_is_watched(s: &mut Session) -> Result<()> {
    ready_pod(s, "web", 1).await?;
    s.made(Call::create(
        "v1/configmaps",
        &config_map("a", &Value::Null),
    ))
    .await?;
    s.made(Call::create(
        "policy/v1/poddisruptionbudgets",
        &budget("web", "web", 0),
    ))
    .await?;
    let note = event("web.1", &s.namespace);
    s.made(Call::create("v1/events", &note)).await?;
    for path in [
        "apps/v1/deployments",
        "apps/v1/statefulsets",
        "apps/v1/daemonsets",
        "apps/v1/replicasets",
        "apps/v1/controllerrevisions",
        "v1/pods",
        "autoscaling/v2/horizontalpodautoscalers",
        "policy/v1/poddisruptionbudgets",
        "v1/events",
        "/api/v1/namespaces",
        "/api/v1/nodes",
    ] {
        let shown = [
            "/apiVersion",
            "/kind",
            "/items/0/apiVersion",
            "/items/0/kind",
        ];
        s.expect(200, Call::get(path).query("limit", 500), &shown)
            .await?;
    }
    Ok(())
}

pub(super) async fn an_object_that_is_not_there(s: &mut Session) -> Result<()> {
    for path in [
        DEPLOYMENT,
        "v1/pods/none",
        "/api/v1/namespaces/none",
        "/api/v1/nodes/none",
    ] {
        s.expect(404, Call::get(path), &[]).await?;
    }
    s.expect(404, Call::get("/api/v1/namespaces/none/pods/none"), &[])
        .await?;
    let nothing = Call::get("/apis/apps/v1/namespaces/none/deployments");
    s.expect(200, nothing, &["/items"]).await?;
    Ok(())
}

pub(super) async fn the_annotations_of_a_namespace(s: &mut Session) -> Result<()> {
    let path = format!("/api/v1/namespaces/{}", s.namespace);
    let halt = json!({ "metadata": { "annotations": { "aegis.dev/halt": "true" } } });
    s.made(Call::merge_patch(&path, &halt)).await?;
    let shown = ["/kind", "/metadata", "/spec", "/status/phase"];
    s.expect(200, Call::get(path), &shown).await?;
    Ok(())
}

pub(super) async fn label_selectors(s: &mut Session) -> Result<()> {
    three_config_maps(s).await?;
    for selector in [
        "team=shop",
        "team==shop,tier!=front",
        "team in (shop,bank),tier",
        "team notin (shop),team",
        "!tier,team",
        "tier!=front,team",
    ] {
        list(
            s,
            Call::get("v1/configmaps").query("labelSelector", selector),
        )
        .await?;
    }
    Ok(())
}

pub(super) async fn field_selectors(s: &mut Session) -> Result<()> {
    three_config_maps(s).await?;
    for selector in [
        "metadata.name=b",
        "metadata.name!=b,metadata.name!=kube-root-ca.crt",
    ] {
        list(
            s,
            Call::get("v1/configmaps").query("fieldSelector", selector),
        )
        .await?;
    }
    let pod = ready_pod(s, "web", 1).await?;
    for selector in ["status.phase=Running", "spec.nodeName=", "spec.nodeName!="] {
        list(s, Call::get("v1/pods").query("fieldSelector", selector)).await?;
    }
    let node = text(&pod, "/spec/nodeName").to_owned();
    s.generated(&node, "node");
    list(
        s,
        Call::get("v1/pods").query("fieldSelector", format!("spec.nodeName={node}")),
    )
    .await?;
    Ok(())
}

pub(super) async fn a_selector_across_namespaces(s: &mut Session) -> Result<()> {
    let team = s.namespace.clone();
    let map = config_map("a", &json!({ "team": team }));
    s.made(Call::create("v1/configmaps", &map)).await?;
    let all = Call::get("/api/v1/configmaps").query("labelSelector", format!("team={team}"));
    s.expect(200, all, &["/items/0/metadata/namespace", "/items/1"])
        .await?;
    Ok(())
}

pub(super) async fn selectors_that_cannot_be_read(s: &mut Session) -> Result<()> {
    for selector in ["a b", "team in shop", "team=a=b"] {
        s.expect(
            400,
            Call::get("v1/configmaps").query("labelSelector", selector),
            &[],
        )
        .await?;
    }
    for selector in ["metadata.name", "spec.color=red"] {
        s.expect(
            400,
            Call::get("v1/configmaps").query("fieldSelector", selector),
            &[],
        )
        .await?;
    }
    Ok(())
}

pub(super) async fn pages(s: &mut Session) -> Result<()> {
    for name in ["a", "b", "c", "d", "e"] {
        let note = event(name, &s.namespace);
        s.made(Call::create("v1/events", &note)).await?;
    }
    let mut token = String::new();
    let mut versions = Vec::new();
    loop {
        let mut page = Call::get("v1/events").query("limit", 2);
        if !token.is_empty() {
            page = page.query("continue", &token);
        }
        let shown = [
            "/metadata/continue",
            "/metadata/remainingItemCount",
            "/items/0/metadata/name",
            "/items/1/metadata/name",
        ];
        let list = s.expect(200, page, &shown).await?;
        versions.push(list["metadata"]["resourceVersion"].clone());
        token = text(&list, "/metadata/continue").to_owned();
        if token.is_empty() {
            break;
        }
    }
    ensure!(versions.len() == 3, "{versions:?}");
    versions.dedup();
    ensure!(
        versions.len() == 1,
        "the pages are of different versions: {versions:?}"
    );
    Ok(())
}

/// A server does not look ahead whether a selector leaves anything for the next page.
pub(super) async fn pages_of_a_selection(s: &mut Session) -> Result<()> {
    three_config_maps(s).await?;
    let first = Call::get("v1/configmaps")
        .query("limit", 1)
        .query("labelSelector", "team=shop");
    let mut page = first.clone();
    let shown = [
        "/metadata/continue",
        "/metadata/remainingItemCount",
        "/items/0/metadata/name",
        "/items/1",
    ];
    for _ in 0..2 {
        let list = s.expect(200, page, &shown).await?;
        page = first
            .clone()
            .query("continue", text(&list, "/metadata/continue"));
    }
    s.expect(200, page, &shown).await?;
    Ok(())
}

pub(super) async fn a_page_token_that_is_none(s: &mut Session) -> Result<()> {
    let page = Call::get("v1/configmaps")
        .query("limit", 1)
        .query("continue", "nonsense");
    s.expect(400, page, &[]).await?;
    s.expect(400, Call::get("v1/configmaps").query("limit", "many"), &[])
        .await?;
    Ok(())
}

pub(super) async fn a_list_from_the_cache(s: &mut Session) -> Result<()> {
    three_config_maps(s).await?;
    let cached = Call::get("v1/configmaps").query("resourceVersion", "0");
    s.expect(200, cached, &["/kind", "/metadata/continue"])
        .await?;
    Ok(())
}

pub(super) async fn metadata_alone(s: &mut Session) -> Result<()> {
    let map = config_map("a", &json!({ "team": "shop" }));
    s.made(Call::create("v1/configmaps", &map)).await?;
    s.expect(200, Call::get("v1/configmaps/a").metadata(), &[])
        .await?;
    let list = Call::get("v1/configmaps").query("fieldSelector", "metadata.name=a");
    s.expect(
        200,
        list.metadata_list(),
        &["/apiVersion", "/kind", "/items"],
    )
    .await?;
    s.expect(404, Call::get("v1/configmaps/none").metadata(), &[])
        .await?;
    Ok(())
}

pub(super) async fn the_scale_of_a_workload(s: &mut Session) -> Result<()> {
    idle_deployment(s).await?;
    s.expect(200, Call::get(format!("{DEPLOYMENT}/scale")), &[])
        .await?;
    Ok(())
}
