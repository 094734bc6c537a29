//! Invitations: a secret that makes one user, once.

use serde::Serialize;
use sqlx::Row;
use utoipa::ToSchema;

use super::{RFC3339, Store};
use crate::token::fingerprint;

/// An invitation, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Invitation {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) roles: Vec<String>,
    pub(crate) invited_by: String,
    pub(crate) expires: String,
    pub(crate) state: String,
}

/// What became of an attempt to accept one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// The user is there now.
    User(String),
    /// There is a user of that name.
    Taken(String),
    /// It is unknown, was accepted or revoked, or its time is over.
    Void,
}

impl Store {
    /// Adds an invitation; answers when it expires. Those that are long over make room: who was invited is in
    /// the audit log.
    pub(crate) async fn invite(
        &self,
        id: &str,
        secret: &str,
        (name, roles): (&str, &[String]),
        invited_by: &str,
        hours: i32,
    ) -> Result<String, sqlx::Error> {
        sqlx::query("DELETE FROM gateway.invitations WHERE expires < now() - interval '90 days'")
            .execute(&self.pool)
            .await?;
        sqlx::query_scalar(
            "INSERT INTO gateway.invitations (id, hash, user_name, roles, invited_by, expires)
             VALUES ($1, $2, $3, $4, $5, now() + make_interval(hours => $6))
             RETURNING to_char(expires AT TIME ZONE 'UTC', $7)",
        )
        .bind(id)
        .bind(fingerprint(secret))
        .bind(name)
        .bind(roles)
        .bind(invited_by)
        .bind(hours)
        .bind(RFC3339)
        .fetch_one(&self.pool)
        .await
    }

    /// Invitations after one id, in the order of ids.
    pub(crate) async fn invitations(
        &self,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<Invitation>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT id, user_name, roles, invited_by,
               to_char(expires AT TIME ZONE 'UTC', $3) AS expires,
               CASE WHEN accepted IS NOT NULL THEN 'accepted' WHEN revoked THEN 'revoked'
                    WHEN expires < now() THEN 'expired' ELSE 'open' END AS state
             FROM gateway.invitations WHERE ($1::text IS NULL OR id > $1) ORDER BY id LIMIT $2",
        )
        .bind(after)
        .bind(limit)
        .bind(RFC3339)
        .fetch_all(&self.pool)
        .await?;
        let invitation = |row: sqlx::postgres::PgRow| {
            Ok(Invitation {
                id: row.try_get("id")?,
                name: row.try_get("user_name")?,
                roles: row.try_get("roles")?,
                invited_by: row.try_get("invited_by")?,
                expires: row.try_get("expires")?,
                state: row.try_get("state")?,
            })
        };
        rows.into_iter().map(invitation).collect()
    }

    /// Ends an invitation. False: there is none that is open.
    pub(crate) async fn revoke_invitation(&self, id: &str) -> Result<bool, sqlx::Error> {
        let revoked = sqlx::query(
            "UPDATE gateway.invitations SET revoked = true
             WHERE id = $1 AND accepted IS NULL AND NOT revoked",
        )
        .bind(id)
        .execute(&self.pool)
        .await?;
        Ok(revoked.rows_affected() == 1)
    }

    /// Whether an invitation is open: asked before a password is hashed, which takes 64 MiB.
    pub(crate) async fn is_invited(&self, secret: &str) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM gateway.invitations
             WHERE hash = $1 AND accepted IS NULL AND NOT revoked AND expires > now())",
        )
        .bind(fingerprint(secret))
        .fetch_one(&self.pool)
        .await
    }

    /// Makes the user that an invitation is for.
    pub(crate) async fn accept(
        &self,
        secret: &str,
        password_hash: &str,
    ) -> Result<Accepted, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        // Of two at the same moment the second finds no row.
        let row = sqlx::query(
            "UPDATE gateway.invitations SET accepted = now()
             WHERE hash = $1 AND accepted IS NULL AND NOT revoked AND expires > now()
             RETURNING user_name, roles",
        )
        .bind(fingerprint(secret))
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(row) = row else {
            return Ok(Accepted::Void);
        };
        let name: String = row.try_get("user_name")?;
        let roles: Vec<String> = row.try_get("roles")?;
        let added = sqlx::query(super::ADD_USER)
            .bind(&name)
            .bind(password_hash)
            .bind(roles)
            .execute(&mut *transaction)
            .await?;
        if added.rows_affected() == 0 {
            return Ok(Accepted::Taken(name));
        }
        transaction.commit().await?;
        Ok(Accepted::User(name))
    }
}
