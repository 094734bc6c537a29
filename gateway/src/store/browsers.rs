//! Sign-ins of browsers: a session's secret is a token of its family that is never rotated, and a link
//! begins one.

use std::time::Duration;

use sqlx::Row as _;

use super::{Standing, Store};
use crate::Config;
use crate::token::{fingerprint, refresh};

/// What is kept of a session's secret: not what a refresh token of the same text would be, so that neither
/// passes for the other.
pub(crate) fn session_token(secret: &str) -> String {
    format!("session:{secret}")
}

impl Store {
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
        .bind(fingerprint(&session_token(secret)))
        .bind((config.refresh_idle - config.refresh_idle / 24).as_secs_f64())
        .fetch_optional(&self.pool)
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
            .bind(fingerprint(&session_token(secret)))
            .bind(config.refresh_idle.as_secs_f64())
            .execute(&self.pool)
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
        sqlx::query(
            "DELETE FROM gateway.sign_in_links WHERE valid_until < now() - interval '1 day'",
        )
        .execute(&self.pool)
        .await?;
        let secret = refresh();
        let added = sqlx::query(
            "INSERT INTO gateway.sign_in_links (hash, user_name, valid_until)
             SELECT $1, name, now() + make_interval(secs => $3) FROM gateway.users
             WHERE name = $2 AND NOT disabled",
        )
        .bind(fingerprint(&secret))
        .bind(user)
        .bind(lives.as_secs_f64())
        .execute(&self.pool)
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
        .fetch_optional(&self.pool)
        .await
    }
}
