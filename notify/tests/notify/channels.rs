//! The exact requests of each channel, as recorded contracts, and what answers mean.

use std::path::PathBuf;
use std::time::Duration;

use aegis_notify::channel::{Answer, Call, Place, Reply, Sent};
use aegis_schemas::{AssessmentVerdict, Event, OutcomePhase, Verdict};
use serde_json::{Value, json};

use crate::support::{assessment, at, case, channel, decision, notice, opened, outcome, resolved};

/// An incident that is asked about, healed, verified and over.
fn story() -> Vec<Event> {
    vec![
        opened(),
        decision(Verdict::Ask, at(600)),
        outcome(OutcomePhase::Applied),
        assessment(AssessmentVerdict::Verified),
        resolved(),
    ]
}

/// What a receiver gets that takes everything, after each event of the story.
fn requests(kind: &str) -> Vec<Call> {
    let channel = channel(kind);
    let mut sent = Sent::default();
    let mut calls = Vec::new();
    let story = story();
    for known in 1..=story.len() {
        let now = at(i64::try_from(known).unwrap());
        let notice = notice(&case(&story[..known]), now);
        while let Some(step) = channel.next(&notice, &sent, now) {
            calls.push(step.call);
            sent = step.then;
            if kind == "slack" {
                sent.place = Some(Place {
                    channel: "C0123456789".to_owned(),
                    ts: "1772366400.000100".to_owned(),
                });
            }
        }
        assert_eq!(
            channel.next(&notice, &sent, at(900)).map(|step| step.call),
            None,
            "{kind}"
        );
    }
    calls
}

/// The headers; what hashes the body stands for itself, since its fields may have another order.
fn headers(call: &Call) -> Value {
    let shown = |(name, value): &(&'static str, String)| match *name {
        "webhook-id" | "webhook-signature" => (*name, "…".to_owned()),
        name => (name, value.clone()),
    };
    json!(call.headers.iter().map(shown).collect::<Vec<_>>())
}

/// `AEGIS_BLESS=1` writes files that are missing.
#[test]
fn each_channel_gets_the_recorded_requests() {
    for kind in ["slack", "pagerduty", "alertmanager", "webhook"] {
        let calls: Vec<Value> = requests(kind)
            .iter()
            .map(|call| {
                json!({
                    "url": call.url,
                    "headers": headers(call),
                    "body": serde_json::from_slice::<Value>(&call.body).unwrap(),
                })
            })
            .collect();
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("golden/{kind}.json"));
        if !file.exists() && std::env::var_os("AEGIS_BLESS").is_some() {
            let text = serde_json::to_string_pretty(&calls).unwrap();
            std::fs::write(&file, text + "\n").unwrap();
        }
        let golden = std::fs::read_to_string(&file).unwrap();
        let golden: Vec<Value> = serde_json::from_str(&golden).unwrap();
        for (place, (call, golden)) in calls.iter().zip(&golden).enumerate() {
            assert_eq!(call, golden, "{kind}, request {place}");
        }
        assert_eq!(calls.len(), golden.len(), "{kind}");
    }
}

#[test]
fn slack_gets_at_most_fifty_blocks_and_texts_that_fit() {
    let mut notice = notice(&case(&story()), at(9));
    notice.headline = "x".repeat(400);
    let line = notice.lines[0].clone();
    notice.lines = (0..100)
        .map(|_| aegis_notify::notice::Line {
            label: line.label,
            text: "&".repeat(5_000),
        })
        .collect();
    notice.firing = true;
    let step = channel("slack").next(&notice, &Sent::default(), at(9));
    let body: Value = serde_json::from_slice(&step.unwrap().call.body).unwrap();
    let blocks = body["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50, "{}", blocks.len());
    for block in blocks {
        let text = block["text"]["text"].as_str().unwrap_or_default();
        let most = if block["type"] == "header" {
            150
        } else {
            3_000
        };
        assert!(text.chars().count() <= most);
    }
}

#[test]
fn a_webhook_says_the_same_id_at_each_try_and_another_one_for_the_next_message() {
    let channel = channel("webhook");
    let open = notice(&case(&story()[..1]), at(1));
    let id = |call: &Call| {
        let id = call.headers.iter().find(|(name, _)| *name == "webhook-id");
        id.unwrap().1.clone()
    };
    let first = channel.next(&open, &Sent::default(), at(1)).unwrap();
    let again = channel.next(&open, &Sent::default(), at(60)).unwrap();
    assert_eq!(id(&first.call), id(&again.call));
    let over = notice(&case(&story()), at(61));
    let next = channel.next(&over, &first.then, at(61)).unwrap();
    assert_ne!(id(&first.call), id(&next.call));
}

#[test]
fn the_end_of_what_was_never_told_is_not_told() {
    let over = notice(&case(&story()), at(9));
    for kind in ["slack", "pagerduty", "alertmanager", "webhook"] {
        assert_eq!(
            channel(kind).next(&over, &Sent::default(), at(9)),
            None,
            "{kind}"
        );
    }
}

#[test]
fn answers_are_told_apart() {
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    let later = |after| (after, "later");
    let cases = [
        ("pagerduty", 202, None, "{}", (None, "taken")),
        ("pagerduty", 400, None, "{}", (None, "never")),
        ("webhook", 302, None, "", later(None)),
        ("webhook", 404, seconds(5), "", later(seconds(5))),
        ("webhook", 403, None, "", later(None)),
        ("webhook", 422, None, "", (None, "never")),
        ("webhook", 408, None, "", later(None)),
        ("webhook", 429, seconds(7), "", later(seconds(7))),
        ("alertmanager", 503, None, "", later(None)),
        ("slack", 429, seconds(30), "", later(seconds(30))),
        (
            "slack",
            200,
            None,
            r#"{"ok":true,"channel":"C","ts":"1.2"}"#,
            (None, "taken"),
        ),
        (
            "slack",
            200,
            None,
            r#"{"ok":false,"error":"ratelimited"}"#,
            later(None),
        ),
        (
            "slack",
            200,
            None,
            r#"{"ok":false,"error":"message_not_found"}"#,
            (None, "gone"),
        ),
        (
            "slack",
            200,
            None,
            r#"{"ok":false,"error":"invalid_auth"}"#,
            (None, "never"),
        ),
        ("slack", 200, None, "<html>", later(None)),
    ];
    for (kind, status, retry_after, body, expected) in cases {
        let reply = Reply {
            status,
            retry_after,
            body: body.as_bytes().to_vec(),
        };
        let found = match channel(kind).understand(&reply) {
            Answer::Taken(place) => {
                assert_eq!(place.is_some(), kind == "slack", "{kind} {status}");
                (None, "taken")
            }
            Answer::Later { after, .. } => (after, "later"),
            Answer::Gone => (None, "gone"),
            Answer::Never(_) => (None, "never"),
        };
        assert_eq!(found, expected, "{kind} {status} {body}");
    }
}
