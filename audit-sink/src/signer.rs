//! Signs the head of the log whenever it has grown.

use std::path::PathBuf;
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::checkpoint::SigningKey;
use crate::sequencer::Head;
use crate::{Error, database, metrics};

/// How long signing may take before the connection is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// Signs heads.
pub(crate) struct Signer<'a> {
    pub(crate) key: &'a SigningKey,
    pub(crate) database_url_file: PathBuf,
    pub(crate) every: Duration,
    pub(crate) heads: watch::Receiver<Head>,
}

impl Signer<'_> {
    /// Signs until `stop`, and then what is committed by that time.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut connection = None;
        let mut signed = 0;
        loop {
            let last = stop
                .run_until_cancelled(tokio::time::sleep(self.every))
                .await
                .is_none();
            let head = *self.heads.borrow();
            if head.size > signed && self.sign(&mut connection, head).await {
                signed = head.size;
                metrics::signed(signed);
            }
            if last {
                return;
            }
        }
    }

    async fn sign(&self, connection: &mut Option<PgConnection>, head: Head) -> bool {
        // That a connection broke is noticed by using it, so a new one gets its chance at once.
        for _ in 0..2 {
            let work = self.try_sign(connection, head);
            let error = match tokio::time::timeout(PATIENCE, work).await {
                Ok(Ok(())) => return true,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer in time".to_owned(),
            };
            *connection = None;
            tracing::warn!(
                error,
                size = head.size,
                "cannot store a checkpoint, trying again"
            );
        }
        false
    }

    async fn try_sign(
        &self,
        connection: &mut Option<PgConnection>,
        head: Head,
    ) -> Result<(), Error> {
        let connection = match connection {
            Some(open) => open,
            none => {
                let url = database::read_url(&self.database_url_file)?;
                none.insert(PgConnection::connect_with(&database::options(&url)?).await?)
            }
        };
        store(connection, self.key, head).await
    }
}

/// Stores the checkpoint of `head`.
pub(crate) async fn store(
    connection: &mut PgConnection,
    key: &SigningKey,
    head: Head,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO audit.audit_checkpoint (size, root, note) VALUES ($1, $2, $3)
         ON CONFLICT (size) DO NOTHING",
    )
    .bind(head.size.cast_signed())
    .bind(head.root.as_slice())
    .bind(key.checkpoint(head.size, head.root))
    .execute(connection)
    .await?;
    Ok(())
}
