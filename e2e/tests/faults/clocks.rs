//! Clocks that are ten minutes off.

use aegis_e2e::{Clock, Ground, Stack, oracles, until};
use aegis_schemas::{OutcomePhase, RefusalCode};

use crate::{SOON, ends_well, story_without};

const AHEAD: &str = "aegis_executor_clock_ahead_seconds";
const TEN_MINUTES: i64 = 600;

/// A clock that can be wrong; none where what makes it is missing, which CI does not pass over.
fn clock(stack: &Stack, role: &str) -> Option<Clock> {
    match stack.clock(role) {
        Ok(clock) => Some(clock),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "{error:#}");
            eprintln!("SKIPPED: {error:#}");
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_whose_clock_is_off_says_so_and_writes_nothing_until_it_is_right() {
    let mut ground = Ground::without_executor().await.unwrap();
    let Some(clock) = clock(&ground.stack, "executor") else {
        return;
    };
    ground
        .stack
        .start_role_with_clock("executor", &clock)
        .await
        .unwrap();
    for (done, (seconds, code)) in [
        (TEN_MINUTES, RefusalCode::Expired),
        (-TEN_MINUTES, RefusalCode::NotYetValid),
    ]
    .into_iter()
    .enumerate()
    {
        set(&ground.stack, &clock, seconds).await;
        let warrant = ground.good(5).await.unwrap();
        let seq = ground.policy.say(&warrant).await.unwrap();
        let outcome = ground.outcome_of(seq).await.unwrap();
        assert_eq!(outcome.phase, OutcomePhase::Refused, "{outcome:?}");
        assert_eq!(outcome.code, Some(code), "{outcome:?}");
        assert_eq!(ground.stack.writes().await.unwrap().len(), done);

        set(&ground.stack, &clock, 0).await;
        acts_again(&mut ground, 5 + i32::try_from(done).unwrap()).await;
        assert_eq!(ground.stack.writes().await.unwrap().len(), done + 1);
    }
    oracles::hold(&ground.stack, &[]).await.unwrap();
    ground.stack.stop().await;
}

/// Sets the clock and waits until the executor's alarm says by how much it is off.
async fn set(stack: &Stack, clock: &Clock, seconds: i64) {
    clock.set(seconds).unwrap();
    let told = || async {
        let ahead = stack.counter("executor", AHEAD).await.unwrap();
        (ahead - seconds as f64).abs() < 5.0
    };
    let what = format!("the executor to say that its clock is {seconds} s ahead");
    until(&what, SOON, told).await.unwrap();
}

/// Decides until the executor acts. By its wrong clock the record was silent for too long, which it
/// believes until the record's next word.
async fn acts_again(ground: &mut Ground, replicas: i32) {
    loop {
        let warrant = ground.good(replicas).await.unwrap();
        let seq = ground.policy.say(&warrant).await.unwrap();
        let outcome = ground.outcome_of(seq).await.unwrap();
        if outcome.code != Some(RefusalCode::AuditUnhealthy) {
            assert_eq!(outcome.phase, OutcomePhase::Applied, "{outcome:?}");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cores_whose_clocks_are_off_decide_the_same_bytes() {
    let mut stack = story_without(&["detector", "policy"]).await;
    for (role, seconds) in [("detector", TEN_MINUTES), ("policy", -TEN_MINUTES)] {
        let Some(clock) = clock(&stack, role) else {
            return;
        };
        clock.set(seconds).unwrap();
        stack.start_role_with_clock(role, &clock).await.unwrap();
    }
    ends_well(&stack).await;
    let said = oracles::replays(&stack, &[]).await.unwrap();
    assert!(
        said["incidents/demo"] > 0 && said["policy/demo"] > 0,
        "{said:?}"
    );
    stack.stop().await;
}
