//! PostgreSQL: the gateway's own tables of users, sign-ins, keys and invitations, and the views that people
//! read.

mod answers;
mod browsers;
mod hot;
mod invitations;
mod keys;
mod row;
mod sign_ins;
mod views;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aegis_schemas::is_this_host;
use serde::Serialize;
use sqlx::Row;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
use utoipa::ToSchema;

pub(crate) use self::answers::Claim;
pub(crate) use self::browsers::session_token;
use self::hot::Hot;
pub(crate) use self::invitations::{Accepted, Invitation};
use self::keys::RFC3339;
pub(crate) use self::keys::{Key, NewKey};
pub(crate) use self::row::{Row as Found, array};
pub(crate) use self::sign_ins::{Rotation, Standing};
pub(crate) use self::views::Reading;
use crate::Error;
use crate::recent::Recent;

/// What takes longer is given up by the server, not only by whoever asked.
const LONGEST_QUERY: &str = "10s";
/// Connections to the database, open from the start: a burst of requests shall not wait for new ones.
const CONNECTIONS: u32 = 8;
/// Connections that listen: one for what is kept in memory, one for who listens to events.
const LISTENERS: u32 = 2;
/// How long a request waits for a connection.
const WAITS_FOR: Duration = Duration::from_secs(5);

/// How long a change of roles that another gateway made may go unnoticed; one's own is noticed at once.
const STANDS_FOR: Duration = Duration::from_secs(2);
const MAX_STANDINGS: usize = 10_000;

const ADD_USER: &str = "INSERT INTO gateway.users (name, password_hash, roles)
    VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING";

/// The gateway's database.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
    /// What listens stays on its connection: it must not take one from whoever asks.
    listeners: PgPool,
    hot: Arc<Hot>,
    standings: Arc<Standings>,
}

/// How people stand, by name and sign-in.
type Standings = Recent<(String, String), Standing>;

/// A user, without their password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct User {
    /// The name that they sign in with.
    pub name: String,
    /// Their roles.
    pub roles: Vec<String>,
    /// Whether they may not sign in.
    pub disabled: bool,
}

impl Store {
    /// Connects with the URL in `file`.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, the database does not answer, or it is on another host and its URL does
    /// not ask for TLS.
    pub async fn connect(file: &Path) -> Result<Self, Error> {
        let url = std::fs::read_to_string(file)
            .map_err(|error| Error::Secret(file.display().to_string(), error))?;
        let options: PgConnectOptions = url.trim().parse().map_err(Error::Database)?;
        let verified = matches!(
            options.get_ssl_mode(),
            PgSslMode::VerifyCa | PgSslMode::VerifyFull
        );
        let here = options.get_socket().is_some() || is_this_host(options.get_host());
        if !verified && !here {
            return Err(Error::InTheClear(options.get_host().to_owned()));
        }
        let options = options
            .options([("statement_timeout", LONGEST_QUERY)])
            .application_name("aegis-gateway");
        let pool = PgPoolOptions::new()
            .min_connections(CONNECTIONS)
            .max_connections(CONNECTIONS)
            .acquire_timeout(WAITS_FOR)
            .connect_with(options.clone())
            .await
            .map_err(Error::Database)?;
        let listeners = PgPoolOptions::new()
            .max_connections(LISTENERS)
            .acquire_timeout(WAITS_FOR)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(options);
        let standings = Recent::new(STANDS_FOR, MAX_STANDINGS);
        Ok(Self {
            pool,
            listeners,
            hot: Arc::default(),
            standings: Arc::new(standings),
        })
    }

    /// Adds a user; answers false if there is one of that name.
    ///
    /// # Errors
    ///
    /// When the database does not take it.
    pub async fn add_user(
        &self,
        name: &str,
        password_hash: &str,
        roles: &[String],
    ) -> Result<bool, sqlx::Error> {
        let added = sqlx::query(ADD_USER)
            .bind(name)
            .bind(password_hash)
            .bind(roles)
            .execute(&self.pool)
            .await?;
        Ok(added.rows_affected() == 1)
    }

    /// Users after one name, in the order of names.
    pub(crate) async fn users(
        &self,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<User>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT name, roles, disabled FROM gateway.users
             WHERE ($1::text IS NULL OR name > $1) ORDER BY name LIMIT $2",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(User {
                    name: row.try_get("name")?,
                    roles: row.try_get("roles")?,
                    disabled: row.try_get("disabled")?,
                })
            })
            .collect()
    }

    /// Changes what is given of a user, and ends their sign-ins if it weakens them. False: unknown.
    pub(crate) async fn change_user(
        &self,
        name: &str,
        password_hash: Option<&str>,
        roles: Option<&[String]>,
        disabled: Option<bool>,
    ) -> Result<bool, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        let changed = sqlx::query(
            "UPDATE gateway.users SET password_hash = coalesce($2, password_hash),
             roles = coalesce($3, roles), disabled = coalesce($4, disabled) WHERE name = $1",
        )
        .bind(name)
        .bind(password_hash)
        .bind(roles)
        .bind(disabled)
        .execute(&mut *transaction)
        .await?;
        if password_hash.is_some() || disabled == Some(true) {
            sqlx::query("UPDATE gateway.refresh_tokens SET revoked = true WHERE user_name = $1")
                .bind(name)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        self.standings.clear(Instant::now());
        Ok(changed.rows_affected() == 1)
    }

    /// The password hash of a user who may sign in.
    pub(crate) async fn password_hash(&self, name: &str) -> Result<Option<String>, sqlx::Error> {
        sqlx::query_scalar(
            "SELECT password_hash FROM gateway.users WHERE name = $1 AND NOT disabled",
        )
        .bind(name)
        .fetch_optional(&self.pool)
        .await
    }

    /// Whether the database answers.
    pub(crate) async fn answers(&self) -> bool {
        sqlx::query("SELECT 1").execute(&self.pool).await.is_ok()
    }
}
