//! An API server that is slow, refuses, forgets its answers, and what watchers had seen.

use std::time::Duration;

use aegis_e2e::{Proxy, Stack, Weather};
use axum::http::StatusCode;

use crate::{SOON, ends_well, story_without};

/// An installation that reaches its API server through a proxy, and decides nothing yet.
async fn undecided() -> (Stack, Proxy) {
    let mut stack = story_without(&["ingest", "executor", "policy"]).await;
    let server = stack.kubernetes();
    let proxy = Proxy::start(server).await.unwrap();
    for (role, user) in [("ingest", "aegis-ingest"), ("executor", "aegis-executor")] {
        let file = stack.kubeconfig(user);
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.replace(&server.to_string(), &proxy.address().to_string());
        std::fs::write(file, text).unwrap();
        stack.start_role(role).await.unwrap();
    }
    (stack, proxy)
}

/// Lets the weather be until a request of `user` met it.
async fn until_met(stack: &Stack, proxy: &Proxy, weather: Weather, user: &str) {
    proxy.turn(weather);
    let met = async {
        while !proxy.was_met(weather, user) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if tokio::time::timeout(SOON, met).await.is_err() {
        let log = stack
            .logs()
            .join(format!("{}.log", user.trim_start_matches("aegis-")));
        let said = std::fs::read_to_string(log).unwrap();
        panic!("{user} did not meet {weather:?}; it said\n{said}");
    }
}

/// First nothing is done and that is said, then the act is done and nobody says so.
#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_refuses_and_forgets_delays_an_act_and_doubles_none() {
    let (mut stack, proxy) = undecided().await;
    let busy = Weather::Refusing(StatusCode::TOO_MANY_REQUESTS);
    proxy.turn(busy);
    stack.start_role("policy").await.unwrap();
    for weather in [
        busy,
        Weather::Refusing(StatusCode::INTERNAL_SERVER_ERROR),
        Weather::Forgetful,
    ] {
        until_met(&stack, &proxy, weather, "aegis-executor").await;
    }
    proxy.turn(Weather::Fair);
    ends_well(&stack).await;
    stack.stop().await;
}

/// Watches are told that what they saw last is too old, and every answer comes late.
#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_expires_watches_and_is_slow_hides_no_sick_pod() {
    let (mut stack, proxy) = undecided().await;
    until_met(&stack, &proxy, Weather::Expired, "aegis-ingest").await;
    let slow = Weather::Slow(Duration::from_secs(1));
    until_met(&stack, &proxy, slow, "aegis-ingest").await;
    stack.start_role("policy").await.unwrap();
    until_met(&stack, &proxy, slow, "aegis-executor").await;
    ends_well(&stack).await;
    stack.stop().await;
}
