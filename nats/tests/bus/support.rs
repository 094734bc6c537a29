//! What the tests share: signals to publish, a reader of everything that a stream holds.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aegis_nats::testing::TestServer;
use aegis_nats::topology::Durable;
use aegis_nats::{Bus, Delivery, Service, batch};
use aegis_schemas::header::Meta;
use aegis_schemas::signal::Heartbeat;
use aegis_schemas::{
    Cluster, Entity, EntityKind, Event, EventId, Name, Signal, SignalBody, Stream, Subject,
    Timestamp,
};
use bytes::Bytes;
use tokio_util::sync::CancellationToken;

pub(crate) fn cluster() -> Cluster {
    Cluster::parse("demo").unwrap()
}

pub(crate) fn entity() -> Entity {
    Entity::cluster_scoped(cluster(), EntityKind::Cluster, Name::parse("demo").unwrap())
}

/// A heartbeat that says `number`.
pub(crate) fn beat(number: i64) -> Event {
    Event::Signal(Signal {
        entity: entity(),
        observed: Timestamp::EPOCH,
        source: "test".to_owned(),
        body: SignalBody::Heartbeat(Heartbeat {
            clock: Timestamp::from_nanos(number),
            sources: std::collections::BTreeMap::new(),
            fill: 0.0,
        }),
    })
}

pub(crate) fn number(event: &Event) -> Option<i64> {
    match event {
        Event::Signal(Signal {
            body: SignalBody::Heartbeat(heartbeat),
            ..
        }) => Some(heartbeat.clock.as_nanos()),
        _ => None,
    }
}

/// The heartbeat `number` of ingest, ready to publish.
pub(crate) fn message(number: i64) -> (Subject, Meta, Bytes) {
    let event = beat(number);
    let meta = Meta {
        id: EventId::of_content("test", &number.to_be_bytes()),
        kind: event.kind().as_str().to_owned(),
        source: "ingest".to_owned(),
        time: Timestamp::EPOCH,
        cause: None,
        origin: None,
        traceparent: None,
    };
    let subject = Subject::signal("heartbeat", &entity());
    (subject, meta, event.encode().unwrap().into())
}

pub(crate) async fn send(bus: &Bus, numbers: impl IntoIterator<Item = i64>) {
    let messages: Vec<_> = numbers.into_iter().map(message).collect();
    bus.publisher().publish_batch(messages, None).await.unwrap();
}

/// Everything that a stream holds, as it comes.
pub(crate) struct Record {
    seen: Arc<Mutex<Vec<Delivery>>>,
    _stop: tokio_util::sync::DropGuard,
}

struct Collect(Arc<Mutex<Vec<Delivery>>>);

impl batch::Sink for Collect {
    async fn store(
        &mut self,
        batch: &[Delivery],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.lock().unwrap().extend_from_slice(batch);
        Ok(())
    }
}

impl Record {
    pub(crate) async fn of(server: &TestServer, stream: Stream) -> Self {
        let bus = server.bus(Service::AuditSink).await.unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stop = CancellationToken::new();
        let (sink, token) = (Collect(Arc::clone(&seen)), stop.clone());
        tokio::spawn(async move {
            let durables = vec![Durable::audit_sink(stream)];
            let linger = Duration::from_millis(5);
            batch::run(&bus, durables, 100, linger, sink, token).await
        });
        Self {
            seen,
            _stop: stop.drop_guard(),
        }
    }

    pub(crate) fn on(&self, subject: &str) -> Vec<Delivery> {
        let seen = self.seen.lock().unwrap();
        let on = |delivery: &&Delivery| delivery.subject.starts_with(subject);
        seen.iter().filter(on).cloned().collect()
    }

    /// Waits until there are `count` messages on subjects that begin like that.
    pub(crate) async fn wait(&self, subject: &str, count: usize) -> Vec<Delivery> {
        until(&format!("{count} messages on {subject}"), || {
            let on = self.on(subject);
            (on.len() >= count).then_some(on)
        })
        .await
    }
}

/// Waits until `probe` answers.
pub(crate) async fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1_500 {
        if let Some(answer) = probe() {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited 30 s for {what}");
}
