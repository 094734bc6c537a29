//! Makes the database: roles, passwords, schemas. Running it again changes only what is missing.
//!
//! Three roles: `aegis_owner` owns everything and cannot sign in, `aegis_audit` adds to the log,
//! `aegis_gateway` reads it. Each of the two has a file with its URL; whoever holds one cannot do what
//! the other may.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aegis_schemas::is_this_host;
use data_encoding::BASE64URL_NOPAD;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, Connection as _, SqlSafeStr as _};

use crate::Error;

/// The name of the database.
pub const DATABASE: &str = "aegis";

const ROLES: &str = include_str!("../migrations/roles.sql");
const GUARD: &str = include_str!("../migrations/guard.sql");
const MIGRATIONS: [(i64, &str, &str); 9] = [
    (1, "log", include_str!("../migrations/0001_log.sql")),
    (2, "views", include_str!("../migrations/0002_views.sql")),
    (3, "gateway", include_str!("../migrations/0003_gateway.sql")),
    (4, "access", include_str!("../migrations/0004_access.sql")),
    (5, "pages", include_str!("../migrations/0005_pages.sql")),
    (6, "copies", include_str!("../migrations/0006_copies.sql")),
    (7, "grouped", include_str!("../migrations/0007_grouped.sql")),
    (8, "history", include_str!("../migrations/0008_history.sql")),
    (9, "objects", include_str!("../migrations/0009_objects.sql")),
];

/// Where the URLs of the services are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Urls {
    /// The audit sink's.
    pub audit: PathBuf,
    /// The gateway's.
    pub gateway: PathBuf,
}

/// Makes roles, database and tables, and in `urls_dir` the files `audit.url` and `gateway.url`. A file
/// that is there is kept, and its password is the role's.
///
/// # Errors
///
/// When the server does not answer, `admin_url` may not do this, or a file cannot be written.
pub async fn provision(admin_url: &str, urls_dir: &Path) -> Result<Urls, Error> {
    let urls = make_roles(admin_url, DATABASE, urls_dir).await?;
    make_database(admin_url, DATABASE).await?;
    Ok(urls)
}

/// The roles and the files with their URLs for a database of that name.
///
/// # Errors
///
/// As [`provision`].
pub async fn make_roles(admin_url: &str, database: &str, urls_dir: &Path) -> Result<Urls, Error> {
    let urls = Urls {
        audit: urls_dir.join("audit.url"),
        gateway: urls_dir.join("gateway.url"),
    };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(urls_dir)
        .map_err(|error| Error::file(urls_dir, error))?;
    let mut admin = connect(admin_url).await?;
    sqlx::raw_sql(ROLES).execute(&mut admin).await?;
    for (role, file) in [
        ("aegis_audit", &urls.audit),
        ("aegis_gateway", &urls.gateway),
    ] {
        let url = url_of(admin_url, role, database, file)?;
        let password = Parts::of(&url)?.password;
        set_password(&mut admin, role, &percent_decoded(password)).await?;
    }
    admin.close().await?;
    Ok(urls)
}

/// The database of that name, its schemas and tables; the roles are there.
///
/// # Errors
///
/// As [`provision`].
pub async fn make_database(admin_url: &str, database: &str) -> Result<(), Error> {
    let mut admin = connect(admin_url).await?;
    let there: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(database)
            .fetch_one(&mut admin)
            .await?;
    if !there {
        let make = "SELECT format('CREATE DATABASE %I OWNER aegis_owner ENCODING ''UTF8'' TEMPLATE template0', $1::text)";
        run_made(&mut admin, make, &[database]).await?;
    }
    for make in [
        "SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', $1::text)",
        "SELECT format('GRANT CONNECT ON DATABASE %I TO aegis_audit, aegis_gateway', $1::text)",
    ] {
        run_made(&mut admin, make, &[database]).await?;
    }
    admin.close().await?;

    let mut admin = connect(&Parts::of(admin_url)?.with_database(database)).await?;
    sqlx::raw_sql("SET ROLE aegis_owner")
        .execute(&mut admin)
        .await?;
    migrator().run(&mut admin).await?;
    sqlx::raw_sql("RESET ROLE").execute(&mut admin).await?;
    sqlx::raw_sql(GUARD).execute(&mut admin).await?;
    admin.close().await?;
    Ok(())
}

/// Refuses a server that would forget what it acknowledged.
///
/// # Errors
///
/// When a setting is off, or the server does not answer.
pub async fn check(connection: &mut PgConnection) -> Result<(), Error> {
    for name in ["fsync", "full_page_writes", "synchronous_commit"] {
        let value: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(name)
            .fetch_one(&mut *connection)
            .await?;
        // Stronger settings of synchronous_commit wait for standbys too.
        let durable = value == "on" || (name == "synchronous_commit" && value == "remote_apply");
        if !durable {
            return Err(Error::NotDurable {
                name: name.to_owned(),
                value,
            });
        }
    }
    Ok(())
}

/// The URL in a file that only its owner may read.
///
/// # Errors
///
/// When it cannot be read.
pub fn read_url(file: &Path) -> Result<String, Error> {
    let text = std::fs::read_to_string(file).map_err(|error| Error::file(file, error))?;
    Ok(text.trim().to_owned())
}

/// How to connect with a URL: to another host only by TLS and with its certificate checked. The error does
/// not repeat the URL, as a password is in it.
pub(crate) fn options(url: &str) -> Result<PgConnectOptions, Error> {
    let options: PgConnectOptions = url.parse().map_err(|_| {
        Error::Configuration(
            "the database's URL is not `postgres://user:password@host:port/database`".to_owned(),
        )
    })?;
    let verified = matches!(
        options.get_ssl_mode(),
        PgSslMode::VerifyCa | PgSslMode::VerifyFull
    );
    let here = options.get_socket().is_some() || is_this_host(options.get_host());
    if !verified && !here {
        return Err(Error::Configuration(format!(
            "PostgreSQL at `{}` is on another host, and its URL does not ask for TLS: add `?sslmode=verify-full&sslrootcert=FILE`",
            options.get_host()
        )));
    }
    Ok(options.application_name("aegis-audit"))
}

/// A password that needs no escaping anywhere.
pub(crate) fn random_password() -> Result<String, Error> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).map_err(|error| Error::Key(error.to_string()))?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

async fn connect(url: &str) -> Result<PgConnection, Error> {
    Ok(PgConnection::connect_with(&options(url)?).await?)
}

fn migrator() -> Migrator {
    let migrations = MIGRATIONS.map(|(version, name, sql)| {
        let sql = sql.into_sql_str();
        Migration::new(version, name.into(), MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(migrations.to_vec())
}

async fn set_password(admin: &mut PgConnection, role: &str, password: &str) -> Result<(), Error> {
    let make = "SELECT format('ALTER ROLE %I PASSWORD %L', $1::text, $2::text)";
    run_made(admin, make, &[role, password]).await
}

/// Runs a statement that takes no parameters; the server itself quotes what goes into it.
async fn run_made(
    connection: &mut PgConnection,
    make: &'static str,
    values: &[&str],
) -> Result<(), Error> {
    let mut query = sqlx::query_scalar::<_, String>(make);
    for value in values {
        query = query.bind(*value);
    }
    let statement = query.fetch_one(&mut *connection).await?;
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(connection)
        .await?;
    Ok(())
}

/// The URL in `file`, which is written if it is not there.
fn url_of(admin_url: &str, role: &str, database: &str, file: &Path) -> Result<String, Error> {
    if file.exists() {
        return read_url(file);
    }
    let url = Parts::of(admin_url)?.with(role, &random_password()?, database);
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut out| {
            out.write_all(url.as_bytes())?;
            out.sync_all()
        })
        .map_err(|error| Error::file(file, error))?;
    Ok(url)
}

/// `postgres://user:password@host/database?query`, taken apart.
struct Parts<'a> {
    scheme: &'a str,
    user: &'a str,
    password: &'a str,
    host: &'a str,
    query: &'a str,
}

impl<'a> Parts<'a> {
    fn of(url: &'a str) -> Result<Self, Error> {
        let malformed = || {
            Error::Configuration(
                "the database's URL is not `postgres://user:password@host:port/database`"
                    .to_owned(),
            )
        };
        let (scheme, rest) = url.trim().split_once("://").ok_or_else(malformed)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (identity, rest) = rest.rsplit_once('@').ok_or_else(malformed)?;
        let (user, password) = identity.split_once(':').unwrap_or((identity, ""));
        let host = rest.split_once('/').map_or(rest, |(host, _)| host);
        if !matches!(scheme, "postgres" | "postgresql") || user.is_empty() {
            return Err(malformed());
        }
        Ok(Self {
            scheme,
            user,
            password,
            host,
            query,
        })
    }

    fn with_database(&self, database: &str) -> String {
        self.with(self.user, self.password, database)
    }

    fn with(&self, user: &str, password: &str, database: &str) -> String {
        let (scheme, host) = (self.scheme, self.host);
        let identity = if password.is_empty() {
            user.to_owned()
        } else {
            format!("{user}:{password}")
        };
        let mut url = format!("{scheme}://{identity}@{host}/{database}");
        if !self.query.is_empty() {
            url.push('?');
            url.push_str(self.query);
        }
        url
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = (first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match hex {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn another_host_is_talked_to_by_tls_alone() {
        let table = [
            ("127.0.0.1:5432/aegis", true),
            ("localhost/aegis?sslmode=disable", true),
            ("[::1]/aegis", true),
            ("%2Fvar%2Frun%2Fpostgresql/aegis", true),
            ("db.example.org/aegis?sslmode=verify-full", true),
            (
                "db.example.org/aegis?sslmode=verify-ca&sslrootcert=ca.crt",
                true,
            ),
            ("db.example.org/aegis", false),
            ("10.0.0.5/aegis?sslmode=prefer", false),
            // Encrypted, but to whoever answers.
            ("db.example.org/aegis?sslmode=require", false),
            ("localhost/aegis?host=db.example.org", false),
        ];
        for (rest, allowed) in table {
            let asked = options(&format!("postgres://aegis_audit:secret@{rest}"));
            assert_eq!(asked.is_ok(), allowed, "{rest}: {asked:?}");
            if let Err(error) = asked {
                let said = error.to_string();
                assert!(
                    said.contains("sslmode=verify-full") && !said.contains("secret"),
                    "{said}"
                );
            }
        }
    }

    #[test]
    fn role_gets_the_administrators_host_and_query() {
        let parts =
            Parts::of("postgres://postgres:se%40cret@127.0.0.1:5432/postgres?sslmode=disable\n")
                .unwrap();
        assert_eq!(
            parts.with("aegis_audit", "pw", "aegis"),
            "postgres://aegis_audit:pw@127.0.0.1:5432/aegis?sslmode=disable"
        );
        assert_eq!(percent_decoded(parts.password), "se@cret");
        let bare = Parts::of("postgresql://me@db").unwrap();
        assert_eq!(bare.with_database("aegis"), "postgresql://me@db/aegis");
        assert!(Parts::of("mysql://me@db").is_err() && Parts::of("db").is_err());
    }
}
