//! Patching: the one write of an act, and what keeps it from happening twice or to another object.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::call::{Call, Caller};
use crate::objects::{
    DEPLOYMENT, act, add, idle_deployment, scale_to, template, test, text, workload,
};
use crate::session::Session;

const SET: &str = "apps/v1/statefulsets/db";
const CHANGED: [&str; 5] = [
    "/metadata/generation",
    "/metadata/annotations",
    "/metadata/resourceVersion",
    "/spec/replicas",
    "/spec/template",
];

fn acting(live: &Value, change: &[Value]) -> Call {
    Call::json_patch(DEPLOYMENT, &act(live, 7, change)).by(Caller::Executor)
}

/// The Deployment `web`, paused and without pods: its controller has nothing more to write.
async fn paused(s: &mut Session) -> Result<Value> {
    idle_deployment(s).await?;
    let pause = json!({ "spec": { "paused": true } });
    s.made(Call::merge_patch(DEPLOYMENT, &pause)).await?;
    s.until(DEPLOYMENT, |web| {
        let reasons = web["status"]["conditions"].as_array();
        web["status"]["observedGeneration"] == 2
            && reasons
                .into_iter()
                .flatten()
                .any(|condition| condition["reason"] == "DeploymentPaused")
    })
    .await
}

/// A StatefulSet without pods that its controller has seen.
async fn idle_set(s: &mut Session) -> Result<Value> {
    let mut set = workload("StatefulSet", "db");
    set["spec"]["replicas"] = 0.into();
    s.made(Call::create("apps/v1/statefulsets", &set)).await?;
    s.until(SET, |set| set["status"]["observedGeneration"] == 1)
        .await
}

async fn unchanged(s: &mut Session, live: &Value) -> Result<()> {
    let now = s.expect(200, Call::get(DEPLOYMENT), &CHANGED).await?;
    ensure!(
        now["metadata"] == live["metadata"],
        "the metadata changed: {now}"
    );
    ensure!(now["spec"] == live["spec"], "the spec changed: {now}");
    Ok(())
}

pub(super) async fn an_act(s: &mut Session) -> Result<()> {
    let live = paused(s).await?;
    let change = [scale_to(3)];
    let done = s.expect(200, acting(&live, &change), &CHANGED).await?;
    let managers = done["metadata"]["managedFields"].as_array();
    let own = managers
        .into_iter()
        .flatten()
        .find(|entry| entry["manager"] == "aegis-executor");
    let own = own.cloned().unwrap_or_default();
    s.note("the executor among the managers", &own);
    Ok(())
}

pub(super) async fn an_act_done_twice(s: &mut Session) -> Result<()> {
    let live = paused(s).await?;
    let change = [scale_to(3)];
    s.expect(200, acting(&live, &change), &CHANGED).await?;
    s.expect(422, acting(&live, &change), &[]).await?;
    Ok(())
}

pub(super) async fn a_dry_run(s: &mut Session) -> Result<()> {
    let live = paused(s).await?;
    let change = [scale_to(3)];
    s.expect(200, acting(&live, &change).dry_run(), &CHANGED)
        .await?;
    unchanged(s, &live).await
}

pub(super) async fn another_object_of_that_name(s: &mut Session) -> Result<()> {
    let live = paused(s).await?;
    let mut other = live.clone();
    other["metadata"]["uid"] = "4a7c1d7e-0000-4000-8000-000000000000".into();
    s.expect(422, acting(&other, &[scale_to(3)]), &[]).await?;
    s.expect(422, acting(&other, &[scale_to(3)]).dry_run(), &[])
        .await?;
    unchanged(s, &live).await
}

pub(super) async fn another_version(s: &mut Session) -> Result<()> {
    let live = paused(s).await?;
    let mut older = live.clone();
    older["metadata"]["resourceVersion"] = "1".into();
    s.expect(422, acting(&older, &[scale_to(3)]), &[]).await?;
    unchanged(s, &live).await
}

pub(super) async fn nothing_of_that_name(s: &mut Session) -> Result<()> {
    let live = json!({ "metadata": { "uid": "u", "resourceVersion": "1" } });
    s.expect(404, acting(&live, &[scale_to(3)]), &[]).await?;
    Ok(())
}

pub(super) async fn which_generations_count_annotations(s: &mut Session) -> Result<()> {
    let live = paused(s).await?;
    let done = s.expect(200, acting(&live, &[]), &CHANGED).await?;
    ensure!(
        done["metadata"]["generation"] == 3,
        "a deployment's does: {done}"
    );
    let set = idle_set(s).await?;
    let patch = Call::json_patch(SET, &act(&set, 7, &[])).by(Caller::Executor);
    let done = s.expect(200, patch, &["/metadata/generation"]).await?;
    ensure!(
        done["metadata"]["generation"] == 1,
        "a stateful set's does not: {done}"
    );
    Ok(())
}

pub(super) async fn what_is_so_already_changes_nothing(s: &mut Session) -> Result<()> {
    let live = paused(s).await?;
    let patch = Call::json_patch(DEPLOYMENT, &json!([scale_to(0)]));
    s.expect(200, patch, &CHANGED).await?;
    unchanged(s, &live).await
}

pub(super) async fn a_restart_of_a_template_without_annotations(s: &mut Session) -> Result<()> {
    let live = paused(s).await?;
    let at = json!({ "kubectl.kubernetes.io/restartedAt": "2026-03-01T12:00:00Z" });
    let restart = add("/spec/template/metadata/annotations", at);
    s.expect(200, acting(&live, &[restart]), &CHANGED).await?;
    Ok(())
}

pub(super) async fn a_template_replaced_as_a_whole(s: &mut Session) -> Result<()> {
    let live = paused(s).await?;
    let other = add("/spec/template", template("web", "registry.example/web:2"));
    s.expect(200, acting(&live, &[other]), &CHANGED).await?;
    Ok(())
}

pub(super) async fn an_annotation_removed(s: &mut Session) -> Result<()> {
    paused(s).await?;
    let mark = json!({ "metadata": { "annotations": { "aegis.dev/incident": "i", "x": "y" } } });
    s.made(Call::merge_patch(DEPLOYMENT, &mark)).await?;
    let live = s
        .until(DEPLOYMENT, |web| web["status"]["observedGeneration"] == 3)
        .await?;
    let remove = json!({ "op": "remove", "path": "/metadata/annotations/aegis.dev~1incident" });
    s.expect(200, acting(&live, std::slice::from_ref(&remove)), &CHANGED)
        .await?;
    s.expect(422, Call::json_patch(DEPLOYMENT, &json!([remove])), &[])
        .await?;
    Ok(())
}

pub(super) async fn operations_that_cannot_be(s: &mut Session) -> Result<()> {
    paused(s).await?;
    for operations in [
        json!([add("/spec/absent/deeper", 1)]),
        json!([{ "op": "remove", "path": "/metadata/annotations/absent" }]),
        json!([test("/spec/replicas", 1)]),
    ] {
        s.expect(422, Call::json_patch(DEPLOYMENT, &operations), &[])
            .await?;
    }
    Ok(())
}

pub(super) async fn values_that_are_refused(s: &mut Session) -> Result<()> {
    let live = paused(s).await?;
    for change in [
        scale_to(-1),
        add("/spec/replicas", "three"),
        add(
            "/spec/selector",
            json!({ "matchLabels": { "app": "other" } }),
        ),
        add("/spec/template/spec/containers", json!([])),
        add("/spec/template/metadata/labels", json!({ "app": "other" })),
    ] {
        let code = s
            .expect(422, acting(&live, std::slice::from_ref(&change)), &[])
            .await?;
        ensure!(text(&code, "/reason") == "Invalid", "{code}");
    }
    unchanged(s, &live).await
}

pub(super) async fn what_no_patch_may_change(s: &mut Session) -> Result<()> {
    let live = paused(s).await?;
    for (code, change) in [
        (400, add("/metadata/name", "other")),
        (400, add("/metadata/namespace", "default")),
        (
            422,
            add("/metadata/uid", "4a7c1d7e-0000-4000-8000-000000000000"),
        ),
        (409, add("/metadata/resourceVersion", "1")),
    ] {
        s.expect(code, Call::json_patch(DEPLOYMENT, &json!([change])), &[])
            .await?;
    }
    for ignored in [
        add("/metadata/generation", 99),
        add("/metadata/creationTimestamp", "2020-01-01T00:00:00Z"),
        add("/status/replicas", 99),
    ] {
        let patch = Call::json_patch(DEPLOYMENT, &json!([ignored]));
        s.expect(
            200,
            patch,
            &["/metadata/generation", "/status/observedGeneration"],
        )
        .await?;
    }
    unchanged(s, &live).await
}

pub(super) async fn a_merge_patch(s: &mut Session) -> Result<()> {
    let live = paused(s).await?;
    let version = live["metadata"]["resourceVersion"].clone();
    let patch = json!({
        "metadata": { "resourceVersion": version, "annotations": { "a": "b" } },
        "spec": { "replicas": 2 },
    });
    s.expect(200, Call::merge_patch(DEPLOYMENT, &patch), &CHANGED)
        .await?;
    s.expect(409, Call::merge_patch(DEPLOYMENT, &patch), &[])
        .await?;
    Ok(())
}

pub(super) async fn a_strategic_patch(s: &mut Session) -> Result<()> {
    paused(s).await?;
    let containers = json!([
        { "name": "main", "image": "registry.example/web:2" },
        { "name": "side", "image": "registry.example/side:1" },
    ]);
    let patch = json!({ "spec": { "template": { "spec": { "containers": containers } } } });
    s.expect(
        200,
        Call::strategic_patch(DEPLOYMENT, &patch),
        &["/spec/template"],
    )
    .await?;
    let patch = json!({ "spec": { "template": { "spec": { "containers": [
        { "name": "side", "$patch": "delete" },
    ] } } } });
    s.expect(
        200,
        Call::strategic_patch(DEPLOYMENT, &patch),
        &["/spec/template"],
    )
    .await?;
    Ok(())
}

pub(super) async fn the_status_of_an_object(s: &mut Session) -> Result<()> {
    idle_set(s).await?;
    let patch = json!({ "spec": { "replicas": 5 }, "status": { "availableReplicas": 0 } });
    let status = Call::merge_patch(format!("{SET}/status"), &patch);
    s.expect(200, status, &["/metadata/generation", "/spec/replicas"])
        .await?;
    Ok(())
}

pub(super) async fn a_patch_of_another_kind(s: &mut Session) -> Result<()> {
    paused(s).await?;
    let patch = json!([scale_to(1)]);
    for content_type in ["application/json", "text/plain"] {
        s.expect(415, Call::patch(DEPLOYMENT, content_type, &patch), &[])
            .await?;
    }
    Ok(())
}

pub(super) async fn a_patch_that_cannot_be_read(s: &mut Session) -> Result<()> {
    paused(s).await?;
    for (code, body) in [
        (400, "[{"),
        (400, "{\"op\": \"add\"}"),
        (422, "[{\"op\": \"sing\", \"path\": \"/spec\"}]"),
    ] {
        let patch = Call::json_patch(DEPLOYMENT, &json!([]));
        let patch = patch.text("application/json-patch+json", body);
        s.expect(code, patch, &[]).await?;
    }
    Ok(())
}

pub(super) async fn replaced_by_an_older_state(s: &mut Session) -> Result<()> {
    let live = paused(s).await?;
    let mut wanted = live.clone();
    wanted["spec"]["replicas"] = 2.into();
    s.expect(200, Call::replace(DEPLOYMENT, &wanted), &CHANGED)
        .await?;
    s.expect(409, Call::replace(DEPLOYMENT, &wanted), &[])
        .await?;
    Ok(())
}
