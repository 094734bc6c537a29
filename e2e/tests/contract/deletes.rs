//! Deleting: only what was meant, and a pod only with its time to stop.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::call::Call;
use crate::objects::{config_map, ready_pod, text};
use crate::session::Session;

const MAP: &str = "v1/configmaps/a";

async fn map(s: &mut Session) -> Result<Value> {
    let map = config_map("a", &Value::Null);
    s.made(Call::create("v1/configmaps", &map)).await
}

/// The options with which the executor deletes a pod.
fn only(uid: &Value, version: &Value) -> Value {
    json!({ "preconditions": { "uid": uid, "resourceVersion": version } })
}

fn this(object: &Value) -> Value {
    let metadata = &object["metadata"];
    only(&metadata["uid"], &metadata["resourceVersion"])
}

pub(super) async fn what_was_meant(s: &mut Session) -> Result<()> {
    let map = map(s).await?;
    s.expect(200, Call::delete(MAP, &this(&map)), &[]).await?;
    s.expect(404, Call::get(MAP), &[]).await?;
    s.expect(404, Call::delete(MAP, &this(&map)), &[]).await?;
    Ok(())
}

pub(super) async fn another_of_that_name(s: &mut Session) -> Result<()> {
    let map = map(s).await?;
    let other = json!("4a7c1d7e-0000-4000-8000-000000000000");
    let options = only(&other, &map["metadata"]["resourceVersion"]);
    s.expect(409, Call::delete(MAP, &options), &[]).await?;
    s.expect(200, Call::get(MAP), &["/metadata/deletionTimestamp"])
        .await?;
    Ok(())
}

pub(super) async fn another_version(s: &mut Session) -> Result<()> {
    let map = map(s).await?;
    let options = only(&map["metadata"]["uid"], &json!("1"));
    s.expect(409, Call::delete(MAP, &options), &[]).await?;
    s.expect(200, Call::get(MAP), &["/metadata/deletionTimestamp"])
        .await?;
    Ok(())
}

pub(super) async fn a_dry_run(s: &mut Session) -> Result<()> {
    let map = map(s).await?;
    let mut options = this(&map);
    options["dryRun"] = json!(["All"]);
    s.expect(200, Call::delete(MAP, &options), &[]).await?;
    let left = s
        .expect(200, Call::get(MAP), &["/metadata/deletionTimestamp"])
        .await?;
    ensure!(
        left["metadata"] == map["metadata"],
        "a dry run changed {left}"
    );
    Ok(())
}

pub(super) async fn a_pod_with_its_time_to_stop(s: &mut Session) -> Result<()> {
    ready_pod(s, "web", 1).await?;
    let pods = Call::get("v1/pods").query("labelSelector", "app=web");
    let pods = s.made(pods).await?;
    let pod = &pods["items"][0];
    let path = format!("v1/pods/{}", text(pod, "/metadata/name"));
    let mut dry = this(pod);
    dry["dryRun"] = json!(["All"]);
    let shown = [
        "/kind",
        "/metadata/name",
        "/metadata/deletionGracePeriodSeconds",
    ];
    s.expect(200, Call::delete(&path, &dry), &["/kind", "/metadata/name"])
        .await?;
    let other = only(&json!("4a7c1d7e-0000-4000-8000-000000000000"), &Value::Null);
    s.expect(409, Call::delete(&path, &other), &[]).await?;
    s.expect(200, Call::delete(&path, &this(pod)), &shown)
        .await?;
    Ok(())
}

pub(super) async fn what_something_holds(s: &mut Session) -> Result<()> {
    let mut map = config_map("a", &Value::Null);
    map["metadata"]["finalizers"] = json!(["example.com/hold"]);
    s.made(Call::create("v1/configmaps", &map)).await?;
    let shown = [
        "/kind",
        "/metadata/deletionTimestamp",
        "/metadata/deletionGracePeriodSeconds",
        "/metadata/finalizers",
    ];
    s.expect(200, Call::delete(MAP, &json!({})), &shown).await?;
    s.expect(200, Call::delete(MAP, &json!({})), &shown).await?;
    let free = json!({ "metadata": { "finalizers": null } });
    s.expect(
        200,
        Call::merge_patch(MAP, &free),
        &["/kind", "/metadata/finalizers"],
    )
    .await?;
    s.expect(404, Call::get(MAP), &[]).await?;
    Ok(())
}

pub(super) async fn many_at_once(s: &mut Session) -> Result<()> {
    for (name, team) in [("a", "shop"), ("b", "shop"), ("c", "bank")] {
        let map = config_map(name, &json!({ "team": team }));
        s.made(Call::create("v1/configmaps", &map)).await?;
    }
    let shop = Call::delete("v1/configmaps", &json!({})).query("labelSelector", "team=shop");
    s.expect(200, shop, &["/kind"]).await?;
    let left = Call::get("v1/configmaps").query("labelSelector", "team");
    s.expect(200, left, &["/items/0/metadata/name", "/items/1"])
        .await?;
    Ok(())
}
