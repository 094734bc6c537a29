//! The service on a real bus, with receivers over HTTP.

use std::time::Duration;

use aegis_nats::kv::{Health, HealthBoard};
use aegis_nats::testing::TestServer;
use aegis_nats::topology::Settings;
use aegis_nats::{Bus, Service};
use aegis_notify::route::Route;
use aegis_notify::{Config, DeadMan};
use aegis_schemas::header::Meta;
use aegis_schemas::signal::Heartbeat;
use aegis_schemas::{
    AssessmentVerdict, Cluster, Entity, EntityKind, Event, EventId, IncidentPhase, Name, Outcome,
    OutcomePhase, Severity, Signal, SignalBody, Subject, Timestamp,
};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::hook::{Hook, Reply, Request};
use crate::support::{assessment, cart, incident, opened, outcome, receivers, resolved, secret};

/// A bus, a receiver, and what notify needs.
struct Ground {
    server: TestServer,
    hook: Hook,
    folder: TempDir,
    config: Config,
}

impl Ground {
    /// With one route to the receivers of those names.
    async fn new(names: &[&str]) -> Self {
        // The first to ask chooses; both are the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let settings = Settings {
            storage_bytes: 256 << 20,
            ..Settings::default()
        };
        let server = TestServer::with(settings).await.unwrap();
        let hook = Hook::start().await;
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config {
            receivers: receivers(folder.path(), &hook.base)
                .into_iter()
                .map(|(name, receiver)| (name.to_owned(), receiver))
                .collect(),
            ..Config::default()
        };
        config.routes = vec![Route {
            receivers: names.iter().map(ToString::to_string).collect(),
            ..Route::default()
        }];
        Self {
            server,
            hook,
            folder,
            config,
        }
    }

    async fn notify(&self) -> JoinHandle<()> {
        let bus = self.server.bus(Service::Notify).await.unwrap();
        let config = self.config.clone();
        let clusters = vec![Cluster::parse("demo").unwrap()];
        tokio::spawn(async move {
            let ended = aegis_notify::run(bus, config, clusters, CancellationToken::new()).await;
            ended.unwrap();
        })
    }

    async fn say(&self, number: u64, event: &Event) {
        let (service, subject) = match event {
            Event::Incident(_) => (Service::Detector, Subject::incident(&cart())),
            Event::Assessment(assessment) => (
                Service::Detector,
                Subject::assessment(assessment.verdict.as_str(), &cart()),
            ),
            Event::Outcome(outcome) => (
                Service::Executor,
                Subject::action(outcome.phase.as_str(), &cart()),
            ),
            Event::Signal(signal) => (
                Service::Ingest,
                Subject::signal(signal.body.token(), &signal.entity),
            ),
            other => panic!("nobody says {:?} here", other.kind()),
        };
        let bus = self.server.bus(service).await.unwrap();
        publish(&bus, &subject, number, event).await;
    }
}

async fn publish(bus: &Bus, subject: &Subject, number: u64, event: &Event) {
    let meta = Meta {
        id: EventId::of_content("test", &number.to_be_bytes()),
        kind: event.kind().as_str().to_owned(),
        source: bus.service().to_string(),
        time: Timestamp::EPOCH,
        cause: None,
        origin: None,
        traceparent: None,
    };
    let body = event.encode().unwrap().into();
    let stored = bus.publisher().publish(subject, &meta, body, None).await;
    stored.unwrap();
}

fn status(requests: &[Request], status: &str) -> usize {
    let matches = |request: &&Request| request.body["status"] == status;
    requests.iter().filter(matches).count()
}

fn methods(requests: &[Request]) -> Vec<&str> {
    let method = |request: &'_ Request| request.path.find("chat.").unwrap_or_default();
    requests
        .iter()
        .map(|request| &request.path[method(request)..])
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_tell_each_thing_once_and_keep_one_message_up_to_date() {
    let ground = Ground::new(&["slack", "pagerduty", "alertmanager"]).await;
    ground.say(1, &opened()).await;
    // Said again, as long as it lasts: both find plenty to do about the same incident.
    for number in 2..22 {
        let restated = incident(IncidentPhase::Updated, Severity::Error);
        ground.say(number, &restated).await;
    }
    let _replicas = (ground.notify().await, ground.notify().await);
    ground.hook.until("/slack", |found| !found.is_empty()).await;
    ground.say(22, &outcome(OutcomePhase::Applied)).await;
    ground
        .say(23, &assessment(AssessmentVerdict::Verified))
        .await;
    ground.say(24, &resolved()).await;

    // Whether the end or the act is handled first differs; the last update tells of both.
    let all_told = |found: &[Request]| {
        let last = found.last().map(|last| last.body.to_string());
        last.is_some_and(|last| last.contains(", over") && last.contains("verified after 45 s"))
    };
    let slack = ground.hook.until("/slack", all_told).await;
    let methods = methods(&slack);
    assert_eq!(methods[0], "chat.postMessage");
    assert!(
        methods[1..].iter().all(|method| *method == "chat.update"),
        "{methods:?}"
    );
    let last = slack.last().unwrap();
    assert_eq!(last.body["ts"], "1772366400.000100");

    let ended = |found: &[Request]| status(found, "resolved") > 0;
    let alerts = ground.hook.until("/alertmanager", ended).await;
    assert_eq!(
        (status(&alerts, "firing"), status(&alerts, "resolved")),
        (1, 1)
    );
    let changed = |found: &[Request]| found.len() == 3;
    let pages = ground.hook.until("/pagerduty", changed).await;
    let mut actions: Vec<_> = pages
        .iter()
        .map(|page| page.body["event_action"].as_str().unwrap_or("change"))
        .collect();
    // Whether the end or the act is told first depends on which event is handled first.
    actions.sort_unstable();
    assert_eq!(actions, ["change", "resolve", "trigger"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_fails_is_tried_until_it_takes_it_and_holds_back_nobody() {
    let ground = Ground::new(&["webhook", "alertmanager", "pagerduty"]).await;
    ground.hook.answer(
        "/webhook",
        &[Reply::Status(500, None), Reply::Status(429, Some(2))],
    );
    ground
        .hook
        .answer("/pagerduty", &[Reply::Status(400, None)]);
    let _notify = ground.notify().await;
    ground.say(1, &opened()).await;
    let first = |found: &[Request]| !found.is_empty();
    ground.hook.until("/alertmanager", first).await;
    let tries = ground
        .hook
        .until("/webhook", |found| found.len() == 3)
        .await;
    let ids: Vec<_> = tries
        .iter()
        .map(|request| &request.headers["webhook-id"])
        .collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(
        ground.hook.on("/alertmanager").len(),
        1,
        "who has it is left alone"
    );
    assert_eq!(
        ground.hook.on("/pagerduty").len(),
        1,
        "what is refused is not tried again"
    );
    ground.say(2, &resolved()).await;
    let resolved = |found: &[Request]| found.len() == 4;
    let told = ground.hook.until("/webhook", resolved).await;
    assert_eq!(told[3].body["type"], "incident.resolved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_away_is_tried_by_one_event_of_an_incident_not_by_each() {
    let ground = Ground::new(&["webhook", "alertmanager"]).await;
    let away = vec![Reply::Status(503, None); 200];
    ground.hook.answer("/webhook", &away);
    let _notify = ground.notify().await;
    ground.say(1, &opened()).await;
    for number in 2..52 {
        let severity = [Severity::Error, Severity::Critical][number as usize % 2];
        let news = incident(IncidentPhase::Updated, severity);
        ground.say(number, &news).await;
    }
    ground.say(52, &resolved()).await;
    let ended = |found: &[Request]| status(found, "resolved") > 0;
    ground.hook.until("/alertmanager", ended).await;
    let tries = ground.hook.on("/webhook").len();
    assert!((1..15).contains(&tries), "{tries} tries for 52 events");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_replica_was_sending_when_it_died_is_sent_by_the_next_one() {
    let mut ground = Ground::new(&["webhook"]).await;
    // Its claim lasts twice as long.
    ground.config.request_timeout = Duration::from_secs(1);
    ground.hook.answer("/webhook", &[Reply::Silence]);
    let dies = ground.notify().await;
    ground.say(1, &opened()).await;
    ground
        .hook
        .until("/webhook", |found| found.len() == 1)
        .await;
    dies.abort();
    let _ = dies.await;
    let _notify = ground.notify().await;
    // Its consumer waits a minute for the dead one; another event of the incident does not.
    let restated = incident(IncidentPhase::Updated, Severity::Error);
    ground.say(2, &restated).await;
    let tries = ground
        .hook
        .until("/webhook", |found| found.len() >= 2)
        .await;
    let ids: Vec<_> = tries
        .iter()
        .map(|request| &request.headers["webhook-id"])
        .collect();
    assert_eq!(
        ids[0], ids[1],
        "a receiver can tell that it is the same message"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_of_aegis_is_told_and_signs_of_life_end_with_it() {
    let mut ground = Ground::new(&["alertmanager"]).await;
    let ping = format!("{}/ping", ground.hook.base);
    ground.config.dead_man = DeadMan {
        silence: Duration::from_secs(2),
        look_every: Duration::from_millis(100),
        ping_url_file: Some(secret(ground.folder.path(), "ping", &ping)),
        ping_every: Duration::from_millis(100),
        stages: vec!["audit-sink".to_owned()],
    };
    let _notify = ground.notify().await;
    let both = |found: &[Request]| status(found, "firing") == 2;
    let alarms = ground.hook.until("/alertmanager", both).await;
    let mut keys: Vec<_> = alarms
        .iter()
        .map(|alarm| alarm.body["groupLabels"]["incident"].as_str().unwrap())
        .collect();
    keys.sort_unstable();
    assert_eq!(keys, ["alarm.heartbeat.demo", "alarm.stage.audit-sink"]);
    assert_eq!(ground.hook.on("/ping").len(), 0);

    let record = ground.server.bus(Service::AuditSink).await.unwrap();
    let ingest = ground.server.bus(Service::Ingest).await.unwrap();
    let lives = tokio::spawn(async move {
        let board = HealthBoard::new(&record);
        for number in 100.. {
            let health = Health {
                lag_seconds: 0.0,
                fill: 0.0,
                ..Health::default()
            };
            board.write(health).await.unwrap();
            let beat = heartbeat();
            let subject = Subject::signal("heartbeat", &demo());
            publish(&ingest, &subject, number, &beat).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let ended = |found: &[Request]| status(found, "resolved") >= 2;
    ground.hook.until("/alertmanager", ended).await;
    ground.hook.until("/ping", |found| !found.is_empty()).await;
    lives.abort();
    let again = |found: &[Request]| status(found, "firing") >= 4;
    ground.hook.until("/alertmanager", again).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_decisions_are_one_alarm() {
    let ground = Ground::new(&["alertmanager"]).await;
    let _notify = ground.notify().await;
    for number in 1..20 {
        ground.say(number, &forged()).await;
    }
    // What comes behind them is told: they hold back nothing.
    ground.say(20, &opened()).await;
    let both = |found: &[Request]| found.len() == 2;
    let told = ground.hook.until("/alertmanager", both).await;
    let mut kinds: Vec<_> = told
        .iter()
        .map(|alert| alert.body["commonLabels"]["kind"].as_str().unwrap())
        .collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["crash_loop", "forged"]);
    let text = told.iter().map(|alert| alert.body.to_string());
    let text: String = text.collect();
    assert!(text.contains("no active key signed this"), "{text}");
}

/// A refusal of what the executor did not believe.
fn forged() -> Event {
    let Event::Outcome(outcome) = outcome(OutcomePhase::Refused) else {
        panic!("not an outcome");
    };
    Event::Outcome(Outcome {
        incident: None,
        action: None,
        target: None,
        message: "no active key signed this".to_owned(),
        ..outcome
    })
}

fn demo() -> Entity {
    let cluster = Cluster::parse("demo").unwrap();
    Entity::cluster_scoped(cluster, EntityKind::Cluster, Name::parse("demo").unwrap())
}

fn heartbeat() -> Event {
    Event::Signal(Signal {
        entity: demo(),
        observed: Timestamp::EPOCH,
        source: "test".to_owned(),
        body: SignalBody::Heartbeat(Heartbeat {
            clock: Timestamp::EPOCH,
            sources: std::collections::BTreeMap::new(),
            fill: 0.0,
        }),
    })
}
