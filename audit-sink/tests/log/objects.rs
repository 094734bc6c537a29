//! What stands in the cluster, whatever batches the log came in.

use aegis_audit_sink::{Record, rebuild};
use aegis_schemas::signal::{Gone, PodState, Sync, SyncPhase, WorkloadState};
use aegis_schemas::{Entity, EntityKind, Event, Signal, SignalBody, Stream, Timestamp};
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use crate::support::{Database, record};

const CART: &str = "demo/shop/deployment/cart";

fn said(seq: u64, entity: &str, body: SignalBody) -> Record {
    let signal = Signal {
        entity: entity.parse().unwrap(),
        observed: Timestamp::EPOCH,
        source: "kubernetes".to_owned(),
        body,
    };
    record(Stream::Events, seq, &Event::Signal(signal))
}

fn sync(seq: u64, round: u64, phase: SyncPhase) -> Record {
    let kinds = vec![EntityKind::Deployment, EntityKind::Pod];
    let body = Sync {
        phase,
        round,
        kinds,
    };
    said(seq, "demo/cluster/demo", SignalBody::Sync(body))
}

fn pod(seq: u64, name: &str) -> Record {
    let workload: Option<Entity> = CART.parse().ok();
    let state = PodState {
        workload,
        ..PodState::default()
    };
    said(seq, &entity(name), SignalBody::Pod(state))
}

fn gone(seq: u64, name: &str) -> Record {
    said(seq, &entity(name), SignalBody::Gone(Gone::default()))
}

fn entity(pod: &str) -> String {
    format!("demo/shop/pod/{pod}")
}

#[tokio::test]
async fn an_object_stands_until_it_is_gone_or_not_said_again() {
    use SyncPhase::{Begin, End};
    let cart = |seq| said(seq, CART, SignalBody::Workload(WorkloadState::default()));
    let node = "demo/node/n1";
    let steps = [
        (
            vec![sync(1, 1, Begin), cart(2), pod(3, "a"), pod(4, "b")],
            "a b cart",
        ),
        (vec![sync(5, 1, End), gone(8, "a")], "b cart"),
        // Late word of what is gone.
        (vec![pod(7, "a")], "b cart"),
        // What is neither a workload nor a pod is not kept, nor that it is gone.
        (
            vec![said(9, node, SignalBody::Gone(Gone::default()))],
            "b cart",
        ),
        (vec![sync(12, 2, Begin), cart(13)], "b cart"),
        (vec![pod(14, "c"), sync(15, 2, End)], "c cart"),
        // From before the statement in which it was not said again.
        (vec![pod(11, "b"), sync(10, 9, Begin)], "c cart"),
        // A statement that did not end says nothing of what it leaves out.
        (vec![sync(16, 3, Begin), pod(17, "d")], "c cart d"),
        // Its end is on record before the beginning of the one after it, and that one's the other way round.
        (
            vec![sync(18, 3, End), sync(22, 4, End), pod(21, "e")],
            "d e",
        ),
        (vec![sync(20, 4, Begin)], "e"),
        // Said again after its end it is no statement.
        (vec![sync(23, 4, Begin)], "e"),
    ];
    let database = Database::new().await;
    let mut connection = PgConnection::connect(&database.gateway_url())
        .await
        .unwrap();
    for (records, expected) in steps {
        database.append(&records).await;
        let standing: Vec<String> = sqlx::query_scalar(
            "SELECT entity FROM views.object WHERE state IS NOT NULL AND (owner IS NULL OR owner = $1)",
        )
        .bind(CART)
        .fetch_all(&mut connection)
        .await
        .unwrap();
        let mut names: Vec<&str> = standing
            .iter()
            .filter_map(|entity| entity.rsplit('/').next())
            .collect();
        names.sort_unstable();
        assert_eq!(names.join(" "), expected);
    }
    let kept: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM views.object) + (SELECT count(*) FROM views.object_sync)",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(kept, 4, "what is swept is not kept");
    let reader = database.reader().await;
    let comparison = rebuild::compare(&reader).await.unwrap();
    assert!(comparison.agrees(), "{comparison}");
}
