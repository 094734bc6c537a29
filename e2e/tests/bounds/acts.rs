//! The executor as it runs, with its service account: each of its acts is taken.

use std::time::Duration;

use aegis_e2e::{ControlPlane, Ground, until};
use aegis_schemas::{Action, DecisionId, Entity, EntityKind, Name, Outcome, OutcomePhase, Target};
use aegis_xtask::kubernetes::Options;
use serde_json::Value;

const APPS: &str = "/apis/apps/v1/namespaces/shop";
const SOON: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn the_executor_does_each_of_its_acts() {
    let start = || ControlPlane::start(&Options::for_the_simulator());
    let Some(plane) = tokio::task::spawn_blocking(start).await.unwrap().unwrap() else {
        return;
    };
    let mut ground = Ground::on(plane).await.unwrap();
    let up = Action::Scale {
        replicas: 5,
        from: 4,
    };
    let scaled = act(&mut ground, "web", up).await;
    let down = Action::Scale {
        replicas: 4,
        from: 5,
    };
    let web = ground.stack.deployment("shop", "web").await.unwrap();
    act_on(&mut ground, web, down, Some(scaled.decision)).await;

    act(&mut ground, "api", Action::RolloutRestart).await;
    let template = another_template(&ground, "catalog").await;
    act(&mut ground, "catalog", Action::RestoreTemplate { template }).await;
    let pod = pod(&ground, "cart").await;
    act_on(&mut ground, pod, Action::RestartPod { delete: false }, None).await;
    let first = first_revision(&ground, "api").await;
    act(&mut ground, "api", first).await;
    ground.stack.stop().await;
}

async fn act(ground: &mut Ground, name: &str, action: Action) -> Outcome {
    let target = ground.stack.deployment("shop", name).await.unwrap();
    act_on(ground, target, action, None).await
}

/// Decides it and waits until it is done.
async fn act_on(
    ground: &mut Ground,
    target: Target,
    action: Action,
    undo_of: Option<DecisionId>,
) -> Outcome {
    let told = action.describe();
    let mut warrant = ground.policy.decide(target, action).await.unwrap();
    warrant.undo_of = undo_of;
    let seq = ground.policy.say(&warrant).await.unwrap();
    let outcome = ground.outcome_of(seq).await.unwrap();
    assert_eq!(
        outcome.phase,
        OutcomePhase::Applied,
        "{told}: {}",
        outcome.message
    );
    outcome
}

/// Back to the first template, once the second is on record: that changes the object, too.
async fn first_revision(ground: &Ground, name: &str) -> Action {
    let path = format!("{APPS}/deployments/{name}");
    let second = || async {
        let found = ground.stack.object(&path).await;
        found.is_ok_and(|found| revision(&found) == "2")
    };
    until("the second revision", SOON, second).await.unwrap();
    let sets = format!("{APPS}/replicasets?labelSelector=app%3D{name}");
    let sets = ground.stack.object(&sets).await.unwrap();
    let mut sets = sets["items"].as_array().unwrap().iter();
    let first = sets.find(|set| revision(set) == "1").unwrap();
    let hash = &first["metadata"]["labels"]["pod-template-hash"];
    Action::Rollback {
        revision: 1,
        template_hash: hash.as_str().unwrap().to_owned(),
    }
}

fn revision(object: &Value) -> &str {
    let revision = &object["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
    revision.as_str().unwrap_or_default()
}

/// The template with another tag.
async fn another_template(ground: &Ground, name: &str) -> String {
    let path = format!("{APPS}/deployments/{name}");
    let mut found = ground.stack.object(&path).await.unwrap();
    let image = "/spec/template/spec/containers/0/image";
    let image = found.pointer_mut(image).unwrap();
    let (repository, _) = image.as_str().unwrap().split_once(':').unwrap();
    *image = format!("{repository}:another").into();
    found["spec"]["template"].to_string()
}

/// A pod of the workload.
async fn pod(ground: &Ground, name: &str) -> Target {
    let path = format!("/api/v1/namespaces/shop/pods?labelSelector=app%3D{name}");
    let pods = ground.stack.object(&path).await.unwrap();
    let metadata = &pods["items"][0]["metadata"];
    let pod = Name::parse(metadata["name"].as_str().unwrap()).unwrap();
    let workload = ground
        .stack
        .deployment("shop", name)
        .await
        .unwrap()
        .workload;
    let namespace = workload.namespace.clone().unwrap();
    Target {
        entity: Entity::namespaced(workload.cluster.clone(), namespace, EntityKind::Pod, pod),
        workload,
        gvk: "v1/Pod".to_owned(),
        uid: metadata["uid"].as_str().unwrap().to_owned(),
        generation: 0,
    }
}
