//! Evicting: a pod that may go goes, one that a budget needs stays.

use anyhow::Result;
use serde_json::{Value, json};

use crate::call::Call;
use crate::objects::{budget, ready_pod, text};
use crate::session::Session;

const BUDGETS: &str = "policy/v1/poddisruptionbudgets";

/// An eviction as the executor asks for it.
fn evict(s: &Session, pod: &Value, uid: &Value, version: &Value) -> Call {
    let name = text(pod, "/metadata/name");
    let eviction = json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {
            "name": name,
            "namespace": s.namespace,
            "annotations": { "aegis.dev/decision-id": "0123456789abcdef" },
        },
        "deleteOptions": { "preconditions": { "uid": uid, "resourceVersion": version } },
    });
    Call::create(format!("v1/pods/{name}/eviction"), &eviction)
}

fn evict_this(s: &Session, pod: &Value) -> Call {
    let metadata = &pod["metadata"];
    evict(s, pod, &metadata["uid"], &metadata["resourceVersion"])
}

/// Sets a budget and waits until it is counted.
async fn budgeted(s: &mut Session, name: &str, min_available: i64, allowed: i64) -> Result<()> {
    let budget = budget(name, "web", min_available);
    s.made(Call::create(BUDGETS, &budget)).await?;
    let path = format!("{BUDGETS}/{name}");
    s.until(&path, |budget| {
        budget["status"]["observedGeneration"] == 1
            && budget["status"]["disruptionsAllowed"] == allowed
    })
    .await?;
    Ok(())
}

async fn is_there(s: &mut Session, pod: &Value) -> Result<()> {
    let path = format!("v1/pods/{}", text(pod, "/metadata/name"));
    s.expect(200, Call::get(path), &["/metadata/deletionTimestamp"])
        .await?;
    Ok(())
}

pub(super) async fn a_pod_that_may_go(s: &mut Session) -> Result<()> {
    let pod = ready_pod(s, "web", 2).await?;
    budgeted(s, "web", 1, 1).await?;
    s.expect(201, evict_this(s, &pod).dry_run(), &[]).await?;
    is_there(s, &pod).await?;
    s.expect(201, evict_this(s, &pod), &[]).await?;
    Ok(())
}

pub(super) async fn a_pod_that_a_budget_needs(s: &mut Session) -> Result<()> {
    let pod = ready_pod(s, "web", 1).await?;
    budgeted(s, "web", 1, 0).await?;
    let shown = [
        "/status/currentHealthy",
        "/status/desiredHealthy",
        "/status/disruptionsAllowed",
        "/status/expectedPods",
    ];
    s.expect(200, Call::get(format!("{BUDGETS}/web")), &shown)
        .await?;
    s.expect(429, evict_this(s, &pod), &[]).await?;
    s.expect(429, evict_this(s, &pod).dry_run(), &[]).await?;
    is_there(s, &pod).await
}

pub(super) async fn another_pod_of_that_name(s: &mut Session) -> Result<()> {
    let pod = ready_pod(s, "web", 1).await?;
    let other = json!("4a7c1d7e-0000-4000-8000-000000000000");
    let version = &pod["metadata"]["resourceVersion"];
    s.expect(409, evict(s, &pod, &other, version), &[]).await?;
    s.expect(
        409,
        evict(s, &pod, &pod["metadata"]["uid"], &json!("1")),
        &[],
    )
    .await?;
    is_there(s, &pod).await
}

pub(super) async fn a_pod_that_is_not_there(s: &mut Session) -> Result<()> {
    let pod = json!({ "metadata": { "name": "none", "uid": "u", "resourceVersion": "1" } });
    s.expect(404, evict_this(s, &pod), &[]).await?;
    Ok(())
}

pub(super) async fn a_pod_under_another_name(s: &mut Session) -> Result<()> {
    let pod = ready_pod(s, "web", 1).await?;
    let mut call = evict_this(s, &pod);
    call.path = "v1/pods/other/eviction".to_owned();
    s.expect(400, call, &[]).await?;
    is_there(s, &pod).await
}

pub(super) async fn a_pod_of_two_budgets(s: &mut Session) -> Result<()> {
    let pod = ready_pod(s, "web", 2).await?;
    budgeted(s, "one", 1, 1).await?;
    budgeted(s, "two", 1, 1).await?;
    s.expect(500, evict_this(s, &pod), &[]).await?;
    is_there(s, &pod).await
}
