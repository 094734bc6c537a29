//! A whole story as people hear of it: Aegis as it is installed, receivers on this host.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aegis_e2e::until;
use aegis_e2e::{Options, Stack};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::Uri;
use serde_json::{Value, json};

/// A machine with other work heals late.
const SOON: Duration = Duration::from_secs(120);

type Heard = Arc<Mutex<Vec<(String, Value)>>>;

/// Takes everything, as Slack does; answers where.
async fn receiver(heard: Heard) -> String {
    async fn take(State(heard): State<Heard>, uri: Uri, body: Bytes) -> axum::Json<Value> {
        let body = serde_json::from_slice(&body).unwrap();
        heard.lock().unwrap().push((uri.path().to_owned(), body));
        axum::Json(json!({ "ok": true, "channel": "C0123456789", "ts": "1.2" }))
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(take).with_state(heard);
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

/// Adds both receivers to the installation's file.
fn configure(stack: &Stack, url: &str) {
    let home = stack.installation();
    let token = home.join("secrets/slack.token");
    std::fs::write(&token, "xoxb-test").unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    let file = home.join("aegis.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let more = format!(
        r#"
[[notify.routes]]
receivers = ["team", "alerts"]

[notify.receivers.team]
type = "slack"
token_file = "secrets/slack.token"
channel = "C0123456789"
api_url = "{url}/slack"

[notify.receivers.alerts]
type = "alertmanager"
url = "{url}/alerts"
"#
    );
    std::fs::write(&file, format!("{text}{more}")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_that_aegis_heals_is_told_from_its_beginning_to_its_end() {
    let heard = Heard::default();
    let url = receiver(Arc::clone(&heard)).await;
    let mut stack = Stack::start(Options::scenario("corrupt-pod"))
        .await
        .unwrap();
    configure(&stack, &url);
    let tried = stack.aegis(&["notify", "test"]).await.unwrap();
    assert_eq!(tried, "alerts (alertmanager): taken\nteam (slack): taken\n");
    heard.lock().unwrap().clear();

    stack.start_role("notify").await.unwrap();
    let on = |path: &str| -> Vec<(String, Value)> {
        let heard = heard.lock().unwrap();
        let on = heard.iter().filter(|(found, _)| found.starts_with(path));
        on.cloned().collect()
    };
    let incident = |alert: &Value| alert["commonLabels"]["kind"] != "silent";
    let alerts = || -> Vec<Value> {
        let bodies = on("/alerts").into_iter().map(|(_, body)| body);
        bodies.filter(incident).collect()
    };
    until("the end of the incident", SOON, || async {
        alerts().iter().any(|alert| alert["status"] == "resolved")
    })
    .await
    .unwrap();
    assert_eq!(alerts()[0]["status"], "firing");

    until("the message to say so", SOON, || async {
        let last = on("/slack").last().map(|(_, body)| body.to_string());
        last.is_some_and(|text| text.contains("verified after") && text.contains(", over"))
    })
    .await
    .unwrap();
    until("one message for each incident", SOON, || async {
        let posted = on("/slack/chat.postMessage");
        let of_incidents = posted.iter().filter(|(_, body)| {
            let text = body["text"].to_string();
            !text.contains("Aegis: ")
        });
        let told = alerts();
        let keys: BTreeSet<String> = told
            .iter()
            .map(|alert| alert["groupKey"].to_string())
            .collect();
        of_incidents.count() == keys.len()
    })
    .await
    .unwrap();
    stack.stop().await;
}
