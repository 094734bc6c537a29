//! Every user but the one whose job it is administers streams and consumers.

use std::time::Duration;

use aegis_nats::Service;
use aegis_schemas::Stream;
use anyhow::Result;
use serde_json::{Value, json};

use super::Finding;
use crate::broker::Broker;
use crate::broker::wire::Message;

/// How soon a change by the administrator must be told.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

/// Requests that would work if they were allowed, by what is asked.
fn requests(spy: &str) -> Vec<(&'static str, Value)> {
    let events = Stream::Events.name();
    let config = json!({"name": events, "subjects": ["aegis.v1.decision.>"], "max_msgs": 1});
    let copy = json!({"name": "SPY", "sources": [{"name": events}]});
    let push = json!({
        "stream_name": events,
        "config": {"deliver_subject": spy, "ack_policy": "none", "deliver_policy": "all"},
    });
    let pause = json!({"pause_until": "2100-01-01T00:00:00Z"});
    vec![
        ("STREAM.UPDATE.AEGIS_EVENTS", config),
        ("STREAM.CREATE.SPY", copy),
        ("STREAM.PURGE.AEGIS_EVENTS", json!({})),
        ("STREAM.DELETE.AEGIS_EVENTS", json!({})),
        ("STREAM.MSG.DELETE.AEGIS_EVENTS", json!({"seq": 1})),
        (
            "STREAM.SNAPSHOT.AEGIS_EVENTS",
            json!({"deliver_subject": spy}),
        ),
        ("STREAM.RESTORE.AEGIS_EVENTS", json!({})),
        ("STREAM.DELETE.KV_aegis_halt", json!({})),
        ("STREAM.PURGE.KV_aegis_state", json!({})),
        ("CONSUMER.CREATE.AEGIS_EVENTS", push.clone()),
        ("CONSUMER.CREATE.AEGIS_EVENTS.spy", push),
        ("CONSUMER.DELETE.AEGIS_EVENTS.policy-demo", json!({})),
        ("CONSUMER.DELETE.AEGIS_DLQ.audit-sink", json!({})),
        ("CONSUMER.PAUSE.AEGIS_EVENTS.executor-demo", pause),
        (
            "CONSUMER.RESET.AEGIS_EVENTS.executor-demo",
            json!({"seq": 1}),
        ),
        (
            "CONSUMER.UNPIN.AEGIS_EVENTS.executor-demo",
            json!({"group": "x"}),
        ),
    ]
}

pub(super) async fn run() -> Result<Vec<Finding>> {
    let broker = Broker::start().await?;
    let mut findings = Vec::new();
    for user in broker.users() {
        if user != Service::Provisioner {
            findings.push(administer(&broker, &user).await?);
        }
    }
    let untouched = "streams and consumers are as declared";
    let declared = broker.as_declared().await;
    let seen = declared.map_or_else(|faults| faults.join("; "), |()| untouched.to_owned());
    findings.push(Finding::of("what all of them changed", untouched, seen));
    findings.extend(told(&broker).await?);
    Ok(findings)
}

async fn administer(broker: &Broker, user: &Service) -> Result<Finding> {
    let mut wire = broker.wire(user).await?;
    let spy = format!("{}.spy", wire.inbox());
    let requests = requests(&spy);
    for (request, body) in &requests {
        let body = body.to_string();
        let message = Message {
            subject: &format!("$JS.API.{request}"),
            reply: Some(&spy),
            body: body.as_bytes(),
            ..Message::default()
        };
        wire.publish(message).await?;
    }
    let refused = wire.settle().await?.len();
    // A request that the server takes is answered before this one.
    let _ = wire.settle().await?;
    Ok(Finding::of(
        format!(
            "{user}: {} requests to change, empty, copy or delete",
            requests.len()
        ),
        format!("{} refused, 0 answers", requests.len()),
        format!("{refused} refused, {} answers", wire.arrived().len()),
    ))
}

/// What the administrator may do does not pass unseen.
async fn told(broker: &Broker) -> Result<Vec<Finding>> {
    let mut admin = broker.wire(&Service::Provisioner).await?;
    let before = broker.stored(Stream::Advisories.name()).await?;
    let info = admin
        .ask("$JS.API.STREAM.INFO.AEGIS_EVENTS", &json!({}))
        .await?;
    let mut config = info["config"].clone();
    config["max_age"] = json!(60_000_000_000_u64);
    config["duplicate_window"] = json!(60_000_000_000_u64);
    let answer = admin
        .ask("$JS.API.STREAM.UPDATE.AEGIS_EVENTS", &config)
        .await?;
    let changed = answer
        .get("error")
        .map_or("done".to_owned(), Value::to_string);
    let told = advisory(broker, before.len()).await?;
    let doctor = broker.as_declared().await.err().unwrap_or_default();
    let named = doctor.iter().any(|fault| fault.contains("`max_age`"));
    Ok(vec![
        Finding::of(
            "provisioner: messages shall be kept for a minute only",
            "done",
            changed,
        ),
        Finding::of(
            "what AEGIS_ADVISORIES, which the audit log keeps, holds of it within 10 s",
            "$JS.EVENT.ADVISORY.STREAM.UPDATED.AEGIS_EVENTS",
            told,
        ),
        Finding::of(
            "what the doctor finds",
            "`max_age` differs",
            if named {
                "`max_age` differs".to_owned()
            } else {
                doctor.join("; ")
            },
        ),
    ])
}

/// Waits for the advisory about the stream; `before` is how many subjects had one.
async fn advisory(broker: &Broker, before: usize) -> Result<String> {
    let look = async {
        loop {
            let stored = broker.stored(Stream::Advisories.name()).await?;
            let updated =
                |(subject, _): &(String, u64)| subject.contains("STREAM.UPDATED.AEGIS_EVENTS");
            if let Some((subject, _)) = stored.into_iter().find(updated) {
                return Ok(subject);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(TOLD_WITHIN, look)
        .await
        .unwrap_or_else(|_| Ok(format!("nothing new beside {before} subjects")))
}
