//! What was answered to writes with an idempotency key, by principal and key, for 24 hours.

use sqlx::Row;

use super::Store;

/// What became of a claim to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It is ours: the request is to be done.
    Ours,
    /// It was answered; no body when that had a secret in it.
    Answered { status: u16, body: Option<Vec<u8>> },
    /// It is under way.
    UnderWay,
    /// The key was used for another request.
    Another,
}

impl Store {
    /// Claims a key of `who` for the request with that print.
    pub(crate) async fn claim(
        &self,
        who: &str,
        key: &str,
        print: &[u8],
    ) -> Result<Claim, sqlx::Error> {
        // One that was begun and has no answer after a minute was cut off.
        sqlx::query(
            "DELETE FROM gateway.answers WHERE at < now() - interval '24 hours'
             OR (principal = $1 AND key = $2 AND status IS NULL AND at < now() - interval '1 minute')",
        )
        .bind(who)
        .bind(key)
        .execute(&self.pool)
        .await?;
        let claimed = sqlx::query(
            "INSERT INTO gateway.answers (principal, key, print) VALUES ($1, $2, $3)
             ON CONFLICT (principal, key) DO NOTHING",
        )
        .bind(who)
        .bind(key)
        .bind(print)
        .execute(&self.pool)
        .await?;
        if claimed.rows_affected() == 1 {
            return Ok(Claim::Ours);
        }
        let row = sqlx::query(
            "SELECT print, status, body FROM gateway.answers WHERE principal = $1 AND key = $2",
        )
        .bind(who)
        .bind(key)
        .fetch_optional(&self.pool)
        .await?;
        // Given up between the two statements.
        let Some(row) = row else {
            return Ok(Claim::UnderWay);
        };
        if row.try_get::<Vec<u8>, _>("print")? != print {
            return Ok(Claim::Another);
        }
        let status: Option<i32> = row.try_get("status")?;
        Ok(match status.and_then(|status| u16::try_from(status).ok()) {
            Some(status) => Claim::Answered {
                status,
                body: row.try_get("body")?,
            },
            None => Claim::UnderWay,
        })
    }

    /// Keeps the answer to a claimed key.
    pub(crate) async fn answered(
        &self,
        who: &str,
        key: &str,
        status: u16,
        body: Option<&[u8]>,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(
            "UPDATE gateway.answers SET status = $3, body = $4 WHERE principal = $1 AND key = $2",
        )
        .bind(who)
        .bind(key)
        .bind(i32::from(status))
        .bind(body)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Frees a claimed key.
    pub(crate) async fn give_up(&self, who: &str, key: &str) -> Result<(), sqlx::Error> {
        sqlx::query("DELETE FROM gateway.answers WHERE principal = $1 AND key = $2")
            .bind(who)
            .bind(key)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
