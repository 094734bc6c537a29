//! The revisions of workloads: where the template of an earlier one is found for a rollback.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::call::Call;
use crate::objects::{ready_pod, text, workload};
use crate::session::Session;

/// Sets another image, as a person does who rolls out.
fn another_image(path: &str) -> Call {
    let containers = json!([{ "name": "main", "image": "registry.example/web:2" }]);
    let patch = json!({ "spec": { "template": { "spec": { "containers": containers } } } });
    Call::strategic_patch(path, &patch)
}

fn selected(path: &str, app: &str) -> Call {
    Call::get(path).query("labelSelector", format!("app={app}"))
}

pub(super) async fn of_a_deployment(s: &mut Session) -> Result<()> {
    ready_pod(s, "web", 1).await?;
    let path = "apps/v1/deployments/web";
    s.expect(200, another_image(path), &["/metadata/generation"])
        .await?;
    s.until(path, |web| {
        web["status"]["observedGeneration"] == 2
            && web["status"]["updatedReplicas"] == 1
            && web["status"]["replicas"] == 1
    })
    .await?;
    let web = s.made(Call::get(path)).await?;
    s.note(
        "the revision of the deployment",
        &web["metadata"]["annotations"],
    );
    let sets = s.made(selected("apps/v1/replicasets", "web")).await?;
    for revision in ["1", "2"] {
        let set = sets["items"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|set| {
                set["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == *revision
            })
            .with_context(|| format!("no revision {revision} in {sets}"))?;
        let hash = text(set, "/metadata/labels/pod-template-hash").to_owned();
        ensure!(
            text(set, "/metadata/name") == format!("web-{hash}"),
            "{set}"
        );
        s.generated(&hash, &format!("hash {revision}"));
        let what = format!("the set of revision {revision}");
        s.note(&what, &kept(set, "/spec"));
        s.note(&what, &set["metadata"]["annotations"]);
    }
    Ok(())
}

pub(super) async fn of_a_stateful_set(s: &mut Session) -> Result<()> {
    of_a_set(s, "StatefulSet", "apps/v1/statefulsets").await
}

pub(super) async fn of_a_daemon_set(s: &mut Session) -> Result<()> {
    of_a_set(s, "DaemonSet", "apps/v1/daemonsets").await
}

/// Two revisions of a workload without pods.
async fn of_a_set(s: &mut Session, kind: &str, plural: &str) -> Result<()> {
    let mut set = workload(kind, "db");
    set["spec"]["template"]["spec"]["nodeSelector"] = json!({ "absent": "true" });
    if kind == "StatefulSet" {
        set["spec"]["replicas"] = 0.into();
    }
    s.made(Call::create(plural, &set)).await?;
    let path = format!("{plural}/db");
    s.until(&path, |set| set["status"]["observedGeneration"] == 1)
        .await?;
    s.expect(200, another_image(&path), &["/metadata/generation"])
        .await?;
    s.until(&path, |set| set["status"]["observedGeneration"] == 2)
        .await?;
    let two = |list: &Value| list["items"].as_array().map_or(0, Vec::len) == 2;
    s.until("apps/v1/controllerrevisions", two).await?;
    let revisions = s
        .made(selected("apps/v1/controllerrevisions", "db"))
        .await?;
    let mut revisions: Vec<&Value> = revisions["items"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    revisions.sort_by_key(|revision| revision["revision"].as_i64());
    for revision in revisions {
        let name = text(revision, "/metadata/name");
        let hash = name.strip_prefix("db-").unwrap_or_default().to_owned();
        s.generated(&hash, &format!("hash {}", revision["revision"]));
        s.note("a revision", &kept(revision, "/data"));
    }
    Ok(())
}

/// What a rollback reads of a revision.
fn kept(object: &Value, template: &str) -> Value {
    let metadata = &object["metadata"];
    let owner = &metadata["ownerReferences"][0];
    json!({
        "name": metadata["name"],
        "labels": metadata["labels"],
        "owner": [owner["kind"], owner["name"], owner["controller"], owner["blockOwnerDeletion"]],
        "kept": object.pointer(template),
        "revision": object["revision"],
    })
}
