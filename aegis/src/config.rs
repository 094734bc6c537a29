//! One TOML file for every role, overridden by `AEGIS_SECTION__KEY`; unknown keys are errors.

mod load;
mod text;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

pub use load::{Loaded, Origin};
pub use text::{file as file_text, to_toml};

/// How to reach NATS.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bus {
    /// The server's URL.
    pub url: String,
    /// The folder with `<service>.seed`, the nkey seed of each service.
    pub keys_dir: PathBuf,
    /// The authority of the server's certificate, PEM; none for plain connections on this host.
    pub ca_file: Option<PathBuf>,
    /// The certificate that services show to the server, PEM.
    pub certificate_file: Option<PathBuf>,
    /// Its key, PEM.
    pub key_file: Option<PathBuf>,
}

impl Default for Bus {
    fn default() -> Self {
        Self {
            url: "nats://127.0.0.1:4222".to_owned(),
            keys_dir: PathBuf::from("secrets/nats"),
            ca_file: None,
            certificate_file: None,
            key_file: None,
        }
    }
}

impl Bus {
    /// TLS to the server: demanded as soon as anything of it is set.
    #[must_use]
    pub fn tls(&self) -> aegis_nats::Tls {
        let certificate = self.certificate_file.clone().zip(self.key_file.clone());
        aegis_nats::Tls {
            required: self.ca_file.is_some() || certificate.is_some(),
            ca_file: self.ca_file.clone(),
            certificate,
        }
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.certificate_file.is_some() != self.key_file.is_some() {
            faults.push("`bus.certificate_file` and `bus.key_file` go together".to_owned());
        }
        if !self.tls().required
            && let Some(host) = aegis_nats::in_the_clear(&self.url)
        {
            faults.push(aegis_nats::Error::InTheClear { host }.to_string());
        }
        faults
    }
}

/// How logs are written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `auto`, `text` or `json`.
    pub format: aegis_observability::logs::Format,
    /// Such as `info,aegis_policy=debug`.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: aegis_observability::logs::Format::Auto,
            filter: "info".to_owned(),
        }
    }
}

/// Where traces go.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// A collector that takes OTLP over HTTP, such as `http://127.0.0.1:4318`; without one, that of
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`, or none.
    pub otlp_endpoint: Option<String>,
}

/// The port for metrics and health.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Where it listens; it has no authentication.
    pub listen: SocketAddr,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9464)),
        }
    }
}

/// What `aegis provision` puts on the log and into the database.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Provision {
    /// The policy set: `policies.cedar`, `schema.cedarschema` and `settings.toml`.
    pub policy_dir: PathBuf,
    /// The incident core's thresholds and durations.
    pub incidents_file: PathBuf,
    /// A model that `aegis train` made: the incident core asks it where its rules are not sure. Without one the
    /// rules speak alone.
    pub model_file: Option<PathBuf>,
    /// The mode of each cluster until somebody says otherwise.
    pub mode: aegis_schemas::Mode,
    /// The file with the PostgreSQL URL of a role that may make databases and roles.
    pub database_admin_url_file: PathBuf,
    /// The folder that the database URLs of the services are kept in.
    pub database_urls_dir: PathBuf,
}

impl Default for Provision {
    fn default() -> Self {
        Self {
            policy_dir: PathBuf::from("policy"),
            incidents_file: PathBuf::from("incidents.toml"),
            model_file: None,
            mode: aegis_schemas::Mode::Observe,
            database_admin_url_file: PathBuf::from("secrets/database/admin.url"),
            database_urls_dir: PathBuf::from("secrets/database"),
        }
    }
}

/// Everything that an installation may choose.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How to reach NATS.
    pub bus: Bus,
    /// Streams, partitions, clusters, publishers.
    pub topology: aegis_nats::topology::Settings,
    /// Logs.
    pub log: Log,
    /// Traces.
    pub telemetry: Telemetry,
    /// Metrics and health.
    pub admin: Admin,
    /// What `aegis provision` makes.
    pub provision: Provision,
    /// Sources.
    pub ingest: aegis_ingest::Config,
    /// The scorer.
    pub detector: aegis_detector::Config,
    /// The policy core's shell.
    pub policy: aegis_policy::Config,
    /// Acts.
    pub executor: aegis_executor::Config,
    /// The record.
    pub audit: aegis_audit_sink::Config,
    /// People.
    pub gateway: aegis_gateway::Config,
    /// Who is told.
    pub notify: aegis_notify::Config,
}

impl Config {
    /// What contradicts itself across sections.
    ///
    /// # Errors
    ///
    /// All mistakes at once.
    pub fn validate(&self) -> Result<()> {
        let mut mistakes = Vec::new();
        mistakes.extend(self.bus.faults());
        if let Err(error) = self.topology.validate() {
            mistakes.push(error.to_string());
        }
        for (section, cluster) in [
            ("ingest", &self.ingest.cluster),
            ("detector", &self.detector.cluster),
            ("policy", &self.policy.cluster),
            ("executor", &self.executor.cluster),
            ("gateway", &self.gateway.cluster),
        ] {
            if !self.topology.clusters.contains(cluster) {
                mistakes.push(format!(
                    "`{section}.cluster` is `{cluster}`, which `topology.clusters` does not name"
                ));
            }
        }
        if self.ingest.partitions != self.topology.partitions {
            mistakes.push(format!(
                "`ingest.partitions` is {}, but `topology.partitions` is {}",
                self.ingest.partitions, self.topology.partitions
            ));
        }
        for partition in &self.detector.partitions {
            if *partition >= self.topology.partitions {
                mistakes.push(format!(
                    "`detector.partitions` names {partition}, but `topology.partitions` is {}",
                    self.topology.partitions
                ));
            }
        }
        if let Err(error) = self.detector.scorer.validate() {
            mistakes.push(format!("`detector.scorer`: {error}"));
        }
        mistakes.extend(
            self.ingest
                .faults()
                .into_iter()
                .map(|fault| format!("`ingest`: {fault}")),
        );
        mistakes.extend(
            self.audit
                .faults()
                .into_iter()
                .map(|fault| format!("`audit`: {fault}")),
        );
        mistakes.extend(
            self.notify
                .faults()
                .into_iter()
                .map(|fault| format!("`notify`: {fault}")),
        );
        if mistakes.is_empty() {
            Ok(())
        } else {
            bail!("the configuration is wrong:\n  {}", mistakes.join("\n  "))
        }
    }
}
