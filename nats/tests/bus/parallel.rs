//! Handling side by side.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aegis_nats::testing::TestServer;
use aegis_nats::topology::Durable;
use aegis_nats::{Delivery, Failure, Service, parallel};
use aegis_schemas::{Event, Stream, Subject};
use tokio_util::sync::CancellationToken;

use crate::support::{Record, message, number, until};

/// Fails as the message's number says, and notes what it was asked.
#[derive(Clone, Default)]
struct Clerk {
    asked: Arc<Mutex<Vec<(i64, u64)>>>,
    at_once: Arc<Mutex<(usize, usize)>>,
}

const RETRY_ONCE: i64 = 1;
const REJECT: i64 = 2;
const PANIC: i64 = 3;
const NEVER: i64 = 4;

impl parallel::Handler for Clerk {
    fn lane(&self, delivery: &Delivery) -> String {
        delivery.subject.clone()
    }

    async fn handle(&self, delivery: &Delivery) -> Result<(), Failure> {
        let number = number(&delivery.event().map_err(Failure::reject)?).unwrap();
        self.asked.lock().unwrap().push((number, delivery.attempt));
        {
            let mut at_once = self.at_once.lock().unwrap();
            at_once.0 += 1;
            at_once.1 = at_once.1.max(at_once.0);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.at_once.lock().unwrap().0 -= 1;
        let soon = Some(Duration::from_millis(50));
        match number {
            RETRY_ONCE if delivery.attempt == 1 => Err(Failure::Retry {
                after: soon,
                reason: "not yet".to_owned(),
            }),
            NEVER => Err(Failure::Retry {
                after: soon,
                reason: "never".to_owned(),
            }),
            REJECT => Err(Failure::reject("no good")),
            PANIC => panic!("poison"),
            _ => Ok(()),
        }
    }
}

#[tokio::test]
async fn retries_come_again_and_what_is_refused_is_kept_with_its_reason() {
    let server = TestServer::start().await.unwrap();
    let gateway = server.bus(Service::Gateway).await.unwrap();
    let ingest = server.bus(Service::Ingest).await.unwrap();
    let clerk = Clerk::default();
    let stop = CancellationToken::new();
    let (handler, token) = (clerk.clone(), stop.clone());
    let running =
        tokio::spawn(
            async move { parallel::run(&ingest, Durable::ingest(), handler, token).await },
        );
    for number in 0..8 {
        let (_, mut meta, body) = message(number);
        meta.source = "gateway".to_owned();
        let subject = Subject::intake("gateway", "signal").unwrap();
        gateway
            .publisher()
            .publish(&subject, &meta, body, None)
            .await
            .unwrap();
    }
    let record = Record::of(&server, Stream::Dlq).await;
    let letters = record.wait("aegis.v1.dlq.ingest.aegis_intake", 3).await;
    let mut reasons: Vec<_> = letters
        .iter()
        .map(|letter| match letter.event() {
            Ok(Event::DeadLetter(letter)) => {
                assert_eq!(letter.stream, "AEGIS_INTAKE");
                letter.reason
            }
            other => panic!("not a dead letter: {other:?}"),
        })
        .collect();
    reasons.sort();
    assert_eq!(
        reasons,
        [
            "given up after 8 tries: never",
            "no good",
            "the handler panicked"
        ]
    );
    let asked = until("every message", || {
        let asked = clerk.asked.lock().unwrap().clone();
        asked.contains(&(7, 1)).then_some(asked)
    })
    .await;
    assert!(asked.contains(&(RETRY_ONCE, 2)));
    assert!(!asked.contains(&(REJECT, 2)) && !asked.contains(&(PANIC, 2)));
    assert_eq!(
        clerk.at_once.lock().unwrap().1,
        1,
        "one lane, one at a time"
    );
    stop.cancel();
    running.await.unwrap().unwrap();
}
