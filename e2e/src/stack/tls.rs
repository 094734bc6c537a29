//! TLS between the services, NATS and PostgreSQL, with certificates that `aegis keys tls` made.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use aegis::{config, keys};
use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::{START, Stack, until};

/// Who gets in: by TLS, with a certificate of the authority and the role's password.
const ACCESS: &str = "hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n";

impl Stack {
    /// The folder of the certificates.
    #[must_use]
    pub fn certificates(&self) -> PathBuf {
        self.place.path().join("tls")
    }

    /// Makes certificates; services and nats-server are configured to use them.
    pub(super) async fn secure_nats(&mut self) -> Result<()> {
        let folder = self.certificates();
        let tls = folder.to_str().context("a path that is no text")?;
        self.tool.run(&["keys", "tls", tls], "").await?;
        self.config.bus.url = format!("tls://{}", self.ports.nats);
        keys::trust(&mut self.config.bus, &folder);
        std::fs::write(self.place.config(), config::to_toml(&self.config))?;
        let listen = self.ports.nats.to_string();
        let arguments = ["config", "nats-server", "--listen", &listen, "--tls", tls];
        let text = self.tool.run(&arguments, "").await?;
        std::fs::write(self.place.installation().join("nats-server.conf"), text)?;
        Ok(())
    }

    /// From here on PostgreSQL talks by TLS alone.
    pub(super) async fn secure_postgres(&self) -> Result<()> {
        let data = self.place.postgres().join("data");
        for name in ["postgres.crt", "postgres.key", "ca.crt"] {
            give(&self.certificates().join(name), &data.join(name))?;
        }
        std::fs::write(data.join("pg_hba.conf"), ACCESS)?;
        let mut plain = PgConnection::connect(&self.database_admin()?).await?;
        for setting in [
            "ssl_cert_file = 'postgres.crt'",
            "ssl_key_file = 'postgres.key'",
            "ssl_ca_file = 'ca.crt'",
            "ssl = on",
        ] {
            let statement = AssertSqlSafe(format!("ALTER SYSTEM SET {setting}"));
            sqlx::query(statement).execute(&mut plain).await?;
        }
        sqlx::query("SELECT pg_reload_conf()")
            .execute(&mut plain)
            .await?;
        let url = self.database_admin_by_tls(&self.certificates())?;
        let file = self
            .place
            .installation()
            .join(&self.config.provision.database_admin_url_file);
        std::fs::write(file, &url)?;
        let url = &url;
        until("PostgreSQL by TLS", START, || async move {
            PgConnection::connect(url).await.is_ok()
        })
        .await
    }

    /// The URL of the PostgreSQL administrator, who believes and shows the certificates in `folder`.
    ///
    /// # Errors
    ///
    /// When the server was stopped.
    pub fn database_admin_by_tls(&self, folder: &Path) -> Result<String> {
        let folder = folder.display();
        let tls = format!(
            "sslmode=verify-full&sslrootcert={folder}/ca.crt&sslcert={folder}/aegis.crt&sslkey={folder}/aegis.key"
        );
        Ok(self.database_admin()?.replace("sslmode=disable", &tls))
    }
}

/// A copy that belongs to whom the folder belongs to, and to them alone.
fn give(from: &Path, to: &Path) -> Result<()> {
    std::fs::copy(from, to)?;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o600))?;
    let owner = to.parent().context("no folder")?.metadata()?;
    chown(to, Some(owner.uid()), Some(owner.gid()))?;
    Ok(())
}
