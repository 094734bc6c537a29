//! The buckets, each through the user that has it.

use aegis_nats::kv::{Claim, Claims, Halt, HaltState, Health, HealthBoard, Past};
use aegis_nats::testing::TestServer;
use aegis_nats::{Error, Service, pulse};
use aegis_schemas::{DecisionId, Digest, EventId, Stream, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::support::{Record, cluster, send};

#[tokio::test]
async fn the_kill_switch_reaches_the_executor_at_its_next_read() {
    let server = TestServer::start().await.unwrap();
    let gateway = Halt::new(&server.bus(Service::Gateway).await.unwrap());
    let executor = Halt::new(&server.bus(Service::Executor).await.unwrap());
    assert_eq!(executor.read(&cluster()).await.unwrap(), None);
    for fence in 1..10 {
        let engaged = gateway.engage(&cluster()).await.unwrap();
        let seen = executor.read(&cluster()).await.unwrap();
        assert_eq!(seen, Some(HaltState::ALL_VOID));
        gateway.settle(&cluster(), engaged, fence).await.unwrap();
        let seen = executor.read(&cluster()).await.unwrap();
        assert_eq!(seen, Some(HaltState { fence, on: true }));
        // The gateway resumes from what it finds there.
        let found = gateway.standing(&cluster()).await.unwrap().unwrap();
        let released = gateway.release(&cluster(), found.revision, fence).await;
        released.unwrap();
        let seen = executor.read(&cluster()).await.unwrap();
        assert_eq!(seen, Some(HaltState { fence, on: false }));
    }
}

#[tokio::test]
async fn a_resume_that_overlaps_with_a_newer_halt_changes_nothing() {
    let server = TestServer::start().await.unwrap();
    let gateway = Halt::new(&server.bus(Service::Gateway).await.unwrap());
    let first = gateway.engage(&cluster()).await.unwrap();
    gateway.settle(&cluster(), first, 10).await.unwrap();
    let found = gateway.standing(&cluster()).await.unwrap().unwrap();

    let second = gateway.engage(&cluster()).await.unwrap();
    let late = gateway.release(&cluster(), found.revision, 10).await;
    assert!(matches!(late, Err(Error::Conflict(_))), "{late:?}");
    gateway.settle(&cluster(), second, 20).await.unwrap();

    let late = gateway.release(&cluster(), found.revision, 10).await;
    assert!(matches!(late, Err(Error::Conflict(_))), "{late:?}");
    let halted = HaltState {
        fence: 20,
        on: true,
    };
    assert_eq!(gateway.read(&cluster()).await.unwrap(), Some(halted));
}

#[tokio::test]
async fn a_decision_is_claimed_once_and_written_by_who_holds_it() {
    let server = TestServer::start().await.unwrap();
    let claims = Claims::new(&server.bus(Service::Executor).await.unwrap());
    let decision = DecisionId(EventId::of_content("test", b"decision"));
    assert_eq!(claims.get(decision).await.unwrap(), None);
    let Claim::Created(revision) = claims.create(decision, "mine".into()).await.unwrap() else {
        panic!("nobody had claimed it");
    };
    let again = claims.create(decision, "theirs".into()).await.unwrap();
    assert_eq!(
        again,
        Claim::Exists {
            revision,
            value: "mine".into()
        }
    );
    claims
        .update(decision, revision, "done".into())
        .await
        .unwrap();
    let late = claims.update(decision, revision, "late".into()).await;
    assert!(matches!(late, Err(Error::Conflict(_))), "{late:?}");
    assert_eq!(claims.get(decision).await.unwrap().unwrap().value, "done");
}

#[tokio::test]
async fn what_was_seen_outlives_who_saw_it_and_never_goes_back() {
    let server = TestServer::start().await.unwrap();
    let executor = server.bus(Service::Executor).await.unwrap();
    let past = Past::new(&executor, &cluster());
    let at = Timestamp::from_millis;
    assert_eq!(past.latest().await.unwrap(), None);
    for time in [2_000, 1_000, 3_000] {
        past.note(at(time)).await.unwrap();
    }
    let decisions = [b"first", b"later"].map(|text| DecisionId(EventId::of_content("", text)));
    let nonce = Digest::of(b"nonce");
    assert_eq!(past.bearer(&nonce).await.unwrap(), None);
    for decision in decisions {
        past.bear(&nonce, decision).await.unwrap();
    }

    let successor = server.bus(Service::Executor).await.unwrap();
    let past = Past::new(&successor, &cluster());
    assert_eq!(past.latest().await.unwrap(), Some(at(3_000)));
    assert_eq!(past.bearer(&nonce).await.unwrap(), Some(decisions[0]));
}

#[tokio::test]
async fn the_audit_sinks_health_is_seen_with_its_age() {
    let server = TestServer::start().await.unwrap();
    let reader = HealthBoard::new(&server.bus(Service::Ingest).await.unwrap());
    assert_eq!(reader.audit().await.unwrap(), None);
    let audit = HealthBoard::new(&server.bus(Service::AuditSink).await.unwrap());
    let health = Health {
        lag_seconds: 1.5,
        fill: 0.25,
        ..Health::default()
    };
    audit.write(health).await.unwrap();
    let seen = reader.audit().await.unwrap().unwrap();
    assert_eq!(seen.health, health);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let later = reader.audit().await.unwrap().unwrap();
    assert!(later.age >= seen.age + std::time::Duration::from_millis(300));
    audit.write(health).await.unwrap();
    let renewed = reader.audit().await.unwrap().unwrap();
    assert!(renewed.age < later.age);
    // Replaced long before it is read: it is as old as the server says.
    audit.write(health).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let found = reader.audit().await.unwrap().unwrap();
    assert!(found.age >= std::time::Duration::from_millis(250));
}

#[tokio::test]
async fn a_service_says_how_long_its_oldest_message_has_waited() {
    let server = TestServer::start().await.unwrap();
    let (settings, stop) = (server.settings().clone(), CancellationToken::new());
    let (bus, until) = (server.bus(Service::AuditSink).await.unwrap(), stop.clone());
    let every = std::time::Duration::from_millis(50);
    tokio::spawn(async move { pulse::run(&bus, &settings, every, until).await });
    let board = HealthBoard::new(&server.bus(Service::Gateway).await.unwrap());
    assert_eq!(board.of(&Service::Policy).await.unwrap(), None);
    let seen = async |is_it: fn(Health) -> bool| {
        let mut last = None;
        for _ in 0..200 {
            last = board.of(&Service::AuditSink).await.unwrap();
            if last.is_some_and(|seen| is_it(seen.health)) {
                return;
            }
            tokio::time::sleep(every).await;
        }
        panic!("the service says {last:?} of itself");
    };
    let calm = |health: Health| health.lag_seconds == 0.0 && health.fill == 0.0;
    send(&server.bus(Service::Ingest).await.unwrap(), 1..4).await;
    seen(|health| health.lag_seconds > 0.3 && health.fill > 0.0).await;
    let _events = Record::of(&server, Stream::Events).await;
    // The server says there what provisioning did.
    let _advisories = Record::of(&server, Stream::Advisories).await;
    seen(calm).await;
    stop.cancel();
}
