//! PostgreSQL: the gateway's own tables of users, sign-ins, keys and invitations, and the views that people
//! read.

mod answers;
mod hot;
mod invitations;
mod keys;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aegis_schemas::{EventId, is_this_host};
use data_encoding::HEXLOWER;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions, PgSslMode};
use sqlx::{AssertSqlSafe, Row};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

pub(crate) use self::answers::Claim;
use self::hot::{CHANNEL, Hot};
pub(crate) use self::invitations::{Accepted, Invitation};
use self::keys::RFC3339;
pub(crate) use self::keys::{Key, NewKey};
use crate::recent::Recent;
use crate::token::{fingerprint, random};
use crate::{Config, Error};

/// Connections to the database at most.
const CONNECTIONS: u32 = 8;

/// How long a change of roles that another gateway made may go unnoticed; one's own is noticed at once.
const STANDS_FOR: Duration = Duration::from_secs(2);
const MAX_STANDINGS: usize = 10_000;

const ADD_USER: &str = "INSERT INTO gateway.users (name, password_hash, roles)
    VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING";

/// The gateway's database.
#[derive(Clone, Debug)]
pub struct Store(PgPool, Arc<Hot>, Arc<Standings>);

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

/// How somebody stands who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Their roles of now.
    pub(crate) roles: BTreeSet<String>,
    /// How long ago they signed in.
    pub(crate) signed_in: Duration,
}

/// What became of a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rotation {
    /// It was valid; the next one is.
    Rotated { user: String, family: String },
    /// It was used before; its family is revoked.
    Reused { user: String },
    /// Nobody knows it, or its time is over.
    Unknown,
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
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(Duration::from_secs(5))
            .connect_with(options.application_name("aegis-gateway"))
            .await
            .map_err(Error::Database)?;
        let standings = Recent::new(STANDS_FOR, MAX_STANDINGS);
        Ok(Self(pool, Arc::default(), Arc::new(standings)))
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
            .execute(&self.0)
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
        .fetch_all(&self.0)
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
        let mut transaction = self.0.begin().await?;
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
        self.2.clear();
        Ok(changed.rows_affected() == 1)
    }

    /// The password hash of a user who may sign in.
    pub(crate) async fn password_hash(&self, name: &str) -> Result<Option<String>, sqlx::Error> {
        sqlx::query_scalar(
            "SELECT password_hash FROM gateway.users WHERE name = $1 AND NOT disabled",
        )
        .bind(name)
        .fetch_optional(&self.0)
        .await
    }

    /// How a user stands whose sign-in does.
    pub(crate) async fn standing(
        &self,
        name: &str,
        family: &str,
    ) -> Result<Option<Standing>, sqlx::Error> {
        let (who, now) = ((name.to_owned(), family.to_owned()), Instant::now());
        if let Some(standing) = self.2.get(&who, now) {
            return Ok(Some(standing));
        }
        let row = sqlx::query(
            "SELECT u.roles, extract(epoch FROM now() - f.begun)::float8 AS signed_in
             FROM gateway.users u, LATERAL (
               SELECT min(issued) AS begun, bool_or(revoked) AS revoked
               FROM gateway.refresh_tokens WHERE family = $2 AND user_name = $1) f
             WHERE u.name = $1 AND NOT u.disabled AND NOT f.revoked",
        )
        .bind(name)
        .bind(family)
        .fetch_optional(&self.0)
        .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let roles: Vec<String> = row.try_get("roles")?;
        let signed_in: f64 = row.try_get("signed_in")?;
        let standing = Standing {
            roles: roles.into_iter().collect(),
            signed_in: Duration::from_secs_f64(signed_in.max(0.0)),
        };
        self.2.put(who, standing.clone(), now);
        Ok(Some(standing))
    }

    /// Begins a sign-in; answers its family.
    pub(crate) async fn start_family(
        &self,
        user: &str,
        refresh_token: &str,
        config: &Config,
    ) -> Result<String, sqlx::Error> {
        let family = HEXLOWER.encode(&random::<16>());
        sqlx::query(
            "INSERT INTO gateway.refresh_tokens (hash, family, user_name, idle_until, valid_until)
             VALUES ($1, $2, $3, now() + make_interval(secs => $4), now() + make_interval(secs => $5))",
        )
        .bind(fingerprint(refresh_token))
        .bind(&family)
        .bind(user)
        .bind(config.refresh_idle.as_secs_f64())
        .bind(config.refresh_absolute.as_secs_f64())
        .execute(&self.0)
        .await?;
        Ok(family)
    }

    /// Uses a refresh token once and puts `next` in its place.
    pub(crate) async fn rotate(
        &self,
        token: &str,
        next: &str,
        config: &Config,
    ) -> Result<Rotation, sqlx::Error> {
        let mut transaction = self.0.begin().await?;
        // The row lock makes two uses at the same moment one after the other.
        let known = sqlx::query(
            "SELECT t.family, t.user_name, t.used,
               t.revoked OR u.disabled OR t.idle_until < now() OR t.valid_until < now() AS over
             FROM gateway.refresh_tokens t JOIN gateway.users u ON u.name = t.user_name
             WHERE t.hash = $1 FOR UPDATE OF t",
        )
        .bind(fingerprint(token))
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(known) = known else {
            return Ok(Rotation::Unknown);
        };
        let family: String = known.try_get("family")?;
        let user: String = known.try_get("user_name")?;
        if known.try_get("used")? {
            revoke(&mut transaction, &family).await?;
            transaction.commit().await?;
            self.2.clear();
            return Ok(Rotation::Reused { user });
        }
        if known.try_get("over")? {
            return Ok(Rotation::Unknown);
        }
        sqlx::query("UPDATE gateway.refresh_tokens SET used = true WHERE hash = $1")
            .bind(fingerprint(token))
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "INSERT INTO gateway.refresh_tokens (hash, family, user_name, idle_until, valid_until)
             SELECT $1, family, user_name, now() + make_interval(secs => $3), valid_until
             FROM gateway.refresh_tokens WHERE hash = $2",
        )
        .bind(fingerprint(next))
        .bind(fingerprint(token))
        .bind(config.refresh_idle.as_secs_f64())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(Rotation::Rotated { user, family })
    }

    /// Ends a sign-in.
    pub(crate) async fn revoke_family(&self, family: &str) -> Result<(), sqlx::Error> {
        let mut transaction = self.0.begin().await?;
        revoke(&mut transaction, family).await?;
        transaction.commit().await?;
        self.2.clear();
        Ok(())
    }

    /// Hears of changes of the views until `stop`; nothing that was read is kept without it.
    pub(crate) async fn listen(&self, stop: &CancellationToken) {
        self.1.listen(&self.0, stop).await;
    }

    /// The rows of a query on the views as JSON objects, at most `limit`; from memory if nothing has changed
    /// since they were read.
    pub(crate) async fn rows(
        &self,
        query: &'static str,
        filters: &[Option<String>],
        limit: i64,
    ) -> Result<Vec<Value>, sqlx::Error> {
        let (now, generation) = (Instant::now(), self.1.generation());
        let question = (query, filters.to_vec(), limit);
        if let Some(rows) = self.1.get(&question, now) {
            return Ok(rows.to_vec());
        }
        let rows = self.fresh(query, filters, limit).await?;
        self.1.put(question, generation, now, rows.clone().into());
        Ok(rows)
    }

    async fn fresh(
        &self,
        query: &'static str,
        filters: &[Option<String>],
        limit: i64,
    ) -> Result<Vec<Value>, sqlx::Error> {
        // A constant around a constant: no input becomes SQL.
        let sql = AssertSqlSafe(format!(
            "SELECT to_jsonb(found)::text FROM ({query}) AS found LIMIT {}",
            limit.clamp(1, 1_000)
        ));
        let mut prepared = sqlx::query_scalar::<_, String>(sql);
        for filter in filters {
            prepared = prepared.bind(filter.clone());
        }
        let rows = prepared.fetch_all(&self.0).await?;
        rows.iter().map(|row| as_json(row)).collect()
    }

    /// As [`Store::rows`], each as a `T` and never from memory.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        query: &'static str,
        filters: &[Option<String>],
        limit: i64,
    ) -> Result<Vec<T>, sqlx::Error> {
        let rows = self.fresh(query, filters, limit).await?;
        rows.into_iter()
            .map(|row| {
                serde_json::from_value(row).map_err(|error| sqlx::Error::Decode(error.into()))
            })
            .collect()
    }

    /// The first row of a query as a `T`.
    pub(crate) async fn read_one<T: DeserializeOwned>(
        &self,
        query: &'static str,
        filters: &[Option<String>],
    ) -> Result<Option<T>, sqlx::Error> {
        Ok(self.read(query, filters, 1).await?.into_iter().next())
    }

    /// A listener for what the audit sink says is new.
    pub(crate) async fn news(&self) -> Result<PgListener, sqlx::Error> {
        let mut listener = PgListener::connect_with(&self.0).await?;
        listener.listen(CHANNEL).await?;
        Ok(listener)
    }

    /// The index of the log's last entry; -1 of an empty log.
    pub(crate) async fn head(&self) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar("SELECT size - 1 FROM audit.audit_head")
            .fetch_one(&self.0)
            .await
    }

    /// Whose session a browser's secret is, while its sign-in stands: user, family, and how they stand.
    pub(crate) async fn session(
        &self,
        secret: &str,
        config: &Config,
    ) -> Result<Option<(String, String, Standing)>, sqlx::Error> {
        let found = sqlx::query(
            "SELECT user_name, family, idle_until < now() + make_interval(secs => $2) AS aged
             FROM gateway.refresh_tokens
             WHERE hash = $1 AND NOT used AND NOT revoked AND idle_until > now() AND valid_until > now()",
        )
        .bind(fingerprint(secret))
        .bind((config.refresh_idle - config.refresh_idle / 24).as_secs_f64())
        .fetch_optional(&self.0)
        .await?;
        let Some(found) = found else { return Ok(None) };
        let (user, family): (String, String) =
            (found.try_get("user_name")?, found.try_get("family")?);
        let Some(standing) = self.standing(&user, &family).await? else {
            return Ok(None);
        };
        // Whoever is there stays signed in; one write now and then is enough for that.
        if found.try_get("aged")? {
            sqlx::query(
                "UPDATE gateway.refresh_tokens SET idle_until = now() + make_interval(secs => $2)
                 WHERE hash = $1",
            )
            .bind(fingerprint(secret))
            .bind(config.refresh_idle.as_secs_f64())
            .execute(&self.0)
            .await?;
        }
        Ok(Some((user, family, standing)))
    }

    /// Makes a link that signs `user` in once, within `lives`; answers its secret. None: unknown user.
    ///
    /// # Errors
    ///
    /// When the database does not take it.
    pub async fn add_sign_in_link(
        &self,
        user: &str,
        lives: Duration,
    ) -> Result<Option<String>, sqlx::Error> {
        let secret = crate::token::refresh();
        let added = sqlx::query(
            "INSERT INTO gateway.sign_in_links (hash, user_name, valid_until)
             SELECT $1, name, now() + make_interval(secs => $3) FROM gateway.users
             WHERE name = $2 AND NOT disabled",
        )
        .bind(fingerprint(&secret))
        .bind(user)
        .bind(lives.as_secs_f64())
        .execute(&self.0)
        .await?;
        Ok((added.rows_affected() == 1).then_some(secret))
    }

    /// Uses a link up; answers whom it signs in.
    pub(crate) async fn use_sign_in_link(
        &self,
        secret: &str,
    ) -> Result<Option<String>, sqlx::Error> {
        sqlx::query_scalar(
            "UPDATE gateway.sign_in_links l SET used = true FROM gateway.users u
             WHERE l.hash = $1 AND NOT l.used AND l.valid_until > now()
               AND u.name = l.user_name AND NOT u.disabled
             RETURNING l.user_name",
        )
        .bind(fingerprint(secret))
        .fetch_optional(&self.0)
        .await
    }

    /// What policy said to the event `cause`.
    pub(crate) async fn decision_of(&self, cause: EventId) -> Result<Option<Value>, sqlx::Error> {
        let cause = [Some(cause.to_string())];
        let found = self.read(crate::routes::DECISION_OF, &cause, 1).await?;
        if !found.is_empty() {
            // Whoever waited for it sees it in whatever they read next, heard of or not.
            self.1.changed();
        }
        Ok(found.into_iter().next())
    }

    /// Whether the database answers.
    pub(crate) async fn answers(&self) -> bool {
        sqlx::query("SELECT 1").execute(&self.0).await.is_ok()
    }
}

/// A row that came as JSON.
fn as_json(row: &str) -> Result<Value, sqlx::Error> {
    serde_json::from_str(row).map_err(|error| sqlx::Error::Decode(error.into()))
}

async fn revoke(
    transaction: &mut sqlx::Transaction<'_, sqlx::Postgres>,
    family: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE gateway.refresh_tokens SET revoked = true WHERE family = $1")
        .bind(family)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}
