//! What keeps a decision from its effect.

use std::sync::atomic::Ordering;

use aegis_executor::{Board, Claim};
use aegis_nats::kv::HaltState;
use aegis_schemas::{Action, OutcomePhase, PreImage, RefusalCode};
use serde_json::json;

use crate::support::{SCALE, World, sign};

#[tokio::test]
async fn an_object_that_a_person_changed_is_left_alone() {
    let mut world = World::new().await;
    let warrant = world.warrant(10, SCALE).await;
    world.edit(json!({ "spec": { "replicas": 4 } })).await;
    let outcome = world.carry_out(&warrant).await;
    assert_eq!(outcome.code, Some(RefusalCode::TargetChanged));
    assert!(world.writes().is_empty());
}

#[tokio::test]
async fn an_object_that_was_made_anew_is_another() {
    let mut world = World::new().await;
    let mut warrant = world.warrant(10, SCALE).await;
    warrant.target.object.uid = "another".to_owned();
    let outcome = world.carry_out(&warrant).await;
    assert_eq!(outcome.code, Some(RefusalCode::TargetMismatch));
    assert!(world.writes().is_empty());
}

#[tokio::test]
async fn a_lower_fence_is_stale_for_every_process() {
    let mut world = World::new().await;
    let later = world.warrant(11, SCALE).await;
    assert_eq!(world.carry_out(&later).await.phase, OutcomePhase::Applied);
    world.executor = world.successor();
    let mut earlier = world.warrant(10, SCALE).await;
    earlier.iat = later.iat;
    let outcome = world.carry_out(&earlier).await;
    assert_eq!(outcome.code, Some(RefusalCode::Stale));
    assert_eq!(world.effects().len(), 1);
}

#[tokio::test]
async fn both_kill_switches_stop_every_act_and_void_what_was_decided_before() {
    let mut world = World::new().await;
    let warrant = world.warrant(10, SCALE).await;
    let halts = |on| {
        Some(HaltState {
            fence: warrant.fence,
            on,
        })
    };
    world.board.set_halt(halts(true));
    assert_eq!(
        world.carry_out(&warrant).await.code,
        Some(RefusalCode::Halted)
    );
    world.board.set_halt(halts(false));
    assert_eq!(
        world.carry_out(&warrant).await.code,
        Some(RefusalCode::Halted),
        "void after resume"
    );
    world.board.set_halt(None);
    annotate(&world, "true").await;
    assert_eq!(
        world.carry_out(&warrant).await.code,
        Some(RefusalCode::Halted)
    );
    assert!(world.writes().is_empty());
    annotate(&world, "false").await;
    assert_eq!(world.carry_out(&warrant).await.phase, OutcomePhase::Applied);
}

async fn annotate(world: &World, value: &str) {
    let halt = json!({ "metadata": { "annotations": { "aegis.dev/halt": value } } });
    let namespaces = world.objects("v1", "Namespace", None);
    let patch = kube::api::Patch::Merge(halt);
    namespaces
        .patch("aegis", &Default::default(), &patch)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_the_dry_run_refuses_is_not_written() {
    let mut world = World::new().await;
    let template =
        json!({ "metadata": { "labels": { "app": "other" } }, "spec": { "containers": [] } });
    let action = Action::RestoreTemplate {
        template: template.to_string(),
    };
    let warrant = world.warrant(10, action).await;
    let outcome = world.carry_out(&warrant).await;
    assert_eq!(
        outcome.code,
        Some(RefusalCode::DryRunRefused),
        "{}",
        outcome.message
    );
    assert!(world.effects().is_empty());
}

#[tokio::test]
async fn a_disruption_budget_is_waited_for_and_never_forced() {
    let mut world = World::new().await;
    let budget = json!({
        "metadata": { "name": "web" },
        "spec": { "minAvailable": 3, "selector": { "matchLabels": { "app": "web" } } },
    });
    world
        .create("policy/v1", "PodDisruptionBudget", Some("shop"), budget)
        .await;
    world.pass(5);
    let pod = world.pods().await.swap_remove(0);
    let warrant = world.pod_warrant(10, &pod, false);
    let begun = world.now();
    let outcome = world.carry_out(&warrant).await;
    assert_eq!(outcome.phase, OutcomePhase::Failed);
    assert_eq!(
        outcome.code,
        Some(RefusalCode::DisruptionBudget),
        "{}",
        outcome.message
    );
    assert!(world.now().since(begun).as_secs() >= 50, "until it expires");
    assert!(world.effects().is_empty());
    let claim = world.board.claim(warrant.decision_id).await.unwrap();
    assert_eq!(claim, None, "whoever replaces the pod now is not us");
}

#[tokio::test]
async fn an_api_server_that_is_away_is_waited_for_until_the_decision_expires() {
    let mut world = World::new().await;
    let warrant = world.warrant(10, SCALE).await;
    world.outage.store(4, Ordering::SeqCst);
    let outcome = world.carry_out(&warrant).await;
    assert_eq!(outcome.phase, OutcomePhase::Applied);
    let warrant = world
        .warrant(
            11,
            Action::Scale {
                replicas: 3,
                from: 5,
            },
        )
        .await;
    world.outage.store(u64::MAX, Ordering::SeqCst);
    let outcome = world.carry_out(&warrant).await;
    assert_eq!(outcome.phase, OutcomePhase::Failed);
    assert_eq!(outcome.code, Some(RefusalCode::Unavailable));
    assert_eq!(world.effects().len(), 1);
}

#[tokio::test]
async fn a_claim_that_is_done_makes_another_copy_a_replay() {
    let mut world = World::new().await;
    let warrant = world.warrant(10, SCALE).await;
    let claim = Claim {
        nonce: warrant.nonce,
        seq: 1,
        pre_image: PreImage::Replicas { replicas: 3 },
        done: Some(Default::default()),
    };
    world
        .board
        .create_claim(warrant.decision_id, claim)
        .await
        .unwrap();
    let outcome = world.carry_out(&warrant).await;
    assert_eq!(outcome.code, Some(RefusalCode::Replayed));
    assert!(world.writes().is_empty());
}

#[tokio::test]
async fn neither_a_restart_nor_a_clock_that_went_back_revives_a_decision() {
    let mut world = World::new().await;
    let missed = world.warrant(10, SCALE).await;
    world.pass(100);
    let later = world.warrant(11, SCALE).await;
    assert_eq!(world.carry_out(&later).await.phase, OutcomePhase::Applied);
    world.executor = world.successor();

    let mut twin = world.warrant(12, Action::RolloutRestart).await;
    twin.nonce = later.nonce;
    let outcome = world.carry_out(&twin).await;
    assert_eq!(outcome.code, Some(RefusalCode::Replayed));

    world.board.set_now(missed.iat);
    let outcome = world.carry_out(&missed).await;
    assert_eq!(outcome.code, Some(RefusalCode::ClockRegressed));
    assert_eq!(world.effects().len(), 1);
}

#[tokio::test]
async fn the_last_ready_pod_and_a_ready_pod_to_delete_are_left_alone() {
    let mut world = World::new().await;
    let pod = world.pods().await.swap_remove(0);
    let delete = world.pod_warrant(10, &pod, true);
    assert_eq!(
        world.carry_out(&delete).await.code,
        Some(RefusalCode::TargetChanged)
    );
    world.edit(json!({ "spec": { "replicas": 1 } })).await;
    world.pass(60);
    let pods = world.pods().await;
    assert_eq!(pods.len(), 1);
    let last = world.pod_warrant(11, &pods[0], false);
    assert_eq!(
        world.carry_out(&last).await.code,
        Some(RefusalCode::OverLimit)
    );
    assert!(world.writes().is_empty());
}

#[tokio::test]
async fn bytes_that_nobody_signed_reach_no_api_server() {
    let world = World::new().await;
    let warrant = world.warrant(10, SCALE).await;
    let mut body = sign(&warrant);
    *body.last_mut().unwrap() ^= 1;
    // Any request would fail, and would be waited for.
    world.outage.store(u64::MAX, Ordering::SeqCst);
    let mut trial = aegis_executor::Trial::new(aegis_executor::Received {
        seq: 10,
        time: warrant.iat,
        subject: "aegis.v1.decision.allow.default.shop.web",
        body: &body,
        redelivered: true,
    });
    let step = world.executor.attempt(&mut trial).await;
    let aegis_executor::Step::Done(outcome) = step else {
        panic!("{step:?}");
    };
    assert_eq!(outcome.code, Some(RefusalCode::BadMac));
    assert_eq!(world.outage.load(Ordering::SeqCst), u64::MAX);
    assert!(outcome.target.is_none(), "nothing of it is believed");
}

#[tokio::test]
async fn a_paused_deployment_gets_no_template_that_would_not_roll_out() {
    let mut world = World::new().await;
    world.edit(json!({ "spec": { "paused": true } })).await;
    let warrant = world.warrant(10, Action::RolloutRestart).await;
    let outcome = world.carry_out(&warrant).await;
    assert_eq!(outcome.code, Some(RefusalCode::TargetChanged));
    assert!(outcome.message.contains("paused"), "{}", outcome.message);
    assert!(world.writes().is_empty());
}

/// Whatever the API server does with a write that it holds back, it has little time for it.
#[tokio::test]
async fn a_write_that_is_held_back_is_given_up_on_both_sides() {
    let mut world = World::new().await;
    let warrant = world.warrant(10, SCALE).await;
    let held = world.hold_back_one_write();
    let outcome = world.carry_out(&warrant).await;
    assert_eq!(outcome.phase, OutcomePhase::Applied, "{}", outcome.message);
    let held = held.lock().unwrap().clone();
    let [query] = held.as_slice() else {
        panic!("one write is held back: {held:?}");
    };
    let (_, limit) = query.split_once("timeout=").unwrap();
    let limit: u64 = limit.trim_end_matches("ms").parse().unwrap();
    assert!(limit <= 500, "{query}");
    assert_eq!(world.effects().len(), 1);
}

#[tokio::test]
async fn a_kill_switch_between_dry_run_and_write_is_seen() {
    let mut world = World::new().await;
    let warrant = world.warrant(10, SCALE).await;
    world.halt_at_dry_run();
    let outcome = world.carry_out(&warrant).await;
    assert_eq!(outcome.code, Some(RefusalCode::Halted));
    let dry: Vec<_> = world.writes().iter().map(|write| write.dry_run).collect();
    assert_eq!(dry, [true]);
}
