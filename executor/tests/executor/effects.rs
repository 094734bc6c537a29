//! What an accepted decision does.

use std::sync::atomic::Ordering;

use aegis_executor::{Board, Claim, DECISION_ID, FENCE, INCIDENT};
use aegis_schemas::{Action, EntityKind, OutcomePhase, PreImage, RefusalCode};
use kube::Api as Objects;
use kube::core::DynamicObject;
use serde_json::{Value, json};

use crate::support::{SCALE, World, workload};

#[tokio::test]
async fn a_scale_is_one_patch_with_its_marks_and_its_pre_image() {
    let mut world = World::new().await;
    let warrant = world
        .warrant(
            10,
            Action::Scale {
                replicas: 5,
                from: 3,
            },
        )
        .await;
    let outcome = world.carry_out(&warrant).await;
    assert_eq!(outcome.phase, OutcomePhase::Applied, "{}", outcome.message);
    assert_eq!(outcome.pre_image, Some(PreImage::Replicas { replicas: 3 }));
    let web = world.web().await;
    assert_eq!(web.data["spec"]["replicas"], 5);
    let annotations = web.metadata.annotations.unwrap();
    assert_eq!(annotations[DECISION_ID], warrant.decision_id.to_string());
    assert_eq!(annotations[FENCE], warrant.fence.to_string());
    assert_eq!(annotations[INCIDENT], warrant.incident.unwrap().to_string());
    assert_eq!(outcome.generation, web.metadata.generation.unwrap());
    let writes = world.writes();
    let dry: Vec<_> = writes.iter().map(|write| write.dry_run).collect();
    assert_eq!(dry, [true, false], "a dry run, then the write");
    assert_eq!(writes[0].digest, writes[1].digest, "of the same request");
    let events = world.objects("v1", "Event", Some("shop"));
    let events = events.list(&Default::default()).await.unwrap();
    let told = |event: &&DynamicObject| event.data["reason"] == "AegisScaled";
    assert_eq!(events.iter().filter(told).count(), 1);
}

#[tokio::test]
async fn a_redelivery_has_no_second_effect_and_says_the_same() {
    let mut world = World::new().await;
    let warrant = world
        .warrant(
            10,
            Action::Scale {
                replicas: 5,
                from: 3,
            },
        )
        .await;
    let first = world.carry_out(&warrant).await;
    // Long after it expired, and by another process.
    world.pass(300);
    world.executor = world.successor();
    let second = world.deliver(&warrant, true).await;
    assert_eq!(first, second);
    assert_eq!(world.effects().len(), 1);
    // Also when somebody went on from there.
    world
        .edit(json!({ "metadata": { "annotations": { DECISION_ID: null } } }))
        .await;
    assert_eq!(world.deliver(&warrant, true).await, first);
    assert_eq!(world.effects().len(), 1);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_found_and_not_repeated() {
    let mut world = World::new().await;
    let warrant = world
        .warrant(
            10,
            Action::Scale {
                replicas: 5,
                from: 3,
            },
        )
        .await;
    world.lost_answers.store(1, Ordering::SeqCst);
    let outcome = world.carry_out(&warrant).await;
    assert_eq!(outcome.phase, OutcomePhase::Applied);
    assert_eq!(outcome.pre_image, Some(PreImage::Replicas { replicas: 3 }));
    let web = world.web().await;
    assert_eq!(outcome.generation, web.metadata.generation.unwrap());
    assert_eq!(world.effects().len(), 1);
}

#[tokio::test]
async fn a_restart_rolls_out_and_is_undone_by_its_pre_image() {
    let mut world = World::new().await;
    let before = world.web().await.data["spec"]["template"].clone();
    let warrant = world.warrant(10, Action::RolloutRestart).await;
    let outcome = world.carry_out(&warrant).await;
    assert_eq!(outcome.phase, OutcomePhase::Applied, "{}", outcome.message);
    let at = &world.web().await.data["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(
        at["kubectl.kubernetes.io/restartedAt"],
        warrant.iat.to_string()
    );
    world.pass(30);
    let Some(PreImage::Template { template }) = outcome.pre_image else {
        panic!("a restart keeps the template");
    };
    let mut undo = world
        .warrant(11, Action::RestoreTemplate { template })
        .await;
    undo.undo_of = Some(warrant.decision_id);
    assert_eq!(undo.target.object.generation, outcome.generation);
    let undone = world.carry_out(&undo).await;
    assert_eq!(undone.phase, OutcomePhase::Applied, "{}", undone.message);
    assert_eq!(world.web().await.data["spec"]["template"], before);
}

#[tokio::test]
async fn a_rollback_takes_the_template_of_the_revision_that_was_decided() {
    let mut world = World::new().await;
    let (template, hash) = revision(&world, "1").await;
    world
        .edit(json!({ "spec": { "template": { "spec": { "containers": [{ "name": "main", "image": "bad" }] } } } }))
        .await;
    world.pass(30);
    let other = Action::Rollback {
        revision: 1,
        template_hash: "other".to_owned(),
    };
    let warrant = world.warrant(10, other).await;
    let outcome = world.carry_out(&warrant).await;
    assert_eq!(
        outcome.code,
        Some(RefusalCode::TargetChanged),
        "the number alone is not enough"
    );
    let right = Action::Rollback {
        revision: 1,
        template_hash: hash,
    };
    let warrant = world.warrant(11, right).await;
    let outcome = world.carry_out(&warrant).await;
    assert_eq!(outcome.phase, OutcomePhase::Applied, "{}", outcome.message);
    assert_eq!(world.web().await.data["spec"]["template"], template);
    let Some(PreImage::Template { template }) = outcome.pre_image else {
        panic!("a rollback keeps the template");
    };
    assert!(template.contains("\"bad\""));
    assert_eq!(world.effects().len(), 1);
}

/// The template of a revision, and its hash.
async fn revision(world: &World, number: &str) -> (Value, String) {
    let sets = world.objects("apps/v1", "ReplicaSet", Some("shop"));
    let sets = sets.list(&Default::default()).await.unwrap();
    let is_it = |set: &&DynamicObject| {
        set.metadata.annotations.as_ref().unwrap()["deployment.kubernetes.io/revision"] == number
    };
    let set = sets.iter().find(is_it).unwrap();
    let hash = set.metadata.labels.as_ref().unwrap()["pod-template-hash"].clone();
    (world.web().await.data["spec"]["template"].clone(), hash)
}

#[tokio::test]
async fn a_pod_is_evicted_once_and_replaced() {
    let mut world = World::new().await;
    let pod = world.pods().await.swap_remove(0);
    let warrant = world.pod_warrant(10, &pod, false);
    let outcome = world.carry_out(&warrant).await;
    assert_eq!(outcome.phase, OutcomePhase::Applied, "{}", outcome.message);
    let uid = pod.metadata.uid.unwrap();
    assert_eq!(outcome.pre_image, Some(PreImage::Pod { uid: uid.clone() }));
    world.pass(60);
    let pods = world.pods().await;
    assert_eq!(pods.len(), 3);
    assert!(
        pods.iter()
            .all(|pod| pod.metadata.uid.as_ref() != Some(&uid))
    );
    let again = world.deliver(&warrant, true).await;
    assert_eq!(again, outcome);
    let effects = world.effects();
    assert_eq!(effects.len(), 1);
    assert_eq!(effects[0].subresource, "eviction");
}

#[tokio::test]
async fn an_object_that_changes_under_the_write_is_read_again() {
    let mut world = World::new().await;
    let warrant = world.warrant(10, SCALE).await;
    // Before the dry run, and before the write of the second try.
    world.meddling.store(1, Ordering::SeqCst);
    let outcome = world.carry_out(&warrant).await;
    assert_eq!(outcome.phase, OutcomePhase::Applied, "{}", outcome.message);
    assert_eq!(world.effects().len(), 1);
    assert_eq!(
        world.writes().len(),
        2,
        "what met another version is not accepted"
    );
}

#[tokio::test]
async fn an_object_that_never_stands_still_is_waited_for() {
    let mut world = World::new().await;
    let warrant = world.warrant(10, SCALE).await;
    world.meddling.store(u64::MAX, Ordering::SeqCst);
    let outcome = world.carry_out(&warrant).await;
    assert_eq!(outcome.phase, OutcomePhase::Failed);
    assert!(world.effects().is_empty());
}

/// The set `db` with three ready pods.
async fn stateful_set(world: &mut World) -> Objects<DynamicObject> {
    world
        .create("apps/v1", "StatefulSet", Some("shop"), workload("db", "v1"))
        .await;
    world.pass(30);
    world.objects("apps/v1", "StatefulSet", Some("shop"))
}

/// Somebody gives `db` a bad image.
async fn deploy_bad(sets: &Objects<DynamicObject>) {
    let image = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "main", "image": "bad" }] } } } });
    let patch = kube::api::Patch::Merge(image);
    sets.patch("db", &Default::default(), &patch).await.unwrap();
}

#[tokio::test]
async fn a_stateful_set_is_scaled_and_rolled_back_by_its_controller_revision() {
    let mut world = World::new().await;
    let sets = stateful_set(&mut world).await;
    let before = sets.get("db").await.unwrap();
    let revisions = world.objects("apps/v1", "ControllerRevision", Some("shop"));
    let revision = revisions
        .list(&Default::default())
        .await
        .unwrap()
        .items
        .swap_remove(0);
    deploy_bad(&sets).await;
    world.pass(30);
    let rollback = Action::Rollback {
        revision: revision.data["revision"].as_i64().unwrap(),
        template_hash: revision.metadata.name.unwrap(),
    };
    let db = sets.get("db").await.unwrap();
    let warrant = world.warrant_for(EntityKind::StatefulSet, &db, 10, rollback);
    let outcome = world.carry_out(&warrant).await;
    assert_eq!(outcome.phase, OutcomePhase::Applied, "{}", outcome.message);
    let db = sets.get("db").await.unwrap();
    assert_eq!(db.data["spec"]["template"], before.data["spec"]["template"]);
    let warrant = world.warrant_for(EntityKind::StatefulSet, &db, 11, SCALE);
    let outcome = world.carry_out(&warrant).await;
    assert_eq!(outcome.phase, OutcomePhase::Applied, "{}", outcome.message);
    assert_eq!(sets.get("db").await.unwrap().data["spec"]["replicas"], 5);
}

#[tokio::test]
async fn a_rollback_frees_a_stateful_set_from_the_pod_that_it_waits_for() {
    let mut world = World::new().await;
    let sets = stateful_set(&mut world).await;
    // No new pod gets ready.
    world.api = world.api.clone().with_kubelet(false);
    deploy_bad(&sets).await;
    world.pass(60);
    let revisions = world.objects("apps/v1", "ControllerRevision", Some("shop"));
    let revisions = revisions.list(&Default::default()).await.unwrap().items;
    let first = revisions.iter().find(|one| one.data["revision"] == 1);
    let first = first.unwrap();
    let rollback = Action::Rollback {
        revision: 1,
        template_hash: first.metadata.name.clone().unwrap(),
    };
    let db = sets.get("db").await.unwrap();
    let mut warrant = world.warrant_for(EntityKind::StatefulSet, &db, 10, rollback);
    // Nothing that serves is taken down.
    warrant.max_blast.pods = 0;
    let outcome = world.carry_out(&warrant).await;
    assert_eq!(outcome.phase, OutcomePhase::Applied, "{}", outcome.message);
    let written: Vec<_> = world
        .effects()
        .into_iter()
        .map(|entry| (entry.verb, entry.name))
        .collect();
    let expected = [("patch", "db"), ("delete", "db-2")];
    assert_eq!(
        written,
        expected.map(|(verb, name)| (verb.to_owned(), name.to_owned()))
    );
    let events = world.objects("v1", "Event", Some("shop"));
    let events = events.list(&Default::default()).await.unwrap();
    let freed = |event: &&DynamicObject| event.data["reason"] == "AegisFreed";
    assert_eq!(events.iter().filter(freed).count(), 1, "told on the pod");
    // Told again, it says the same and deletes nothing more, though the new pod is not ready yet.
    assert_eq!(world.deliver(&warrant, true).await, outcome);
    assert_eq!(world.effects().len(), 2);
    world.api = world.api.clone().with_kubelet(true);
    world.pass(60);
    let db = sets.get("db").await.unwrap();
    assert_eq!(db.data["status"]["readyReplicas"], 3, "{:#}", db.data);
    assert_eq!(db.data["status"]["updatedReplicas"], 3, "{:#}", db.data);
}

#[tokio::test]
async fn a_rollback_that_is_written_is_told_however_long_the_rest_is_held_up() {
    let mut world = World::new().await;
    let sets = stateful_set(&mut world).await;
    let before = sets.get("db").await.unwrap();
    let template = before.data["spec"]["template"].to_string();
    deploy_bad(&sets).await;
    world.pass(5);
    let db = sets.get("db").await.unwrap();
    let restore = Action::RestoreTemplate { template };
    let warrant = world.warrant_for(EntityKind::StatefulSet, &db, 10, restore);
    // The write is done, its controller has not seen it, and nobody answers from then on.
    world.go_away_after_the_write();
    let outcome = world.carry_out(&warrant).await;
    assert_eq!(outcome.phase, OutcomePhase::Applied, "{}", outcome.message);
    assert!(outcome.pre_image.is_some());
    assert!(world.now() > warrant.exp, "it took longer than that");
}

#[tokio::test]
async fn a_daemon_set_is_rolled_back_by_the_hash_that_its_pods_carry() {
    let mut world = World::new().await;
    world
        .create("apps/v1", "DaemonSet", Some("shop"), workload("db", "v1"))
        .await;
    world.pass(30);
    let sets = world.objects("apps/v1", "DaemonSet", Some("shop"));
    let before = sets.get("db").await.unwrap();
    let pods = world.pods().await;
    let mut labels = pods.into_iter().filter_map(|pod| pod.metadata.labels);
    let hash = labels.find_map(|mut labels| labels.remove("controller-revision-hash"));
    deploy_bad(&sets).await;
    world.pass(30);
    let rollback = Action::Rollback {
        revision: 1,
        template_hash: hash.unwrap(),
    };
    let db = sets.get("db").await.unwrap();
    let warrant = world.warrant_for(EntityKind::DaemonSet, &db, 10, rollback);
    let outcome = world.carry_out(&warrant).await;
    assert_eq!(outcome.phase, OutcomePhase::Applied, "{}", outcome.message);
    let db = sets.get("db").await.unwrap();
    assert_eq!(db.data["spec"]["template"], before.data["spec"]["template"]);
}

#[tokio::test]
async fn a_claim_without_a_write_is_taken_over() {
    let mut world = World::new().await;
    let warrant = world.warrant(10, SCALE).await;
    // As a process that died between the two leaves it.
    let claim = Claim {
        nonce: warrant.nonce,
        seq: warrant.fence,
        pre_image: PreImage::Replicas { replicas: 3 },
        done: None,
    };
    world
        .board
        .create_claim(warrant.decision_id, claim)
        .await
        .unwrap();
    let outcome = world.deliver(&warrant, true).await;
    assert_eq!(outcome.phase, OutcomePhase::Applied, "{}", outcome.message);
    assert_eq!(world.effects().len(), 1);
    // The same claim, but it expired before anybody came back: nothing was written, and that is said.
    let late = world
        .warrant(
            11,
            Action::Scale {
                replicas: 3,
                from: 5,
            },
        )
        .await;
    world.pass(120);
    let outcome = world.deliver(&late, true).await;
    assert_eq!(outcome.code, Some(RefusalCode::Expired));
    assert_eq!(world.effects().len(), 1);
}
