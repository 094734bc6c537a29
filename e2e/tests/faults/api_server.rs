//! An API server that is slow, refuses, loses its answers, and forgets what watchers had seen.

use std::time::Duration;

use aegis_e2e::{Ground, Proxy, Weather, oracles, until};
use aegis_schemas::OutcomePhase;
use axum::http::StatusCode;

use crate::{SOON, ends_well, story_without};

const BUSY: Weather = Weather::Refusing(StatusCode::TOO_MANY_REQUESTS);
const BROKEN: Weather = Weather::Refusing(StatusCode::INTERNAL_SERVER_ERROR);
/// What is asked is done at once, and nobody is told.
const FORGETFUL: Weather = Weather::Forgetful(Duration::ZERO);
/// What is asked is done when whoever asked has given up: a write waits for half a second.
const LATE: Weather = Weather::Forgetful(Duration::from_secs(1));
/// Each answer comes soon enough for a write.
const SLOW: Weather = Weather::Slow(Duration::from_millis(100));
/// No write can be answered in time.
const TOO_SLOW: Weather = Weather::Slow(Duration::from_secs(1));

const WAITS: &str = "aegis_executor_waits_total";
const WATCH_ERRORS: &str = "aegis_ingest_watch_errors_total";

/// Lets the weather be until so many more requests met it.
async fn until_met(proxy: &Proxy, weather: Weather, requests: usize) {
    let before = proxy.met(weather);
    proxy.turn(weather);
    until_all_met(proxy, weather, before + requests).await;
}

/// Waits until so many requests met this weather since the proxy was there.
async fn until_all_met(proxy: &Proxy, weather: Weather, requests: usize) {
    let met = || async { proxy.met(weather) >= requests };
    let what = format!("somebody to meet {weather:?}");
    until(&what, SOON, met).await.unwrap();
}

/// In each weather a decision is waiting; it is carried out once, some in that weather, some after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_decision_outlasts_the_api_servers_bad_weather_and_is_carried_out_once() {
    let mut ground = Ground::without_executor().await.unwrap();
    let proxy = ground.stack.behind_proxy("aegis-executor").await.unwrap();
    ground.stack.start_role("executor").await.unwrap();
    // Weather, how many requests meet it, and whether the executor has to wait because of it.
    let table = [
        (BUSY, 4, true),
        (BROKEN, 4, true),
        (FORGETFUL, 1, true),
        (LATE, 1, true),
        (TOO_SLOW, 8, true),
        (SLOW, 5, false),
    ];
    for (done, (weather, requests, waits)) in table.into_iter().enumerate() {
        let replicas = 5 + i32::try_from(done % 2).unwrap();
        let warrant = ground.good(replicas).await.unwrap();
        let before = ground.stack.counter("executor", WAITS).await.unwrap();
        // Counted from before the decision: in weather that only slows the executor down nothing is asked
        // twice, and what it asks before somebody begins to count is missing for ever.
        let met = proxy.met(weather);
        proxy.turn(weather);
        let seq = ground.policy.say(&warrant).await.unwrap();
        until_all_met(&proxy, weather, met + requests).await;
        if weather == TOO_SLOW {
            let writes = ground.stack.writes().await.unwrap();
            assert_eq!(writes.len(), done, "{weather:?}: {writes:#?}");
        }
        if waits {
            proxy.turn(Weather::Fair);
        }
        let outcome = ground.outcome_of(seq).await.unwrap();
        assert_eq!(
            outcome.phase,
            OutcomePhase::Applied,
            "{weather:?}: {outcome:?}"
        );
        let after = ground.stack.counter("executor", WAITS).await.unwrap();
        assert!(!waits || after > before, "{weather:?} is in no metric");
        let writes = ground.stack.writes().await.unwrap();
        assert_eq!(writes.len(), done + 1, "{weather:?}: {writes:#?}");
    }
    oracles::hold(&ground.stack, &[]).await.unwrap();
    ground.stack.stop().await;
}

/// Those who watch are refused, told that what they saw last is too old, and answered late; the eviction
/// of the sick pod is refused, and then done without a word.
#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_with_a_bad_day_hides_no_sick_pod_and_gets_it_replaced_once() {
    let mut stack = story_without(&["ingest", "executor", "policy"]).await;
    let watched = stack.behind_proxy("aegis-ingest").await.unwrap();
    let written = stack.behind_proxy("aegis-executor").await.unwrap();
    for role in ["ingest", "executor"] {
        stack.start_role(role).await.unwrap();
    }
    for (weather, requests) in [(BROKEN, 3), (Weather::Expired, 3), (TOO_SLOW, 1)] {
        until_met(&watched, weather, requests).await;
    }
    let counted = || async { stack.counter("ingest", WATCH_ERRORS).await.unwrap() >= 4.0 };
    until("the failures of watches to be in a metric", SOON, counted)
        .await
        .unwrap();
    written.turn(BUSY);
    stack.start_role("policy").await.unwrap();
    for weather in [BUSY, BROKEN, FORGETFUL] {
        until_met(&written, weather, 1).await;
    }
    written.turn(Weather::Fair);
    ends_well(&stack).await;
    stack.stop().await;
}
