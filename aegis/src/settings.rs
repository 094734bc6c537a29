//! `aegis config`: what the settings are, where they come from, and what is wrong with them.

use std::net::SocketAddr;
use std::path::Path;

use aegis_nats::server::User;
use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::Value;

use crate::config::{self, Config, Loaded, Origin};
use crate::{init, keys, run};

/// Settings.
#[derive(Debug, Subcommand)]
pub enum Settings {
    /// Say everything that is wrong with the file and the environment.
    #[command(after_help = "Example:\n  aegis config check --config /etc/aegis/aegis.toml")]
    Check,
    /// Print what holds.
    #[command(
        after_help = "Examples:\n  aegis config show\n  aegis config show --origin | grep -v default"
    )]
    Show {
        /// One setting a line, with where it comes from: default, file or environment.
        #[arg(long)]
        origin: bool,
    },
    /// Print nats-server's configuration; makes the keys of users that are new.
    #[command(
        after_help = "After a change of [topology]:\n  aegis config nats-server --listen 127.0.0.1:4222 > nats-server.conf\n  nats-server --signal reload"
    )]
    NatsServer {
        /// Where the server listens.
        #[arg(long, value_name = "ADDRESS")]
        listen: SocketAddr,
        /// Where it stores its streams.
        #[arg(long, value_name = "FOLDER", default_value = "nats-store")]
        store: std::path::PathBuf,
        /// The folder with the server's certificate, as `aegis keys tls` makes it.
        #[arg(long, value_name = "FOLDER")]
        tls: Option<std::path::PathBuf>,
    },
}

impl Settings {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When a setting is wrong.
    pub fn run(self, file: &Path) -> Result<()> {
        let loaded = Loaded::read(file)?;
        let config = &loaded.config;
        match self {
            Self::Check => {
                config.validate()?;
                println!("ok");
            }
            Self::Show { origin: false } => print!("{}", config::to_toml(config)),
            Self::Show { origin: true } => show(&loaded, "", &serde_json::to_value(config)?),
            Self::NatsServer { listen, store, tls } => {
                config.validate()?;
                let (users, store) = (users(config)?, std::path::absolute(store)?);
                let tls = tls.map(std::path::absolute).transpose()?;
                let tls = tls.as_deref().map(keys::of_nats);
                let settings = &config.topology;
                print!(
                    "{}",
                    init::server(settings, &users, listen, &store, tls.as_ref())?
                );
            }
        }
        Ok(())
    }
}

fn show(loaded: &Loaded, path: &str, value: &Value) {
    match value {
        Value::Object(section) => {
            for (key, value) in section {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                show(loaded, &path, value);
            }
        }
        plain => {
            let origin = match loaded.origin(path) {
                Origin::Default => "default",
                Origin::File => "file",
                Origin::Environment => "environment",
            };
            println!("{path} = {plain}  ({origin})");
        }
    }
}

/// Every user of the server; makes the keys of those that are new.
fn users(config: &Config) -> Result<Vec<User>> {
    let mut users = Vec::new();
    for service in config.topology.services() {
        let file = run::seed_file(config, &service);
        let public_key = if file.exists() {
            let seed = std::fs::read_to_string(&file)
                .with_context(|| format!("cannot read `{}`", file.display()))?;
            aegis_nats::keys::public_key(&seed)?
        } else {
            let (seed, public_key) = aegis_nats::keys::new_seed()?;
            init::write(&file, 0o600, seed.as_bytes())?;
            eprintln!("made `{}`", file.display());
            public_key
        };
        users.push(User {
            service,
            public_key,
        });
    }
    Ok(users)
}
