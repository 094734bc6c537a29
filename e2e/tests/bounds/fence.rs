//! The simulator refuses a stale fence as a real API server does, word for word.

use aegis_e2e::bounds::Bounds;
use aegis_simulator::api::Api;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const WEB: &str = "/apis/apps/v1/namespaces/shop/deployments/web";
const EXECUTOR: &str = "aegis-executor";
const JSON_PATCH: &str = "application/json-patch+json";

/// What the answer to a patch of `web` with a lower fence than it has must be, on either side.
pub(super) async fn is_refused_alike(bounds: &Bounds) {
    let patch = json!([
        {"op": "add", "path": "/metadata/annotations/aegis.dev~1decision-id", "value": "a".repeat(26)},
        {"op": "add", "path": "/metadata/annotations/aegis.dev~1fence", "value": "6"},
        {"op": "add", "path": "/spec/replicas", "value": 5},
    ]);
    let executor = bounds.plane().client(EXECUTOR).unwrap();
    let real = executor
        .send("PATCH", WEB, JSON_PATCH, Some(&patch))
        .unwrap();
    let simulated = by_the_simulator(&patch).await;
    assert_eq!((real.code, &real.body), (simulated.0, &simulated.1));
}

async fn by_the_simulator(patch: &Value) -> (u16, Value) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let api = Api::new(1, Timestamp::now());
    let serving = tokio::spawn({
        let stop = stop.clone();
        async move { api.serve(listener, stop).await }
    });
    let send = async |user: &str, method: Method, path: &str, kind: &str, body: &Value| {
        let request = reqwest::Client::new().request(method, format!("{url}{path}"));
        let request = request.bearer_auth(user).header("content-type", kind);
        let answer = request.body(body.to_string()).send().await.unwrap();
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.unwrap(),
        )
    };
    for (path, object) in [
        ("/api/v1/namespaces", json!({"metadata": {"name": "shop"}})),
        ("/apis/apps/v1/namespaces/shop/deployments", web()),
    ] {
        let made = send("admin", Method::POST, path, "application/json", &object).await;
        assert_eq!(made.0, 201, "{}", made.1);
    }
    let answer = send(EXECUTOR, Method::PATCH, WEB, JSON_PATCH, patch).await;
    stop.cancel();
    serving.await.unwrap().unwrap();
    answer
}

fn web() -> Value {
    let container = json!({"name": "app", "image": "shop/web:v2"});
    json!({
        "metadata": {"name": "web", "annotations": {"aegis.dev/fence": "7"}},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}},
        },
    })
}
