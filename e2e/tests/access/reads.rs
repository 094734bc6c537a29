//! Lists page by page, proofs that hold without us, and questions that nothing comes of.

use std::time::Duration;

use aegis_audit_sink::checkpoint::VerifyingKey;
use aegis_audit_sink::merkle::leaf_hash;
use aegis_audit_sink::prove::Proof;
use data_encoding::{BASE64, HEXLOWER};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::site::{Site, json_of, text};

const SOON: Duration = Duration::from_secs(20);

/// The path in `Link` of an answer, within the API.
fn next(answer: &reqwest::Response) -> Option<String> {
    let link = answer.headers().get("link")?.to_str().unwrap();
    let uri = link.strip_prefix("</api/v1").unwrap();
    let (path, relation) = uri.split_once('>').unwrap();
    assert_eq!(relation, "; rel=\"next\"");
    Some(path.to_owned())
}

pub(crate) async fn lists_lead_from_page_to_page(site: &Site<'_>) {
    let token = site.access_token("ada").await;
    for (list, key) in [
        ("/audit?kind=aegis.access.v1&limit=2", "idx"),
        ("/users?limit=2", "name"),
    ] {
        let all = list.replace("limit=2", "limit=500");
        let all = json_of(site.get(&all, &token).await).await;
        let expected: Vec<&Value> = all
            .as_array()
            .unwrap()
            .iter()
            .map(|row| &row[key])
            .collect();
        let mut path = Some(list.to_owned());
        let mut found = Vec::new();
        while let Some(page) = path {
            let answer = site.get(&page, &token).await;
            assert_eq!(answer.status(), StatusCode::OK);
            path = next(&answer);
            let rows = json_of(answer).await;
            let rows = rows.as_array().unwrap();
            assert!(rows.len() <= 2);
            found.extend(rows.iter().map(|row| row[key].clone()));
        }
        // What came in meanwhile is before the first page; nothing is missing or there twice.
        assert!(
            found.len() >= expected.len() && expected.len() > 4,
            "{list}"
        );
        assert!(
            found
                .iter()
                .rev()
                .zip(expected.iter().rev())
                .all(|(a, b)| a == *b)
        );
    }
}

pub(crate) async fn an_entry_is_proven_to_whoever_has_the_public_key(site: &Site<'_>) {
    let token = site.access_token("eve").await;
    let commands = site
        .get("/audit?kind=aegis.command.v1&limit=1", &token)
        .await;
    let idx = json_of(commands).await[0]["idx"].clone();
    let entry = json_of(site.get(&format!("/audit/{idx}"), &token).await).await;
    let leaf = BASE64.decode(text(&entry, "leaf").as_bytes()).unwrap();
    assert_eq!(
        text(&entry, "leaf_hash"),
        HEXLOWER.encode(&leaf_hash(&leaf))
    );

    let file = &site.stack.config().audit.signing_key_file;
    let key = VerifyingKey::read(&site.stack.installation().join(file)).unwrap();
    // The checkpoint over it is signed within a second.
    aegis_e2e::until("a proof", SOON, || {
        let path = format!("/audit/{idx}/proof");
        let token = &token;
        async move { site.get(&path, token).await.status() == StatusCode::OK }
    })
    .await
    .unwrap();
    let answer = site.get(&format!("/audit/{idx}/proof"), &token).await;
    let proven: Proof = serde_json::from_value(json_of(answer).await).unwrap();
    assert_eq!(idx, proven.idx);
    proven.check(&key).unwrap();
}

pub(crate) async fn questions_are_answered_under_what_stands(site: &Site<'_>) {
    let token = site.access_token("eve").await;
    let orders = json_of(site.get("/orders", &token).await).await;
    let question = json!({
        "action": {"action": "rollout_restart"},
        "workload": {"cluster": "demo", "namespace": "shop", "kind": "deployment", "name": "cart"},
        "replicas": 3, "ready": 3, "at_risk": 1,
        "tags": {"aegis.dev/managed": "true"}, "namespace_tags": {"aegis.dev/enabled": "true"},
        "failure": "crash_loop", "severity": "error", "confidence": 900, "sources": ["metrics"],
    });
    // The mode that somebody set before is ask.
    for (mode, verdict, policy) in [
        (Value::Null, "ask", "mode-ask"),
        (json!("act"), "allow", "aegis-acts"),
        (json!("observe"), "deny", "mode-observe"),
    ] {
        let mut question = question.clone();
        question["mode"] = mode;
        let answer = site.post("/evaluate", &token, &question).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let answer = json_of(answer).await;
        assert_eq!(text(&answer, "verdict"), verdict, "{answer}");
        assert_eq!(text(&answer["reasons"][0], "policy"), policy);
        assert_eq!(answer["policy"], orders[0]["policy"]);
        let unseen = answer["not_looked_at"].as_array().unwrap();
        assert!(unseen.contains(&json!("cooldown")), "{answer}");
    }
    drafts_are_checked(site, &token).await;
    let samples = json!({
        "entity": question["workload"], "source": "somebody", "times": ["2026-11-29T16:40:00Z"],
        "series": [{"metric": "http_requests_total", "kind": "counter", "values": [1.0]}],
    });
    let detected = json_of(site.post("/detect", &token, &samples).await).await;
    assert_eq!(detected["rows"], 1);
    assert_eq!(detected["anomalies"], json!([]));
}

/// The policy set that `aegis init` writes, as one text.
const POLICIES: &str = concat!(
    "=== schema.cedarschema ===\n",
    include_str!("../../../policy/default/schema.cedarschema"),
    "=== policies.cedar ===\n",
    include_str!("../../../policy/default/policies.cedar"),
    "=== settings.toml ===\n",
    include_str!("../../../policy/default/settings.toml"),
);

/// A policy set that somebody thinks of is checked as one that is activated.
async fn drafts_are_checked(site: &Site<'_>, token: &str) {
    let slip = POLICIES.replace("context.mode == \"observe\"", "context.mood == \"observe\"");
    for (content, file) in [
        (POLICIES, Value::Null),
        (slip.as_str(), json!("policies.cedar")),
    ] {
        let draft = json!({ "content": content });
        let answer = json_of(site.post("/policies/check", token, &draft).await).await;
        assert_eq!(answer["valid"], json!(file.is_null()), "{answer}");
        assert_eq!(answer["fault"]["file"], file);
        assert_eq!(answer["fault"]["line"].is_u64(), !file.is_null());
        let digest = aegis_schemas::Digest::of(content.as_bytes()).to_string();
        assert_eq!(text(&answer, "digest"), digest);
    }
}

pub(crate) async fn pages_load_nothing_from_elsewhere(site: &Site<'_>) {
    for (page, loads) in [
        ("/api/docs", ["/api/docs.js", "/api/docs.css"]),
        ("/invitation", ["/invitation.js", "/api/docs.css"]),
    ] {
        let answer = site.page(page).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let policy = answer.headers()["content-security-policy"]
            .to_str()
            .unwrap();
        assert!(policy.starts_with("default-src 'self';") && !policy.contains("unsafe"));
        let html = answer.text().await.unwrap();
        assert!(!html.contains("//") && !html.contains("<script>") && !html.contains("style="));
        for file in loads {
            assert!(html.contains(&format!("\"{file}\"")), "{page} loads {file}");
            assert_eq!(site.page(file).await.status(), StatusCode::OK, "{file}");
        }
    }
}
