//! Commands and what systems publish.

use std::collections::BTreeSet;
use std::time::Duration;

use aegis_schemas::Event;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::site::{Site, json_of};

const SOON: Duration = Duration::from_secs(30);

pub(crate) async fn are_taken_once_and_answered(site: &Site<'_>) {
    let admin = site.access_token("ada").await;
    let send = |path: &'static str, key: &'static str, body: Value| {
        let asked = site.ask(Method::POST, path).bearer_auth(&admin);
        let asked = asked.header("idempotency-key", key).json(&body);
        async move { asked.send().await.unwrap() }
    };
    // The same key makes a repeated command one command, and policy answers it.
    let mode = json!({"scope": {"cluster": "demo"}, "mode": "ask", "reason": "carefully"});
    let mut commands = Vec::new();
    for _ in 0..2 {
        let answer = send("/modes?wait=10", "once", mode.clone()).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        commands.push(json_of(answer).await);
    }
    assert_eq!(commands[0], commands[1]);
    assert!(commands[0]["decision"].is_object(), "{}", commands[0]);
    // For another request it is refused, and a secret is not told twice.
    let other = json!({"scope": {"cluster": "demo"}, "mode": "act"});
    let answer = send("/modes?wait=10", "once", other).await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let key = json!({"label": "x", "scopes": ["read"]});
    for expected in [StatusCode::CREATED, StatusCode::CONFLICT] {
        assert_eq!(
            send("/keys", "secret", key.clone()).await.status(),
            expected
        );
    }
    // Sent at the same moment, it is one command; whoever comes second learns the answer or when to ask.
    let again = json!({"scope": {"cluster": "demo"}, "mode": "ask", "reason": "at once"});
    let at_once = (0..6).map(|_| send("/modes?wait=10", "at-once", again.clone()));
    let mut told = BTreeSet::new();
    for answer in futures::future::join_all(at_once).await {
        match answer.status() {
            StatusCode::ACCEPTED => drop(told.insert(json_of(answer).await["command"].to_string())),
            other => assert_eq!(other, StatusCode::CONFLICT),
        }
    }
    assert_eq!(told.len(), 1, "{told:?}");
    // What was refused may be tried again with the same key.
    for (password, expected) in [("short", 422), ("long enough for this", 201)] {
        let user = json!({"name": "kim", "password": password, "roles": ["auditor"]});
        // Another body is another request, unless nothing came of the first.
        assert_eq!(send("/users", "kim", user).await.status(), expected);
    }
}

/// A service publishes; what makes no sense or is too large is refused and disturbs nothing.
pub(crate) async fn publishing_is_checked(site: &Site<'_>) {
    let service = site.access_token("sam").await;
    let now = jiff::Timestamp::now().to_string();
    let batch = json!({
        "entity": {"cluster": "demo", "namespace": "shop", "kind": "deployment", "name": "billing"},
        "source": "billing-exporter",
        "times": [now],
        "series": [{"metric": "http_requests_total", "labels": {"code": "200"}, "kind": "counter", "values": [1.0]}],
    });
    let mut crooked = batch.clone();
    crooked["times"] = json!([]);
    let mut huge = batch.clone();
    huge["source"] = json!("x".repeat(300 * 1024));
    for (body, expected) in [
        (json!({}), StatusCode::BAD_REQUEST),
        (crooked, StatusCode::UNPROCESSABLE_ENTITY),
        (huge, StatusCode::PAYLOAD_TOO_LARGE),
        (batch, StatusCode::ACCEPTED),
    ] {
        let answer = site.post("/metrics", &service, &body).await;
        assert_eq!(answer.status(), expected);
    }
    let arrived = site
        .watch()
        .await
        .until("the published samples", SOON, |entry| match &entry.event {
            Event::Metric(batch) if batch.entity.name.as_str() == "billing" => Some(batch.clone()),
            _ => None,
        })
        .await
        .unwrap();
    assert_eq!(arrived.samples(), 1);
}
