//! One PostgreSQL for all tests of this binary, a database for each.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use aegis_audit_sink::checkpoint::SigningKey;
use aegis_audit_sink::read::Reader;
use aegis_audit_sink::sequencer::{Appended, Sequencer};
use aegis_audit_sink::server::Server;
use aegis_audit_sink::{Config, Record, database};
use aegis_schemas::header::{CE_ID, CE_SOURCE, CE_TYPE};
use aegis_schemas::{Event, EventId, Stream, Timestamp};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::draw::Draw;

pub(crate) const ORIGIN: &str = "example.org/audit";

struct Shared {
    server: Server,
    urls: database::Urls,
    _folder: TempDir,
}

static SHARED: Mutex<Weak<Shared>> = Mutex::const_new(Weak::new());
static NEXT: AtomicU32 = AtomicU32::new(0);

async fn shared() -> Arc<Shared> {
    let mut shared = SHARED.lock().await;
    if let Some(running) = shared.upgrade() {
        return running;
    }
    let folder = tempfile::Builder::new()
        .prefix("aegis-audit-")
        .tempdir()
        .unwrap();
    // PostgreSQL's own user passes through it when root runs the tests.
    let passable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), passable).unwrap();
    let server = Server::start(&folder.path().join("postgres"), 0)
        .await
        .unwrap();
    let urls = folder.path().join("urls");
    let urls = database::make_roles(server.admin_url(), "aegis", &urls)
        .await
        .unwrap();
    let running = Arc::new(Shared {
        server,
        urls,
        _folder: folder,
    });
    *shared = Arc::downgrade(&running);
    running
}

/// A database of one test.
pub(crate) struct Database {
    shared: Arc<Shared>,
    name: String,
    folder: TempDir,
    pub(crate) key: SigningKey,
}

impl Database {
    pub(crate) async fn new() -> Self {
        let shared = shared().await;
        let name = format!("aegis_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        database::make_database(shared.server.admin_url(), &name)
            .await
            .unwrap();
        let key = SigningKey::generate(ORIGIN).unwrap();
        Self {
            shared,
            name,
            folder: tempfile::tempdir().unwrap(),
            key,
        }
    }

    fn of(&self, url: &str) -> String {
        let (base, query) = url.split_once('?').unwrap();
        let (server, _) = base.rsplit_once('/').unwrap();
        format!("{server}/{}?{query}", self.name)
    }

    pub(crate) fn admin_url(&self) -> String {
        self.of(self.shared.server.admin_url())
    }

    pub(crate) fn audit_url(&self) -> String {
        self.of(&database::read_url(&self.shared.urls.audit).unwrap())
    }

    pub(crate) fn gateway_url(&self) -> String {
        self.of(&database::read_url(&self.shared.urls.gateway).unwrap())
    }

    pub(crate) async fn reader(&self) -> Reader {
        Reader::connect(&self.audit_url()).await.unwrap()
    }

    pub(crate) async fn sequencer(&self) -> Sequencer {
        Sequencer::open(&self.audit_url()).await.unwrap().unwrap()
    }

    /// Adds records and signs the head.
    pub(crate) async fn append(&self, records: &[Record]) -> Appended {
        let mut sequencer = self.sequencer().await;
        let appended = sequencer.append(records).await.unwrap();
        self.sign(&appended).await;
        appended
    }

    async fn sign(&self, appended: &Appended) {
        let mut connection = PgConnection::connect(&self.audit_url()).await.unwrap();
        sqlx::query("INSERT INTO audit.audit_checkpoint (size, root, note) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(appended.head.size.cast_signed())
            .bind(appended.head.root.as_slice())
            .bind(self.key.checkpoint(appended.head.size, appended.head.root))
            .execute(&mut connection)
            .await
            .unwrap();
    }

    /// Runs SQL as an administrator whom no trigger stops.
    pub(crate) async fn tamper(&self, sql: &str) {
        let mut admin = PgConnection::connect(&self.admin_url()).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!(
            "SET session_replication_role = replica; {sql}"
        )))
        .execute(&mut admin)
        .await
        .unwrap();
    }

    /// Ends every session of the services and lets no new one in.
    pub(crate) async fn shut(&self) {
        self.tamper(&format!(
            "REVOKE CONNECT ON DATABASE {} FROM aegis_audit, aegis_gateway;
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
            self.name
        ))
        .await;
    }

    /// Lets the services in again.
    pub(crate) async fn reopen(&self) {
        self.tamper(&format!(
            "GRANT CONNECT ON DATABASE {} TO aegis_audit, aegis_gateway",
            self.name
        ))
        .await;
    }

    /// The settings of a sink that writes here.
    pub(crate) fn config(&self) -> Config {
        let file = |name: &str| -> PathBuf { self.folder.path().join(name) };
        let (url, key) = (file("audit.url"), file("audit.key"));
        std::fs::write(&url, self.audit_url()).unwrap();
        if !key.exists() {
            self.key.write_new(&key).unwrap();
        }
        Config {
            database_url_file: url,
            signing_key_file: key,
            origin: ORIGIN.to_owned(),
            ..Config::default()
        }
    }
}

/// Where such an event is published.
fn stage(event: &Event) -> String {
    match event {
        Event::Metric(_) => "metric.0".to_owned(),
        Event::Signal(signal) => format!("signal.{}", signal.body.token()),
        Event::Anomaly(_) => "anomaly".to_owned(),
        Event::Incident(_) => "incident".to_owned(),
        Event::Assessment(assessment) => format!("assessment.{}", assessment.verdict),
        Event::Warrant(_) => "decision.allow".to_owned(),
        Event::Decision(_) => "decision.deny".to_owned(),
        Event::Outcome(outcome) => format!("action.{}", outcome.phase.as_str()),
        Event::Command(command) => format!("command.{}", command.body.token()),
        Event::Access(_) => "access.granted".to_owned(),
        Event::DeadLetter(_) => "dlq.ingest".to_owned(),
    }
}

/// A record that carries `event`.
pub(crate) fn record(stream: Stream, seq: u64, event: &Event) -> Record {
    let body = event.encode().unwrap();
    let id = EventId::of_content("test", &seq.to_be_bytes());
    let headers = BTreeMap::from([
        (CE_ID.to_owned(), id.to_string()),
        (CE_TYPE.to_owned(), event.kind().as_str().to_owned()),
        (CE_SOURCE.to_owned(), "test".to_owned()),
    ]);
    Record {
        stream,
        epoch: 1,
        seq,
        time: Timestamp::from_millis(1_790_000_000_000 + i64::try_from(seq).unwrap() * 1_000),
        subject: format!("aegis.v1.{}.demo.{seq}", stage(event)),
        headers,
        body: body.into(),
    }
}

/// Events of every kind, drawn from `seed`; every fifth is a metric batch.
pub(crate) fn records(seed: u8, from: u64, count: u64) -> Vec<Record> {
    use aegis_schemas::Kind;
    (from..from + count)
        .map(|seq| {
            let bytes: Vec<u8> = (0..600_u64)
                .map(|at| {
                    let mixed = (seq * 7_919 + at * 31 + u64::from(seed))
                        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    (mixed >> 56) as u8
                })
                .collect();
            let kind = Kind::ALL[usize::try_from(seq).unwrap() % Kind::ALL.len()];
            let event = Draw(&bytes).event(kind);
            let stream = match kind {
                Kind::Metric => Stream::Metrics,
                Kind::DeadLetter => Stream::Dlq,
                _ => Stream::Events,
            };
            record(stream, seq, &event)
        })
        .collect()
}
