//! Who listens to events.

use aegis_e2e::{Options, Stack};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::SOON;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_listeners_hear_of_it_and_one_that_comes_back_misses_nothing() {
    let roles = ["audit-sink", "ingest", "policy", "gateway"];
    let options = Options::scenario("healthy-day")
        .roles(&roles)
        .setting("GATEWAY__PER_USER", "100000")
        .setting("GATEWAY__STREAMS_PER_USER", "2000")
        .setting("GATEWAY__PER_ADDRESS", "100000");
    let stack = Stack::start(options).await.unwrap();
    stack.person("ada", &["operator"]).await.unwrap();
    let client = reqwest::Client::new();
    let api = format!("{}/api/v1", stack.gateway());
    let credentials = json!({"name": "ada", "password": "correct horse battery staple"});
    let granted = client
        .post(format!("{api}/session"))
        .json(&credentials)
        .send()
        .await
        .unwrap();
    let granted: Value = granted.json().await.unwrap();
    let token = granted["access_token"].as_str().unwrap().to_owned();
    let listen = |after: Option<String>| {
        let mut asked = client
            .get(format!("{api}/events?kinds=standing"))
            .bearer_auth(&token);
        if let Some(after) = after {
            asked = asked.header("last-event-id", after);
        }
        async move {
            let answer = asked.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            Ear::of(answer)
        }
    };
    let mut ears = Vec::new();
    for _ in 0..1_000 {
        ears.push(listen(None).await);
    }
    let freeze = |namespace: &str| {
        let scope = json!({"cluster": "demo", "namespace": namespace});
        let body = json!({"scope": scope, "until": "2100-01-01T00:00:00Z", "reason": "test"});
        let asked = client
            .post(format!("{api}/freezes?wait=10"))
            .bearer_auth(&token)
            .json(&body);
        async move {
            let answer = asked.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::ACCEPTED);
        }
    };
    freeze("shop").await;
    let mut heard = Vec::new();
    for ear in &mut ears {
        heard.push(ear.event().await);
    }
    let first = heard[0].clone();
    assert!(
        heard.iter().all(|event| *event == first),
        "all hear the same"
    );
    assert!(first.1.contains("shop"), "{first:?}");

    // One was away while more happened.
    drop(ears);
    freeze("billing").await;
    let mut back = listen(Some(first.0)).await;
    assert!(back.event().await.1.contains("billing"));
    stack.stop().await;
}

/// Reads server-sent events.
struct Ear {
    answer: reqwest::Response,
    text: String,
}

impl Ear {
    fn of(answer: reqwest::Response) -> Self {
        Self {
            answer,
            text: String::new(),
        }
    }

    /// The next event's id and data.
    async fn event(&mut self) -> (String, String) {
        let heard = tokio::time::timeout(SOON, self.next()).await;
        heard.expect("something is heard")
    }

    async fn next(&mut self) -> (String, String) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let line = event.lines().find_map(|line| line.strip_prefix(name));
                    line.map(|value| value.trim().to_owned())
                };
                let found = field("id:").zip(field("data:"));
                self.text = rest.to_owned();
                if let Some(found) = found {
                    return found;
                }
                continue;
            }
            let more = tokio::time::timeout(SOON, self.answer.chunk()).await;
            let more = more
                .expect("something is heard")
                .unwrap()
                .expect("the stream goes on");
            self.text.push_str(std::str::from_utf8(&more).unwrap());
        }
    }
}
