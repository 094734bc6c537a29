//! TLS to NATS and PostgreSQL: the services use it, and believe nobody whom another authority vouches for.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::time::Duration;

use aegis_e2e::broker::wire::seed;
use aegis_e2e::{Options, ROLES, Stack};
use aegis_nats::{Bus, Service, Tls};
use sqlx::{Connection as _, PgConnection};

const SOON: Duration = Duration::from_secs(60);

/// A connection that believes the authority of one folder and shows the certificate of another.
async fn bus(stack: &Stack, believed: &Path, shown: &Path) -> Result<Bus, aegis_nats::Error> {
    let service = Service::Gateway;
    let options = aegis_nats::Options {
        url: stack.config().bus.url.clone(),
        seed: seed(&stack.installation(), &stack.config().bus, &service)
            .unwrap()
            .into(),
        service,
        connect_timeout: Duration::from_secs(5),
    };
    let tls = Tls {
        ca_file: Some(believed.join("ca.crt")),
        certificate: Some((shown.join("aegis.crt"), shown.join("aegis.key"))),
        required: true,
    };
    Bus::connect_with(options, tls).await
}

#[tokio::test(flavor = "multi_thread")]
async fn services_speak_tls_and_believe_one_authority() {
    if let Err(error) = aegis_xtask::servers::postgres_with_tls() {
        assert!(std::env::var_os("CI").is_none(), "{error:#}");
        eprintln!("SKIPPED: {error:#}");
        return;
    }
    let stack = Stack::start(Options::scenario("healthy-day").tls())
        .await
        .unwrap();
    let mut watch = stack.watch().await.unwrap();
    watch
        .until("what the services say", SOON, |entry| Some(entry.idx))
        .await
        .unwrap();

    let own = stack.certificates();
    let url = stack.database_admin_by_tls(&own).unwrap();
    let mut admin = PgConnection::connect(&url).await.unwrap();
    let sessions: Vec<(String, bool)> = sqlx::query_as(
        "SELECT usename::text, ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE usename LIKE 'aegis%'",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    for user in ["aegis_audit", "aegis_gateway"] {
        assert!(sessions.contains(&(user.to_owned(), true)), "{sessions:?}");
    }
    assert!(sessions.iter().all(|(_, tls)| *tls), "{sessions:?}");
    assert_eq!(ROLES.len(), 6, "every role got ready over TLS");

    let foreign = tempfile::tempdir().unwrap();
    let folder = foreign.path().join("tls");
    let made = ["keys", "tls", folder.to_str().unwrap()];
    stack.aegis(&made).await.unwrap();
    bus(&stack, &own, &own).await.unwrap();
    for (believed, shown) in [(&folder, &own), (&own, &folder)] {
        let refused = bus(&stack, believed, shown).await.err();
        assert!(refused.is_some(), "NATS: {believed:?} and {shown:?}");
    }
    let url = stack.database_admin_by_tls(&folder).unwrap();
    let (ours, theirs) = (own.display().to_string(), folder.display().to_string());
    for (what, url) in [
        (
            "a server of another authority",
            url.replace(&format!("{theirs}/aegis"), &format!("{ours}/aegis")),
        ),
        (
            "a client of another authority",
            url.replace(&format!("{theirs}/ca"), &format!("{ours}/ca")),
        ),
        ("no TLS", stack.database_admin().unwrap()),
    ] {
        assert!(PgConnection::connect(&url).await.is_err(), "{what}");
    }
    stack.stop().await;
}
