//! Creating: the executor's Events, and what a name may and may not be.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::call::Call;
use crate::objects::{budget, config_map, event, text, workload};
use crate::session::Session;

const MAPS: &str = "v1/configmaps";

pub(super) async fn the_event_of_an_act(s: &mut Session) -> Result<()> {
    let note = event("web.0123456789abcdef", &s.namespace);
    let create = Call::create("v1/events", &note);
    s.expect(201, create.clone(), &[]).await?;
    s.expect(409, create, &[]).await?;
    let named = Call::get("v1/events").query(
        "fieldSelector",
        "involvedObject.name=web,reason=AegisScaled",
    );
    s.expect(200, named, &["/items/0/metadata/name", "/items/1"])
        .await?;
    s.expect(
        200,
        Call::get("events.k8s.io/v1/events/web.0123456789abcdef"),
        &[],
    )
    .await?;
    Ok(())
}

pub(super) async fn the_digits_of_an_event_time(s: &mut Session) -> Result<()> {
    for (code, time) in [
        (400, "2026-03-01T12:00:00Z"),
        (400, "2026-03-01T12:00:00.250Z"),
        (400, "2026-03-01T12:00:00.123456789Z"),
        (201, "2026-03-01T12:00:00.123456Z"),
    ] {
        let mut note = event("a", &s.namespace);
        note["eventTime"] = time.into();
        s.expect(code, Call::create("v1/events", &note), &["/eventTime"])
            .await?;
    }
    Ok(())
}

pub(super) async fn a_name_that_is_taken(s: &mut Session) -> Result<()> {
    let map = config_map("a", &Value::Null);
    s.expect(201, Call::create(MAPS, &map), &[]).await?;
    s.expect(409, Call::create(MAPS, &map), &[]).await?;
    s.expect(409, Call::create(MAPS, &map).dry_run(), &[])
        .await?;
    Ok(())
}

pub(super) async fn a_dry_run_leaves_nothing(s: &mut Session) -> Result<()> {
    let create = Call::create("apps/v1/deployments", &workload("Deployment", "web"));
    s.expect(
        201,
        create.dry_run(),
        &["/metadata/name", "/metadata/generation", "/spec/replicas"],
    )
    .await?;
    s.expect(404, Call::get("apps/v1/deployments/web"), &[])
        .await?;
    Ok(())
}

pub(super) async fn a_generated_name(s: &mut Session) -> Result<()> {
    let mut map = config_map("", &Value::Null);
    map["metadata"] = json!({ "generateName": "web-" });
    let made = s.made(Call::create(MAPS, &map)).await?;
    let name = text(&made, "/metadata/name");
    let suffix = name.strip_prefix("web-").unwrap_or_default();
    ensure!(suffix.len() == 5, "`{name}`");
    s.generated(name, "name");
    s.expect(200, Call::get(format!("{MAPS}/{name}")), &["/metadata"])
        .await?;
    Ok(())
}

pub(super) async fn names_that_are_refused(s: &mut Session) -> Result<()> {
    for name in ["", "Web", "a/b", "-a"] {
        s.expect(
            422,
            Call::create(MAPS, &config_map(name, &Value::Null)),
            &[],
        )
        .await?;
    }
    Ok(())
}

pub(super) async fn objects_that_are_refused(s: &mut Session) -> Result<()> {
    let mut unselected = workload("Deployment", "a");
    unselected["spec"]["template"]["metadata"]["labels"] = json!({ "app": "other" });
    let mut empty = workload("Deployment", "b");
    empty["spec"]["template"]["spec"]["containers"] = json!([]);
    let mut negative = workload("Deployment", "c");
    negative["spec"]["replicas"] = (-1).into();
    let mut unselective = workload("Deployment", "d");
    unselective["spec"]
        .as_object_mut()
        .map(|spec| spec.remove("selector"));
    for deployment in [unselected, empty, negative, unselective] {
        s.expect(422, Call::create("apps/v1/deployments", &deployment), &[])
            .await?;
    }
    let mut both = budget("web", "web", 1);
    both["spec"]["maxUnavailable"] = 1.into();
    s.expect(
        422,
        Call::create("policy/v1/poddisruptionbudgets", &both),
        &[],
    )
    .await?;
    Ok(())
}

pub(super) async fn objects_for_another_place(s: &mut Session) -> Result<()> {
    let mut map = config_map("a", &Value::Null);
    let nowhere = Call::create("/api/v1/namespaces/none/configmaps", &map);
    s.expect(404, nowhere, &[]).await?;
    map["metadata"]["namespace"] = "default".into();
    s.expect(400, Call::create(MAPS, &map), &[]).await?;
    s.expect(400, Call::create(MAPS, &workload("Deployment", "web")), &[])
        .await?;
    let mut stored = config_map("a", &Value::Null);
    stored["metadata"]["resourceVersion"] = "1".into();
    s.expect(500, Call::create(MAPS, &stored), &[]).await?;
    Ok(())
}

pub(super) async fn identity_is_not_the_clients_to_choose(s: &mut Session) -> Result<()> {
    let mut map = config_map("a", &Value::Null);
    map["metadata"]["uid"] = "4a7c1d7e-0000-4000-8000-000000000000".into();
    map["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z".into();
    let made = s
        .expect(201, Call::create(MAPS, &map), &["/metadata"])
        .await?;
    for field in ["uid", "creationTimestamp"] {
        ensure!(made["metadata"][field] != map["metadata"][field], "{made}");
    }
    Ok(())
}

pub(super) async fn into_a_namespace_that_goes(s: &mut Session) -> Result<()> {
    let mut map = config_map("a", &Value::Null);
    map["metadata"]["finalizers"] = json!(["example.com/hold"]);
    s.made(Call::create(MAPS, &map)).await?;
    let namespace = format!("/api/v1/namespaces/{}", s.namespace);
    let shown = ["/kind", "/status/phase", "/spec/finalizers"];
    s.expect(200, Call::delete(&namespace, &json!({})), &shown)
        .await?;
    s.expect(403, Call::create(MAPS, &config_map("b", &Value::Null)), &[])
        .await?;
    let free = json!({ "metadata": { "finalizers": null } });
    s.made(Call::merge_patch(format!("{MAPS}/a"), &free))
        .await?;
    Ok(())
}
