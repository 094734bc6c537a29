//! Both kill switches in a storm of decisions: a second later nothing is written any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aegis_e2e::{Entry, Options, Policy, Stack, Watch, until};
use aegis_schemas::{Action, Event, OutcomePhase, RefusalCode, Target};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::SOON;

/// What the kill switch promises.
const PROMISE: Duration = Duration::from_secs(1);
/// Workloads that the storm is about.
const WORKLOADS: [&str; 4] = ["cart", "payments", "recommend", "reports"];
/// So many acts show that the storm is there, so many refusals that it goes on.
const ENOUGH: usize = 20;
/// How long after each other decisions come: more often than they are carried out on a busy machine.
const PACE: Duration = Duration::from_millis(20);

/// Decisions without end, each about an object as the one before leaves it.
struct Storm {
    over: Arc<AtomicBool>,
    task: JoinHandle<(Policy, usize)>,
}

impl Storm {
    async fn begin(stack: &Stack, mut policy: Policy) -> Self {
        let mut targets = Vec::new();
        for name in WORKLOADS {
            targets.push(stack.deployment("shop", name).await.unwrap());
        }
        let over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&over);
        let task = tokio::spawn(async move {
            let (mut replicas, mut said) = (5, 0);
            let mut pace = tokio::time::interval(PACE);
            while !stop.load(Ordering::SeqCst) {
                for target in &mut targets {
                    pace.tick().await;
                    scale(&mut policy, target, replicas).await;
                    said += 1;
                }
                replicas = 11 - replicas;
            }
            (policy, said)
        });
        Self { over, task }
    }

    /// Ends it, and waits until the last of its decisions has its outcome on record.
    async fn end(self, watch: &mut Watch) -> Policy {
        self.over.store(true, Ordering::SeqCst);
        let (policy, said) = self.task.await.unwrap();
        watch.rewind();
        for _ in 0..said {
            let ended = |entry: &Entry| matches!(entry.event, Event::Outcome(_)).then_some(());
            watch
                .until("an outcome for each decision", SOON, ended)
                .await
                .unwrap();
        }
        policy
    }
}

/// Decides to scale, and foresees the generation that this leads to.
async fn scale(policy: &mut Policy, target: &mut Target, replicas: i32) {
    let action = Action::Scale { replicas, from: 4 };
    let warrant = policy.decide(target.clone(), action).await.unwrap();
    policy.say(&warrant).await.unwrap();
    target.generation += 1;
}

async fn start() -> Stack {
    let roles = ["audit-sink", "executor", "gateway"];
    let options = Options::scenario("healthy-day")
        .roles(&roles)
        .setting("EXECUTOR__LIMITS__MAX_ACTS_PER_MINUTE", "1000000")
        .setting("EXECUTOR__LIMITS__MAX_PODS_PER_TEN_MINUTES", "1000000");
    Stack::start(options).await.unwrap()
}

/// Waits until the storm shakes the cluster.
async fn rages(stack: &Stack) {
    let before = stack.writes().await.unwrap().len();
    let shaken = || async { stack.writes().await.unwrap().len() >= before + ENOUGH };
    until("the storm", SOON, shaken).await.unwrap();
}

/// While the storm goes on, decisions are refused, and a second after the switch nothing is written.
async fn holds(stack: &Stack, watch: &mut Watch, used: Instant) {
    tokio::time::sleep_until(used + PROMISE).await;
    let then = stack.writes().await.unwrap();
    let last = watch.all().await.unwrap().last().map(|entry| entry.idx);
    for _ in 0..ENOUGH {
        let halted = |entry: &Entry| {
            let code = entry.outcome(OutcomePhase::Refused)?.code;
            (Some(entry.idx) > last && code == Some(RefusalCode::Halted)).then_some(())
        };
        watch
            .until("the storm meets the switch", SOON, halted)
            .await
            .unwrap();
    }
    let now = stack.writes().await.unwrap();
    assert_eq!(now.len(), then.len(), "{:#?}", &now[then.len()..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_stops_a_storm_within_a_second_and_voids_what_was_decided_before() {
    let stack = start().await;
    let mut watch = stack.watch().await.unwrap();
    let person = stack.person("ada", &["admin"]).await.unwrap();
    let storm = Storm::begin(&stack, Policy::of(&stack).await.unwrap()).await;
    rages(&stack).await;
    person
        .aegis(&["kill-switch", "--reason", "it goes wild"])
        .await
        .unwrap();
    holds(&stack, &mut watch, Instant::now()).await;
    let mut policy = storm.end(&mut watch).await;
    let writes = stack.writes().await.unwrap().len();

    // Decided while work goes on, seen after the switch was used and put back.
    person
        .aegis(&["kill-switch", "--off", "--reason", "calm"])
        .await
        .unwrap();
    stack.pause("executor").unwrap();
    let target = stack.deployment("shop", "cart").await.unwrap();
    let action = Action::RolloutRestart;
    let before = policy.decide(target.clone(), action.clone()).await.unwrap();
    let seq = policy.say(&before).await.unwrap();
    for arguments in [
        ["kill-switch", "--reason", "again"],
        ["kill-switch", "--off", "--reason=calm"],
    ] {
        person.aegis(&arguments).await.unwrap();
    }
    stack.go_on("executor").unwrap();
    let after = policy.decide(target, action).await.unwrap();
    let last = policy.say(&after).await.unwrap();
    for (seq, phase, code) in [
        (seq, OutcomePhase::Refused, Some(RefusalCode::Halted)),
        (last, OutcomePhase::Applied, None),
    ] {
        watch.rewind();
        let outcome = watch
            .until("a decision around a switch", SOON, |entry| {
                match &entry.event {
                    Event::Outcome(outcome) if outcome.stream_seq == seq => Some(outcome.clone()),
                    _ => None,
                }
            })
            .await
            .unwrap();
        assert_eq!(
            (outcome.phase, outcome.code),
            (phase, code),
            "{}",
            outcome.message
        );
    }
    let ended = stack.writes().await.unwrap().len();
    assert_eq!(ended, writes + 1, "of the whole storm nothing comes back");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_annotation_stops_a_storm_within_a_second_without_the_gateway() {
    let mut stack = start().await;
    let mut watch = stack.watch().await.unwrap();
    let storm = Storm::begin(&stack, Policy::of(&stack).await.unwrap()).await;
    rages(&stack).await;
    stack.kill("gateway").await.unwrap();
    stack.annotate_halt(true).await.unwrap();
    holds(&stack, &mut watch, Instant::now()).await;
    storm.end(&mut watch).await;
    stack.stop().await;
}
