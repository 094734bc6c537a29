//! `aegis users`: people who may sign in, straight in the database. The first administrator has nobody
//! who could add them, so whoever may read the database's URL can.

use anyhow::{Context, Result, bail};
use clap::Subcommand;

use crate::config::Config;
use crate::people::password;

/// People who may sign in.
#[derive(Debug, Subcommand)]
pub enum Users {
    /// Add a user. The password is read from the terminal, or from standard input.
    #[command(
        after_help = "Examples:\n  aegis users add ann --role admin\n  aegis users add bob --role operator --role auditor < password.txt"
    )]
    Add {
        /// The name that they sign in with.
        name: String,
        /// `admin`, `operator`, `auditor` or `service`; may be given more than once.
        #[arg(long = "role", required = true, value_parser = ["admin", "operator", "auditor", "service"])]
        roles: Vec<String>,
    },
}

impl Users {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When the database does not take it.
    pub async fn run(self, config: &Config) -> Result<()> {
        let Self::Add { name, roles } = self;
        let password = password(&format!("password for {name}: "))?;
        add(config, &name, &password, &roles).await?;
        eprintln!("added {name}; sign in with `aegis login --name {name}`");
        Ok(())
    }
}

/// Adds a user.
///
/// # Errors
///
/// When the password is too short, there is one of that name, or the database does not answer.
pub async fn add(config: &Config, name: &str, password: &str, roles: &[String]) -> Result<()> {
    let hash = aegis_gateway::hash_password(password)?;
    let store = aegis_gateway::Store::connect(&config.gateway.database_url_file).await?;
    let added = store
        .add_user(name, &hash, roles)
        .await
        .context("cannot add the user")?;
    if !added {
        bail!("there is a user `{name}` already");
    }
    Ok(())
}
