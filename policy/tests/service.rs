//! The shell on a real server: a command on the log is answered by exactly one decision, also over a restart.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its case fails"
)]

use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aegis_nats::testing::TestServer;
use aegis_nats::topology::Durable;
use aegis_nats::{Bus, Delivery, Service, batch};
use aegis_policy::Config;
use aegis_schemas::header::Meta;
use aegis_schemas::keyring::KeyFile;
use aegis_schemas::{
    Actor, Cluster, Command, CommandBody, Entity, Event, EventId, Mode, Scope, Stream, Subject,
    Timestamp, Verdict,
};
use tokio_util::sync::CancellationToken;

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

async fn command(bus: &Bus, number: u8, mode: Mode) -> EventId {
    let cluster = Cluster::parse("demo").unwrap();
    let entity: Entity = "demo/cluster/demo".parse().unwrap();
    let scope = Scope {
        cluster,
        namespace: None,
        action: None,
    };
    let event = Event::Command(Command {
        actor: Actor {
            name: "root".to_owned(),
            roles: ["admin".to_owned()].into(),
        },
        reason: String::new(),
        body: CommandBody::Mode { scope, mode },
    });
    let id = EventId::of_content("test", &[number]);
    let meta = Meta {
        id,
        kind: event.kind().as_str().to_owned(),
        source: "gateway".to_owned(),
        time: Timestamp::EPOCH,
        cause: None,
        origin: None,
        traceparent: None,
    };
    let subject = Subject::command("mode", &entity);
    let body = event.encode().unwrap().into();
    let within = Some(Duration::from_secs(10));
    let publisher = bus.publisher();
    publisher
        .publish(&subject, &meta, body, within)
        .await
        .unwrap();
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_answered_once_and_a_restart_answers_nothing_again() {
    let server = TestServer::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let keys_file = folder.path().join("decisions.keys");
    let keys = KeyFile::new("test", vec![7; 32]).unwrap();
    std::fs::write(&keys_file, keys.to_text().as_bytes()).unwrap();
    std::fs::set_permissions(&keys_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let config = Config {
        cluster: Cluster::parse("demo").unwrap(),
        keys_file,
    };

    let record = Arc::new(Mutex::new(Vec::new()));
    let stop_record = CancellationToken::new();
    let (sink, token) = (Collect(Arc::clone(&record)), stop_record.clone());
    let audit = server.bus(Service::AuditSink).await.unwrap();
    tokio::spawn(async move {
        let durables = vec![Durable::audit_sink(Stream::Events)];
        batch::run(&audit, durables, 100, Duration::from_millis(5), sink, token).await
    });
    let answers = || -> Vec<_> {
        let record = record.lock().unwrap();
        let events = record.iter().filter_map(|delivery| delivery.event().ok());
        events
            .filter_map(|event| match event {
                Event::Decision(decision) => Some(decision),
                _ => None,
            })
            .collect()
    };
    let answered = async |count: usize| {
        for _ in 0..1_000 {
            if answers().len() >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("waited 20 s for {count} answers: {:?}", answers());
    };

    let gateway = server.bus(Service::Gateway).await.unwrap();
    let mut asked = Vec::new();
    for (number, mode) in [(0, Mode::Act), (1, Mode::Ask)] {
        asked.push(command(&gateway, number, mode).await);
        let bus = server.bus(Service::Policy).await.unwrap();
        let stop = CancellationToken::new();
        let running = tokio::spawn(aegis_policy::run(bus, config.clone(), stop.clone()));
        answered(asked.len()).await;
        stop.cancel();
        running.await.unwrap().unwrap();
    }
    stop_record.cancel();
    let answers = answers();
    let causes: Vec<_> = answers.iter().map(|decision| decision.cause).collect();
    assert_eq!(causes, asked);
    assert!(
        answers
            .iter()
            .all(|decision| decision.verdict == Verdict::Standing)
    );
}
