//! What a person sees at a terminal: commands against a gateway that says what a real one would.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use futures::StreamExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

/// What was asked: method, path with its query, body, and after which event.
type Asked = Arc<Mutex<Vec<(String, Value, Option<String>)>>>;

/// A gateway, and somebody who is signed in there.
struct Desk {
    asked: Asked,
    session: PathBuf,
    _folder: TempDir,
}

impl Desk {
    async fn new() -> Self {
        let asked = Asked::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&asked));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let folder = tempfile::tempdir().unwrap();
        let session = folder.path().join("session.json");
        let kept = json!({ "url": url, "name": "ann", "access_token": "a", "refresh_token": "r" });
        std::fs::write(&session, kept.to_string()).unwrap();
        Self {
            asked,
            session,
            _folder: folder,
        }
    }

    /// What a command prints, and its exit code.
    async fn run(&self, arguments: &[&str]) -> (String, i32) {
        let output = command(&self.session, arguments).output().await.unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        (said, output.status.code().unwrap())
    }

    fn last(&self) -> (String, Value, Option<String>) {
        self.asked.lock().unwrap().last().unwrap().clone()
    }
}

fn command(session: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aegis"));
    command
        .args(arguments)
        .env("AEGIS_SESSION", session)
        .kill_on_drop(true);
    command
}

async fn answer(State(asked): State<Asked>, request: Request) -> Response {
    let path = request
        .uri()
        .path()
        .trim_start_matches("/api/v1")
        .to_owned();
    let query = request.uri().query().unwrap_or_default();
    let what = format!("{} {path}?{query}", request.method());
    let delete = request.method() == Method::DELETE;
    let after = request.headers().get("last-event-id");
    let after = after.map(|after| after.to_str().unwrap().to_owned());
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await;
    let body = serde_json::from_slice(&body.unwrap()).unwrap_or_default();
    asked.lock().unwrap().push((what, body, after.clone()));
    let reasons = json!([{ "policy": "freeze", "text": "nothing happens in shop" }]);
    let decision = json!({ "verdict": "deny", "reasons": reasons });
    match path.as_str() {
        "/incidents/known" => Json(incident()).into_response(),
        "/decisions" => Json(json!([{ "verdict": "allow" }])).into_response(),
        "/acts" => Json(json!([{
            "decision": "act", "description": "restart the rollout", "entity": "demo/shop/deployment/cart",
            "state": "verified", "outcome": "applied", "after_ms": 45_000, "approvals": [],
        }]))
        .into_response(),
        "/approvals" => Json(json!([{
            "proposal": "3f1c9", "state": "open", "description": "restart the rollout",
            "entity": "demo/shop/deployment/cart", "reasons": reasons, "expires_at": "later",
        }]))
        .into_response(),
        "/approvals/3f1c9/reject" => Json(json!({ "decision": decision })).into_response(),
        "/freezes" if delete => refusal(StatusCode::FORBIDDEN, "it takes the role operator"),
        "/freezes" => Json(json!({})).into_response(),
        "/events" => events(after.as_deref()),
        _ => refusal(StatusCode::NOT_FOUND, "there is no such incident"),
    }
}

fn refusal(status: StatusCode, detail: &str) -> Response {
    (status, Json(json!({ "detail": detail }))).into_response()
}

fn incident() -> Value {
    json!({
        "incident": "known", "state": "open", "severity": "error", "kind": "crash_loop",
        "entity": "demo/shop/deployment/cart", "summary": "it crashes", "opened_at": "then",
    })
}

/// One event, and then the end; who comes back with it gets the next one, and waits.
fn events(after: Option<&str>) -> Response {
    let row = json!({ "at": "T", "phase": "applied", "message": "done" });
    let event = |id: u8| format!("id: {id}\nevent: outcome\ndata: {row}\n\n");
    let body = match after {
        None => Body::from(event(7)),
        Some(_) => {
            let first = futures::stream::iter([Ok::<_, std::io::Error>(event(8))]);
            Body::from_stream(first.chain(futures::stream::pending()))
        }
    };
    ([("content-type", "text/event-stream")], body).into_response()
}

#[tokio::test]
async fn an_incident_is_shown_to_people_and_to_scripts() {
    let desk = Desk::new().await;
    let (shown, code) = desk.run(&["incidents", "show", "known"]).await;
    assert_eq!(code, 0, "{shown}");
    assert!(
        shown.starts_with("demo/shop/deployment/cart: crash loop, error, open\n"),
        "{shown}"
    );
    assert!(shown.contains("verified after 45 s"), "{shown}");
    let (json, _) = desk
        .run(&["incidents", "show", "known", "-o", "json"])
        .await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["incident"], incident());
    let (old, _) = desk.run(&["incidents", "show", "known", "--json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&old).unwrap(), json);
    let (explained, _) = desk.run(&["explain", "known"]).await;
    assert!(explained.contains("crash loop (0 %)"), "{explained}");
}

#[tokio::test]
async fn exit_codes_tell_scripts_what_went_wrong() {
    let desk = Desk::new().await;
    let cases: [(&[&str], i32, &str); 6] = [
        (
            &["incidents", "show", "other"],
            4,
            "there is no such incident",
        ),
        (
            &["approvals", "show", "9"],
            4,
            "no open proposal begins with `9`",
        ),
        (
            &["approvals", "deny", "3f", "--reason", "no"],
            3,
            "nothing happens in shop",
        ),
        (
            &["approvals", "reject", "3f", "--reason", "no"],
            3,
            "policy denied it",
        ),
        (&["unfreeze"], 3, "it takes the role operator"),
        (&["freeze", "--for", "soon"], 2, "`soon` is not a duration"),
    ];
    for (arguments, expected, words) in cases {
        let (said, code) = desk.run(arguments).await;
        assert_eq!(code, expected, "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn a_freeze_names_its_scope_and_its_end() {
    let desk = Desk::new().await;
    let arguments = [
        "freeze",
        "--until",
        "2026-12-24T18:00:00Z",
        "--namespace",
        "shop",
        "--reason",
        "sale",
    ];
    let (said, code) = desk.run(&arguments).await;
    assert_eq!(code, 0, "{said}");
    let (what, body, _) = desk.last();
    assert_eq!(what, "POST /freezes?wait=10");
    assert_eq!(body["scope"]["namespace"], "shop");
    assert_eq!(
        (&body["until"], &body["reason"]),
        (&json!("2026-12-24T18:00:00Z"), &json!("sale"))
    );
}

#[tokio::test]
async fn what_happens_is_followed_beyond_an_interruption() {
    let desk = Desk::new().await;
    let mut tail = command(&desk.session, &["tail", "--kind", "outcome"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        let line = lines.next_line().await.unwrap();
        assert_eq!(line.as_deref(), Some("T  outcome  applied  done"));
    }
    let (what, _, after) = desk.last();
    assert_eq!(what, "GET /events?kinds=outcome");
    assert_eq!(after.as_deref(), Some("7"));
}

#[tokio::test]
async fn shells_complete_every_command() {
    let desk = Desk::new().await;
    for shell in ["bash", "zsh", "fish"] {
        let (script, code) = desk.run(&["completions", shell]).await;
        assert_eq!(code, 0);
        for command in ["incidents", "approvals", "kill-switch", "unfreeze"] {
            assert!(script.contains(command), "{shell} does not know {command}");
        }
    }
}
