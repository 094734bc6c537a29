//! Sinks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aegis_nats::testing::TestServer;
use aegis_nats::topology::Durable;
use aegis_nats::{Delivery, Service, batch};
use aegis_schemas::Stream;
use tokio_util::sync::CancellationToken;

use crate::support::{send, until};

struct Moody {
    fail: usize,
    stored: Arc<Mutex<Vec<u64>>>,
}

impl batch::Sink for Moody {
    async fn store(
        &mut self,
        batch: &[Delivery],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if self.fail > 0 {
            self.fail -= 1;
            return Err("the database is away".into());
        }
        let mut stored = self.stored.lock().unwrap();
        stored.extend(batch.iter().map(|delivery| delivery.seq));
        Ok(())
    }
}

#[tokio::test]
async fn a_sink_that_fails_first_loses_nothing_and_a_restart_repeats_nothing() {
    let server = TestServer::start().await.unwrap();
    let ingest = server.bus(Service::Ingest).await.unwrap();
    let bus = server.bus(Service::AuditSink).await.unwrap();
    let stored = Arc::new(Mutex::new(Vec::new()));
    for (fail, total) in [(2, 100), (0, 200)] {
        send(&ingest, total - 99..total).await;
        let sink = Moody {
            fail,
            stored: Arc::clone(&stored),
        };
        let stop = CancellationToken::new();
        let (bus, token) = (bus.clone(), stop.clone());
        let running = tokio::spawn(async move {
            let durables = vec![
                Durable::audit_sink(Stream::Events),
                Durable::audit_sink(Stream::Dlq),
            ];
            batch::run(&bus, durables, 10, Duration::from_millis(20), sink, token).await
        });
        // The genesis and 99 heartbeats, then 99 more.
        let expected = usize::try_from(total - total / 200).unwrap();
        until("all messages", || {
            (stored.lock().unwrap().len() >= expected).then_some(())
        })
        .await;
        stop.cancel();
        running.await.unwrap().unwrap();
    }
    assert_eq!(*stored.lock().unwrap(), (1..=199).collect::<Vec<_>>());
}
