//! People and publishers at the gateway: who gets in, who is refused and told why, what arrives.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use aegis_e2e::{Options, Stack};
use aegis_schemas::{AccessOutcome, Event};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);
const PASSWORD: &str = "correct horse battery staple";

/// A program that speaks to the gateway.
struct Caller {
    client: Client,
    url: String,
}

impl Caller {
    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}/api/v1{path}", self.url))
    }

    async fn sign_in(&self, name: &str) -> Value {
        let body = json!({"name": name, "password": PASSWORD});
        let answer = self
            .ask(Method::POST, "/session")
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        json_of(answer).await
    }

    async fn refresh(&self, token: &Value) -> reqwest::Response {
        let body = json!({"refresh_token": token});
        self.ask(Method::POST, "/session/refresh")
            .json(&body)
            .send()
            .await
            .unwrap()
    }
}

async fn json_of(answer: reqwest::Response) -> Value {
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_get_in_by_their_role_and_refusals_are_told_and_recorded() {
    let roles = ["audit-sink", "ingest", "policy", "gateway"];
    let stack = Stack::start(Options::scenario("healthy-day").roles(&roles))
        .await
        .unwrap();
    for (name, role) in [("ada", "admin"), ("eve", "auditor"), ("sam", "service")] {
        stack.person(name, &[role]).await.unwrap();
    }
    let caller = Caller {
        client: Client::new(),
        url: stack.gateway(),
    };

    // Nobody without a token, and the reason is a problem document (RFC 9457).
    let answer = caller.ask(Method::GET, "/incidents").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert!(text(&json_of(answer).await, "detail").contains("aegis login"));

    // A wrong password and an unknown name get the same answer.
    let mut answers = Vec::new();
    for name in ["ada", "nobody"] {
        let body = json!({"name": name, "password": "wrong horse"});
        let answer = caller
            .ask(Method::POST, "/session")
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        answers.push(json_of(answer).await);
    }
    assert_eq!(answers[0], answers[1]);

    // An auditor reads and changes nothing.
    let granted = caller.sign_in("eve").await;
    let auditor = text(&granted, "access_token").to_owned();
    let read = caller
        .ask(Method::GET, "/audit")
        .bearer_auth(&auditor)
        .send()
        .await
        .unwrap();
    assert_eq!(read.status(), StatusCode::OK);
    for (method, path, body) in [
        (Method::POST, "/kill-switch", json!({"reason": "because"})),
        (
            Method::POST,
            "/users",
            json!({"name": "mallory", "password": PASSWORD, "roles": ["admin"]}),
        ),
        (
            Method::POST,
            "/modes",
            json!({"scope": {"cluster": "demo"}, "mode": "act"}),
        ),
    ] {
        let asked = caller.ask(method, path).bearer_auth(&auditor).json(&body);
        let answer = asked.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
        let problem = json_of(answer).await;
        assert!(
            text(&problem, "detail").contains("`eve` has the roles [auditor]"),
            "{problem}"
        );
    }
    let mut watch = stack.watch().await.unwrap();
    let access = watch
        .until("the refusal is on record", SOON, |entry| {
            match &entry.event {
                Event::Access(access) if access.outcome == AccessOutcome::Forbidden => {
                    Some(access.clone())
                }
                _ => None,
            }
        })
        .await
        .unwrap();
    assert_eq!(access.actor.as_deref(), Some("eve"));

    // A refresh token works once; used again, the whole sign-in is dead.
    let first = caller.sign_in("ada").await;
    let second = json_of(caller.refresh(&first["refresh_token"]).await).await;
    assert!(second["access_token"].is_string());
    let reused = caller.refresh(&first["refresh_token"]).await;
    assert_eq!(reused.status(), StatusCode::UNAUTHORIZED);
    let stolen = caller.refresh(&second["refresh_token"]).await;
    assert_eq!(stolen.status(), StatusCode::UNAUTHORIZED);
    let access = caller
        .ask(Method::GET, "/whoami")
        .bearer_auth(text(&second, "access_token"));
    assert_eq!(
        access.send().await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );

    // The same key makes a repeated command one command, and policy answers it.
    let granted = caller.sign_in("ada").await;
    let admin = text(&granted, "access_token").to_owned();
    let mut commands = Vec::new();
    for _ in 0..2 {
        let asked = caller
            .ask(Method::POST, "/modes?wait=10")
            .bearer_auth(&admin)
            .header("idempotency-key", "once")
            .json(&json!({"scope": {"cluster": "demo"}, "mode": "ask", "reason": "carefully"}));
        let answer = asked.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        commands.push(json_of(answer).await);
    }
    assert_eq!(commands[0]["command"], commands[1]["command"]);
    assert!(commands[0]["decision"].is_object(), "{}", commands[0]);

    // A service publishes; what makes no sense or is too large is refused and disturbs nothing.
    let granted = caller.sign_in("sam").await;
    let service = text(&granted, "access_token").to_owned();
    let now = jiff::Timestamp::now().to_string();
    let batch = json!({
        "entity": {"cluster": "demo", "namespace": "shop", "kind": "deployment", "name": "billing"},
        "source": "billing-exporter",
        "times": [now],
        "series": [{"metric": "http_requests_total", "labels": {"code": "200"}, "kind": "counter", "values": [1.0]}],
    });
    let publish = |body: Value| {
        let asked = caller
            .ask(Method::POST, "/metrics")
            .bearer_auth(&service)
            .json(&body);
        async move { asked.send().await.unwrap() }
    };
    let mut crooked = batch.clone();
    crooked["times"] = json!([]);
    assert_eq!(publish(crooked).await.status(), StatusCode::BAD_REQUEST);
    let mut huge = batch.clone();
    huge["source"] = json!("x".repeat(300 * 1024));
    assert_eq!(publish(huge).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(publish(batch).await.status(), StatusCode::ACCEPTED);
    let arrived = watch
        .until("the published samples", SOON, |entry| match &entry.event {
            Event::Metric(batch) if batch.entity.name.as_str() == "billing" => Some(batch.clone()),
            _ => None,
        })
        .await
        .unwrap();
    assert_eq!(arrived.samples(), 1);
    stack.stop().await;
}
