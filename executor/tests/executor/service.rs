//! The service on a real bus, with a real HTTP connection to the API server.

use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aegis_executor::{Config, Error};
use aegis_nats::kv::{Halt, Health, HealthBoard};
use aegis_nats::testing::TestServer;
use aegis_nats::topology::{Durable, Settings};
use aegis_nats::{Bus, Delivery, Service, batch};
use aegis_schemas::header::Meta;
use aegis_schemas::keyring::KeyFile;
use aegis_schemas::{
    Cluster, Event, Kind, Outcome, OutcomePhase, PreImage, RefusalCode, Stream, Subject, Timestamp,
    Warrant,
};
use aegis_simulator::api::Api;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::{SCALE, World, sign, warrant};

/// Keeps what streams hold.
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

/// Publishes what policy would.
async fn decide(policy: &Bus, warrant: &Warrant, body: Vec<u8>) {
    let meta = Meta {
        id: warrant.decision_id.0,
        kind: Kind::Warrant.as_str().to_owned(),
        source: "policy/default".to_owned(),
        time: warrant.iat,
        cause: Some(warrant.cause),
        origin: None,
        traceparent: None,
    };
    let subject = Subject::decision("allow", &warrant.target.object.workload);
    let publisher = policy.publisher();
    publisher
        .publish(&subject, &meta, body.into(), None)
        .await
        .unwrap();
}

fn system_now() -> Timestamp {
    Timestamp::EPOCH + SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// Waits until `probe` answers.
async fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1_500 {
        if let Some(answer) = probe() {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited 30 s for {what}");
}

fn write(path: &std::path::Path, text: &str) {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    let file = options
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path);
    file.unwrap().write_all(text.as_bytes()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_become_acts_and_outcomes_and_what_is_refused_is_kept() {
    let world = World::new().await;
    let namespace = json!({ "metadata": { "name": "kube-system" } });
    world.create("v1", "Namespace", None, namespace).await;
    let system = world
        .objects("v1", "Namespace", None)
        .get("kube-system")
        .await
        .unwrap();
    let uid = system.metadata.uid.unwrap();

    let stop = CancellationToken::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = Api::kubeconfig(listener.local_addr().unwrap(), "aegis-executor");
    write(&folder.path().join("kubeconfig"), &kubeconfig);
    let keys = KeyFile::new("test", vec![7; 32]).unwrap();
    write(&folder.path().join("keys"), &keys.to_text());
    let config = Config {
        keys_file: folder.path().join("keys"),
        kubeconfig: Some(folder.path().join("kubeconfig")),
        ..Config::default()
    };
    let (api, token) = (world.api.clone(), stop.clone());
    tokio::spawn(async move { api.serve(listener, token).await });
    assert_eq!(aegis_executor::cluster_uid(&config).await.unwrap(), uid);

    let server = TestServer::with(Settings {
        storage_bytes: 256 << 20,
        clusters: vec![Cluster::parse("default").unwrap()],
        ..Settings::default()
    })
    .await
    .unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (sink, token) = (Collect(Arc::clone(&seen)), stop.clone());
    let record = server.bus(Service::AuditSink).await.unwrap();
    let health = Health {
        lag_seconds: 0.0,
        fill: 0.0,
        ..Health::default()
    };
    HealthBoard::new(&record).write(health).await.unwrap();
    tokio::spawn(async move {
        let durables = [Stream::Events, Stream::Dlq].map(Durable::audit_sink);
        let linger = Duration::from_millis(5);
        batch::run(&record, durables.to_vec(), 100, linger, sink, token).await
    });
    let outcomes = |count: usize| {
        let seen = Arc::clone(&seen);
        async move {
            until(&format!("{count} outcomes"), || {
                let seen = seen.lock().unwrap();
                let outcomes: Vec<Outcome> = seen
                    .iter()
                    .filter_map(|delivery| match delivery.event() {
                        Ok(Event::Outcome(outcome)) => Some(outcome),
                        _ => None,
                    })
                    .collect();
                (outcomes.len() >= count).then_some(outcomes)
            })
            .await
        }
    };

    let bus = server.bus(Service::Executor).await.unwrap();
    let (running, token) = (config.clone(), stop.clone());
    let service = tokio::spawn(async move { aegis_executor::run(bus, running, token).await });
    let policy = server.bus(Service::Policy).await.unwrap();
    let target = world.warrant(1, SCALE).await.target.object;
    let decided = |number: u64, target| {
        let mut warrant = warrant(system_now(), number, target, SCALE);
        warrant.target.cluster_uid = uid.clone();
        warrant.audience = aegis_executor::accept::audience(&uid);
        warrant
    };

    let first = decided(10, target.clone());
    decide(&policy, &first, sign(&first)).await;
    let all = outcomes(1).await;
    assert_eq!(all[0].phase, OutcomePhase::Applied, "{}", all[0].message);
    assert_eq!(all[0].pre_image, Some(PreImage::Replicas { replicas: 3 }));
    assert_eq!(world.effects().len(), 1);

    let forged = decided(11, target.clone());
    let mut bytes = sign(&forged);
    *bytes.last_mut().unwrap() ^= 1;
    decide(&policy, &forged, bytes).await;
    let all = outcomes(2).await;
    assert_eq!(all[1].code, Some(RefusalCode::BadMac));
    let letter = until("a dead letter", || {
        let seen = seen.lock().unwrap();
        seen.iter().find_map(|delivery| match delivery.event() {
            Ok(Event::DeadLetter(letter)) => Some(letter),
            _ => None,
        })
    })
    .await;
    assert!(letter.reason.starts_with("bad_mac"), "{}", letter.reason);

    let gateway = server.bus(Service::Gateway).await.unwrap();
    let halt = Halt::new(&gateway);
    let cluster = Cluster::parse("default").unwrap();
    let engaged = halt.engage(&cluster).await.unwrap();
    let halted = decided(12, target.clone());
    decide(&policy, &halted, sign(&halted)).await;
    assert_eq!(outcomes(3).await[2].code, Some(RefusalCode::Halted));
    halt.release(&cluster, engaged, 0).await.unwrap();

    // An emptied key file stops every act, without a restart.
    write(&config.keys_file, "");
    let unknown = decided(13, target);
    decide(&policy, &unknown, sign(&unknown)).await;
    assert_eq!(outcomes(4).await[3].code, Some(RefusalCode::BadMac));
    assert_eq!(world.effects().len(), 1);

    stop.cancel();
    service.await.unwrap().unwrap();
}

#[test]
fn a_key_file_that_others_may_read_is_refused_with_the_way_out() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let keys = KeyFile::new("test", vec![7; 32]).unwrap();
    write(&path, &keys.to_text());
    assert!(aegis_executor::keys::read(&path).is_ok());
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&path, mode).unwrap();
    let error = aegis_executor::keys::read(&path).unwrap_err();
    assert!(matches!(error, Error::KeysExposed { .. }));
    assert!(error.to_string().contains("chmod 0600"), "{error}");
}
