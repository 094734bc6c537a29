//! API keys: a secret that is shown once, of which the SHA-256 is kept.

use std::collections::BTreeSet;

use serde::Serialize;
use sqlx::Row;
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

use super::Store;
use crate::token::fingerprint;

/// A key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) owner: String,
    pub(crate) label: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) created: String,
    pub(crate) expires: String,
    pub(crate) last_used: Option<String>,
    pub(crate) revoked: bool,
}

/// A key to add.
pub(crate) struct NewKey<'a> {
    pub(crate) id: &'a str,
    pub(crate) secret: &'a str,
    pub(crate) owner: &'a str,
    pub(crate) label: &'a str,
    pub(crate) scopes: &'a [String],
    pub(crate) days: i32,
}

/// Whose key it is, and what it is for.
pub(crate) struct Owner {
    pub(crate) name: String,
    pub(crate) roles: BTreeSet<String>,
    pub(crate) scopes: BTreeSet<String>,
}

/// A time as people and programs read it.
pub(super) const RFC3339: &str = "YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"";

impl Store {
    /// Adds a key; answers when it expires.
    pub(crate) async fn add_key(&self, key: &NewKey<'_>) -> Result<String, sqlx::Error> {
        sqlx::query_scalar(
            "INSERT INTO gateway.api_keys (id, hash, owner, label, scopes, expires)
             VALUES ($1, $2, $3, $4, $5, now() + make_interval(days => $6))
             RETURNING to_char(expires AT TIME ZONE 'UTC', $7)",
        )
        .bind(key.id)
        .bind(fingerprint(key.secret))
        .bind(key.owner)
        .bind(key.label)
        .bind(key.scopes)
        .bind(key.days)
        .bind(RFC3339)
        .fetch_one(&self.pool)
        .await
    }

    /// The keys of an owner, or of everybody, after one id, in the order of ids.
    pub(crate) async fn keys(
        &self,
        owner: Option<&str>,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<Key>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT id, owner, label, scopes, revoked,
               to_char(created AT TIME ZONE 'UTC', $4) AS created,
               to_char(expires AT TIME ZONE 'UTC', $4) AS expires,
               to_char(last_used AT TIME ZONE 'UTC', $4) AS last_used
             FROM gateway.api_keys
             WHERE ($1::text IS NULL OR owner = $1) AND ($2::text IS NULL OR id > $2)
             ORDER BY id LIMIT $3",
        )
        .bind(owner)
        .bind(after)
        .bind(limit)
        .bind(RFC3339)
        .fetch_all(&self.pool)
        .await?;
        let key = |row: sqlx::postgres::PgRow| {
            Ok(Key {
                id: row.try_get("id")?,
                owner: row.try_get("owner")?,
                label: row.try_get("label")?,
                scopes: row.try_get("scopes")?,
                created: row.try_get("created")?,
                expires: row.try_get("expires")?,
                last_used: row.try_get("last_used")?,
                revoked: row.try_get("revoked")?,
            })
        };
        rows.into_iter().map(key).collect()
    }

    /// Ends a key of an owner, or of anybody. False: there is none.
    pub(crate) async fn revoke_key(
        &self,
        id: &str,
        owner: Option<&str>,
    ) -> Result<bool, sqlx::Error> {
        let revoked = sqlx::query(
            "UPDATE gateway.api_keys SET revoked = true
             WHERE id = $1 AND ($2::text IS NULL OR owner = $2)",
        )
        .bind(id)
        .bind(owner)
        .execute(&self.pool)
        .await?;
        Ok(revoked.rows_affected() == 1)
    }

    /// Whose key it is, with their roles of now, if it stands. That it was used is kept to the minute.
    pub(crate) async fn owner_of(&self, key: &str) -> Result<Option<Owner>, sqlx::Error> {
        let Some(id) = crate::token::key_id(key) else {
            return Ok(None);
        };
        let row = sqlx::query(
            "SELECT k.hash, k.scopes, u.name, u.roles,
               coalesce(k.last_used < now() - interval '1 minute', true) AS unseen
             FROM gateway.api_keys k JOIN gateway.users u ON u.name = k.owner
             WHERE k.id = $1 AND NOT k.revoked AND k.expires > now() AND NOT u.disabled",
        )
        .bind(id)
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let hash: Vec<u8> = row.try_get("hash")?;
        if !bool::from(hash.ct_eq(&fingerprint(key))) {
            return Ok(None);
        }
        if row.try_get("unseen")? {
            sqlx::query("UPDATE gateway.api_keys SET last_used = now() WHERE id = $1")
                .bind(id)
                .execute(&self.pool)
                .await?;
        }
        let roles: Vec<String> = row.try_get("roles")?;
        let scopes: Vec<String> = row.try_get("scopes")?;
        Ok(Some(Owner {
            name: row.try_get("name")?,
            roles: roles.into_iter().collect(),
            scopes: scopes.into_iter().collect(),
        }))
    }
}
