//! The views follow from the log, whatever batches it came in.

use std::collections::BTreeSet;

use aegis_audit_sink::read::Standing;
use aegis_audit_sink::{rebuild, story};
use aegis_schemas::{
    Actor, Cluster, Command, CommandBody, Decision, DecisionId, Digest, Entity, EntityKind, Event,
    Evidence, EvidenceSource, Incident, IncidentId, IncidentPhase, Mode, Name, Namespace, Scope,
    StandingOrders, Stream, Verdict,
};
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use crate::support::{Database, record, records};

#[tokio::test]
async fn rebuilt_views_are_the_kept_ones() {
    let database = Database::new().await;
    let all = records(10, 1, 900);
    let mut from = 0;
    for step in [1, 2, 97, 300, 500] {
        database.append(&all[from..from + step]).await;
        from += step;
    }
    let reader = database.reader().await;
    let comparison = rebuild::compare(&reader).await.unwrap();
    assert!(comparison.agrees() && comparison.same > 200, "{comparison}");

    database
        .tamper("UPDATE views.decision SET verdict = 'allow'; DELETE FROM views.outcome; UPDATE views.clock SET at = now()")
        .await;
    let comparison = rebuild::compare(&reader).await.unwrap();
    assert!(!comparison.agrees(), "{comparison}");
    assert_eq!(rebuild::views(&reader).await.unwrap(), 900);
    assert!(rebuild::compare(&reader).await.unwrap().agrees());
}

fn incident(phase: IncidentPhase, summary: &str) -> Event {
    let cluster = Cluster::parse("demo").unwrap();
    let name = Name::parse("demo").unwrap();
    Event::Incident(Incident {
        incident: IncidentId(aegis_schemas::EventId::from_bytes([7; 16])),
        phase,
        entity: Entity::cluster_scoped(cluster, EntityKind::Cluster, name),
        severity: aegis_schemas::Severity::Error,
        kind: aegis_schemas::FailureKind::CrashLoop,
        confidence: 900,
        opened: aegis_schemas::Timestamp::EPOCH,
        newest_evidence: aegis_schemas::Timestamp::EPOCH,
        affected: Vec::new(),
        evidence: Vec::new(),
        causes: Vec::new(),
        recommendations: Vec::new(),
        summary: summary.to_owned(),
        grouped: Vec::new(),
        own_severity: None,
    })
}

#[tokio::test]
async fn what_comes_late_does_not_replace_what_is_newer_and_nul_is_no_obstacle() {
    let database = Database::new().await;
    let opened = record(
        Stream::Events,
        1,
        &incident(IncidentPhase::Opened, "cart crashes"),
    );
    let resolved = record(
        Stream::Events,
        2,
        &incident(IncidentPhase::Resolved, "it \0 lives"),
    );
    database.append(&[resolved]).await;
    database.append(&[opened]).await;
    let mut connection = PgConnection::connect(&database.gateway_url())
        .await
        .unwrap();
    let row: (String, String) = sqlx::query_as("SELECT state, summary FROM views.incident")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(row, ("resolved".to_owned(), "it \u{fffd} lives".to_owned()));
    let past: Vec<(String, String)> =
        sqlx::query_as("SELECT state, summary FROM views.incident_said ORDER BY position")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    assert_eq!(past.len(), 2);
    assert_eq!(past[0], ("open".to_owned(), "cart crashes".to_owned()));
    let reader = database.reader().await;
    let told = story::story(
        &reader,
        IncidentId(aegis_schemas::EventId::from_bytes([7; 16])),
    )
    .await
    .unwrap();
    assert!(
        told.contains("#0") && told.contains("cart crashes"),
        "{told}"
    );
}

#[tokio::test]
async fn a_merge_is_on_record_with_both_incidents() {
    let [one, two] = [7, 8].map(|byte| IncidentId(aegis_schemas::EventId::from_bytes([byte; 16])));
    let merge = Event::Command(Command {
        actor: Actor {
            name: "ann".to_owned(),
            roles: ["operator".to_owned()].into(),
        },
        reason: "one database".to_owned(),
        body: CommandBody::Merge {
            incident: one,
            into: two,
        },
    });
    let database = Database::new().await;
    database.append(&[record(Stream::Events, 1, &merge)]).await;
    let mut connection = PgConnection::connect(&database.gateway_url())
        .await
        .unwrap();
    let query = "SELECT incident, idx FROM views.incident_entry";
    let rows: Vec<(String, i64)> = sqlx::query_as(query)
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let expected = [one, two].map(|incident| (incident.to_string(), 0));
    assert_eq!(rows.into_iter().collect::<BTreeSet<_>>(), expected.into());
}

#[tokio::test]
async fn what_an_incident_rests_on_is_counted_once_and_when_it_was_named_first() {
    let seen = |event: u8, second: i64| Evidence {
        event: aegis_schemas::EventId::from_bytes([event; 16]),
        source: EvidenceSource::ObjectState,
        entity: "demo/shop/deployment/cart".parse().unwrap(),
        at: aegis_schemas::Timestamp::from_millis(second * 1_000),
        text: "it crashes".to_owned(),
    };
    let database = Database::new().await;
    let said = [vec![seen(1, 5)], vec![seen(1, 9), seen(2, 8)]];
    for (seq, evidence) in (1_u64..).zip(said) {
        let Event::Incident(mut said) = incident(IncidentPhase::Updated, "cart crashes") else {
            panic!("an incident");
        };
        said.evidence = evidence;
        let record = record(Stream::Events, seq, &Event::Incident(said));
        database.append(&[record]).await;
    }
    let mut connection = PgConnection::connect(&database.gateway_url())
        .await
        .unwrap();
    let query = "SELECT extract(epoch FROM at)::bigint FROM views.incident_evidence ORDER BY event";
    let named: Vec<i64> = sqlx::query_scalar(query)
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(named, [5, 8]);
}

#[tokio::test]
async fn what_was_open_at_a_moment_is_told_though_it_was_over_before_and_is_now() {
    use IncidentPhase::{Opened, Resolved};
    let said = [Opened, Resolved, Opened, Resolved];
    let all: Vec<_> = (1_u64..)
        .zip(said)
        .map(|(seq, phase)| record(Stream::Events, seq, &incident(phase, "cart crashes")))
        .collect();
    let database = Database::new().await;
    database.append(&all).await;
    let mut connection = PgConnection::connect(&database.gateway_url())
        .await
        .unwrap();
    let query = "SELECT state FROM views.incidents_at(to_timestamp($1), true)";
    for (after, expected) in [
        (0.5_f64, None),
        (1.5, Some("open")),
        (2.5, Some("resolved")),
        (3.5, Some("open")),
        // Over for good: it is not looked at.
        (4.5, None),
    ] {
        let state: Option<String> = sqlx::query_scalar(query)
            .bind(1_790_000_000.0 + after)
            .fetch_optional(&mut connection)
            .await
            .unwrap();
        assert_eq!(state.as_deref(), expected, "{after}");
    }
}

#[tokio::test]
async fn how_bad_an_incident_is_without_what_people_merged_in_is_in_its_row() {
    let database = Database::new().await;
    for (seq, own) in [(1, Some(aegis_schemas::Severity::Info)), (2, None)] {
        let Event::Incident(mut said) = incident(IncidentPhase::Updated, "cart crashes") else {
            panic!("an incident");
        };
        said.own_severity = own;
        let record = record(Stream::Events, seq, &Event::Incident(said));
        database.append(&[record]).await;
        let mut connection = PgConnection::connect(&database.gateway_url())
            .await
            .unwrap();
        let query = "SELECT severity, own_severity FROM views.incident";
        let row: (String, Option<String>) = sqlx::query_as(query)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        let own = own.map(|_| "info".to_owned());
        assert_eq!(row, ("error".to_owned(), own));
    }
}

#[tokio::test]
async fn what_stands_is_what_policy_said_last() {
    let shop = Scope {
        cluster: Cluster::parse("demo").unwrap(),
        namespace: Some(Namespace::parse("shop").unwrap()),
        action: None,
    };
    let orders = StandingOrders {
        modes: vec![(shop.clone(), Mode::Act)],
        freezes: vec![(
            shop.clone(),
            aegis_schemas::Timestamp::from_millis(1_700_000_000_000),
        )],
        halted: vec![shop.cluster.clone()],
    };
    let said = |seq: u64, verdict: Verdict, policy: &str| {
        let decision = Decision {
            decision: DecisionId(aegis_schemas::EventId::from_bytes([1; 16])),
            verdict,
            cause: aegis_schemas::EventId::from_bytes([2; 16]),
            incident: None,
            actor: Actor {
                name: "root".to_owned(),
                roles: ["admin".to_owned()].into(),
            },
            action: None,
            proposal: None,
            reasons: Vec::new(),
            flip: None,
            would_allow: false,
            policy: Digest::of(policy.as_bytes()),
            standing: (verdict == Verdict::Standing).then(|| orders.clone()),
        };
        record(Stream::Events, seq, &Event::Decision(decision))
    };
    let database = Database::new().await;
    let reader = database.reader().await;
    assert!(reader.standing().await.unwrap().is_empty());
    database
        .append(&[
            said(1, Verdict::Standing, "first"),
            said(2, Verdict::Standing, "second"),
            said(3, Verdict::Deny, "refused"),
        ])
        .await;
    let expected = Standing {
        epoch: 1,
        seq: 2,
        policy: Some(Digest::of(b"second")),
        orders: orders.clone(),
    };
    let expected = [("test".to_owned(), expected)];
    assert_eq!(reader.standing().await.unwrap(), expected.into());
}
