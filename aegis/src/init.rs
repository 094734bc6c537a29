//! `aegis init`: a folder with everything that an installation needs before it can start: settings,
//! every key, the policy set, the configuration of nats-server.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aegis_audit_sink::checkpoint::SigningKey;
use aegis_nats::server::{ServerTls, User, configuration_with};
use aegis_nats::topology;
use aegis_schemas::{Cluster, Mode};
use anyhow::{Context, Result, bail};
use clap::Args;

use crate::config::{self, Config};
use crate::keys;

/// Makes a configuration.
#[derive(Debug, Args)]
#[command(
    after_help = "Refuses a folder that has something in it.\n\nExamples:\n  aegis init /etc/aegis\n  aegis init ./aegis --cluster production --kubeconfig ~/.kube/config\n  aegis init ./aegis --publisher billing-monitor --gateway 127.0.0.1:8088\n  aegis keys tls ./tls --nats 10.0.0.5 && aegis init ./aegis --nats 10.0.0.5:4222 --tls ./tls"
)]
pub struct Init {
    /// The folder.
    dir: PathBuf,
    /// The name of the cluster that is watched.
    #[arg(long, default_value = "demo")]
    cluster: Cluster,
    /// Another system that may hand in on AEGIS_INTAKE; may be given more than once.
    #[arg(long = "publisher", value_name = "NAME")]
    publishers: Vec<String>,
    /// Where nats-server shall listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4222")]
    nats: SocketAddr,
    /// The folder with certificates for NATS, as `aegis keys tls` makes it; needed unless it listens on
    /// this host alone.
    #[arg(long, value_name = "FOLDER")]
    tls: Option<PathBuf>,
    /// Where the gateway shall listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    gateway: SocketAddr,
    /// How to reach Kubernetes; without it the service account of the pod is used.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

impl Init {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When the folder is not empty or cannot be written.
    pub fn run(self) -> Result<()> {
        let mut wanted = installation(&self.cluster);
        wanted.topology.publishers = self.publishers;
        wanted.bus.url = format!("nats://{}", self.nats);
        wanted.gateway.listen = self.gateway;
        wanted.gateway.issuer = format!("http://{}", self.gateway);
        if let Some(file) = self.kubeconfig {
            let file = std::path::absolute(file)?;
            wanted.ingest.kubeconfig = Some(file.clone());
            wanted.executor.kubeconfig = Some(file);
        }
        let tls = self.tls.map(std::path::absolute).transpose()?;
        if let Some(folder) = &tls {
            wanted.bus.url = format!("tls://{}", self.nats);
            keys::trust(&mut wanted.bus, folder);
        }
        let tls = tls.as_deref().map(keys::of_nats);
        make_with(&self.dir, &wanted, self.nats, tls.as_ref())?;
        let dir = self.dir.display();
        eprintln!("made `{dir}`\n\nnext:");
        eprintln!("  nats-server -c {dir}/nats-server.conf");
        eprintln!("  write the URL of a PostgreSQL administrator into {dir}/{ADMIN_URL}");
        eprintln!("  aegis provision --config {dir}/aegis.toml");
        eprintln!("  aegis users add YOU --role admin --config {dir}/aegis.toml");
        eprintln!("  aegis run all --config {dir}/aegis.toml");
        Ok(())
    }
}

const ADMIN_URL: &str = "secrets/database/admin.url";

/// The settings of an installation that watches `cluster`, its secrets in `secrets/`.
#[must_use]
pub fn installation(cluster: &Cluster) -> Config {
    let mut wanted = Config::default();
    wanted.topology.clusters = vec![cluster.clone()];
    wanted.ingest.cluster = cluster.clone();
    wanted.detector.cluster = cluster.clone();
    wanted.policy.cluster = cluster.clone();
    wanted.executor.cluster = cluster.clone();
    wanted.gateway.cluster = cluster.clone();
    wanted.provision.mode = Mode::Observe;
    wanted.policy.keys_file = PathBuf::from("secrets/decisions.keys");
    wanted.executor.keys_file = PathBuf::from("secrets/decisions.keys");
    wanted.audit.database_url_file = PathBuf::from("secrets/database/audit.url");
    wanted.audit.signing_key_file = PathBuf::from("secrets/audit.key");
    wanted.gateway.database_url_file = PathBuf::from("secrets/database/gateway.url");
    wanted.gateway.token_secret_file = PathBuf::from("secrets/gateway.token-secret");
    wanted
}

/// Makes the folder for `wanted`, whose relative paths are meant from it, with a nats-server without TLS.
///
/// # Errors
///
/// As [`make_with`].
pub fn make(dir: &Path, wanted: &Config, nats: SocketAddr) -> Result<()> {
    make_with(dir, wanted, nats, None)
}

/// Makes the folder for `wanted`, whose relative paths are meant from it.
///
/// # Errors
///
/// When the folder is not empty or cannot be written, or nats-server would listen for other hosts
/// without TLS.
pub fn make_with(
    dir: &Path,
    wanted: &Config,
    nats: SocketAddr,
    tls: Option<&ServerTls>,
) -> Result<()> {
    wanted.validate()?;
    guarded(nats, tls)?;
    let dir = std::path::absolute(dir)?;
    if fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!(
            "`{}` has something in it; keys are never overwritten, so choose another folder or empty this one",
            dir.display()
        );
    }
    folder(&dir, 0o755)?;
    folder(&dir.join("secrets"), 0o700)?;
    folder(&dir.join("secrets/database"), 0o700)?;
    write(
        &dir.join("aegis.toml"),
        0o644,
        config::to_toml(wanted).as_bytes(),
    )?;
    policy(&dir.join(&wanted.provision.policy_dir))?;
    write(
        &dir.join(&wanted.provision.incidents_file),
        0o644,
        incidents()?.as_bytes(),
    )?;
    users(&dir, wanted, nats, tls)?;
    keys::make(&dir.join(&wanted.policy.keys_file))?;
    SigningKey::generate(&wanted.audit.origin)?
        .write_new(&dir.join(&wanted.audit.signing_key_file))?;
    let secret = data_encoding::BASE64URL_NOPAD.encode(&keys::random::<32>()?);
    write(
        &dir.join(&wanted.gateway.token_secret_file),
        0o600,
        secret.as_bytes(),
    )
}

/// A key for every user of the bus, and the server's configuration with their public halves.
fn users(dir: &Path, wanted: &Config, nats: SocketAddr, tls: Option<&ServerTls>) -> Result<()> {
    let seeds = dir.join(&wanted.bus.keys_dir);
    folder(&seeds, 0o700)?;
    let mut users = Vec::new();
    for service in wanted.topology.services() {
        let (seed, public_key) = aegis_nats::keys::new_seed()?;
        write(
            &seeds.join(format!("{service}.seed")),
            0o600,
            seed.as_bytes(),
        )?;
        users.push(User {
            service,
            public_key,
        });
    }
    let text = server(&wanted.topology, &users, nats, &dir.join("nats-store"), tls)?;
    write(&dir.join("nats-server.conf"), 0o644, text.as_bytes())
}

/// The configuration of a nats-server that nobody can listen to.
///
/// # Errors
///
/// When it would listen for other hosts without TLS.
pub fn server(
    settings: &topology::Settings,
    users: &[User],
    listen: SocketAddr,
    store: &Path,
    tls: Option<&ServerTls>,
) -> Result<String> {
    guarded(listen, tls)?;
    Ok(configuration_with(settings, users, listen, store, tls))
}

fn guarded(listen: SocketAddr, tls: Option<&ServerTls>) -> Result<()> {
    if tls.is_none() && !listen.ip().is_loopback() {
        bail!(
            "nats-server would listen on `{listen}` for other hosts without TLS; make certificates with `aegis keys tls DIR --nats NAME` and name them with --tls DIR"
        );
    }
    Ok(())
}

fn policy(dir: &Path) -> Result<()> {
    folder(dir, 0o755)?;
    for (name, content) in aegis_policy::DEFAULT_FILES {
        write(&dir.join(name), 0o644, content.as_bytes())?;
    }
    Ok(())
}

fn incidents() -> Result<String> {
    let default = serde_json::to_value(aegis_detector::incidents::Config::default())?;
    Ok(format!(
        "# What counts as an incident, and when an act has helped. Durations are in seconds.\n\
         # What is commented out is the default. Takes effect with `aegis provision`.\n\n{}",
        config::file_text(&default, &default)
    ))
}

fn folder(path: &Path, mode: u32) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(mode);
    builder
        .create(path)
        .with_context(|| format!("cannot make the folder `{}`", path.display()))
}

pub(crate) fn write(path: &Path, mode: u32, content: &[u8]) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(mode).open(path);
    opened
        .and_then(|mut file| file.write_all(content))
        .with_context(|| format!("cannot write `{}`", path.display()))
}
