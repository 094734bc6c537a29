//! Sign-ins: families of refresh tokens, each of which works once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use sqlx::Row;

use super::Store;
use crate::Config;
use crate::token::{fingerprint, random};

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
    /// How a user stands whose sign-in does.
    pub(crate) async fn standing(
        &self,
        name: &str,
        family: &str,
    ) -> Result<Option<Standing>, sqlx::Error> {
        let (who, now) = ((name.to_owned(), family.to_owned()), Instant::now());
        if let Some(standing) = self.standings.get(&who, now) {
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
        .fetch_optional(&self.pool)
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
        self.standings.put(who, standing.clone(), now);
        Ok(Some(standing))
    }

    /// Begins a sign-in; answers its family.
    pub(crate) async fn start_family(
        &self,
        user: &str,
        refresh_token: &str,
        config: &Config,
    ) -> Result<String, sqlx::Error> {
        // What is over for a day is of no use to anybody.
        sqlx::query(
            "DELETE FROM gateway.refresh_tokens WHERE valid_until < now() - interval '1 day'",
        )
        .execute(&self.pool)
        .await?;
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
        .execute(&self.pool)
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
        let mut transaction = self.pool.begin().await?;
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
            self.standings.clear(Instant::now());
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
        let mut transaction = self.pool.begin().await?;
        revoke(&mut transaction, family).await?;
        transaction.commit().await?;
        self.standings.clear(Instant::now());
        Ok(())
    }
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
