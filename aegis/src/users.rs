//! `aegis users`: people who may sign in, straight in the database. The first administrator has nobody
//! who could add them, so whoever may read the database's URL can.

use std::time::Duration;

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
    /// Make a link that signs a user in once, for whoever may read the database's URL.
    #[command(after_help = "Examples:\n  aegis users link ann\n  aegis users link ann --lives 1h")]
    Link {
        /// The user's name.
        name: String,
        /// How long it can be used.
        #[arg(long, default_value = "10m", value_parser = lives)]
        lives: Duration,
    },
}

/// A duration such as `10m`; at most a day.
fn lives(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text.parse().map_err(|error| format!("{error}"))?;
    let span = Duration::try_from(span).map_err(|error| error.to_string())?;
    if span > Duration::from_secs(24 * 3600) {
        return Err("a link lives a day at most".to_owned());
    }
    Ok(span)
}

impl Users {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When the database does not take it.
    pub async fn run(self, config: &Config) -> Result<()> {
        match self {
            Self::Add { name, roles } => {
                let password = password(&format!("password for {name}: "))?;
                add(config, &name, &password, &roles).await?;
                eprintln!("added {name}; sign in with `aegis login --name {name}`");
            }
            Self::Link { name, lives } => println!("{}", link(config, &name, lives).await?),
        }
        Ok(())
    }
}

/// A link that signs `name` in once.
///
/// # Errors
///
/// When there is no such user, or the database does not answer.
pub async fn link(config: &Config, name: &str, lives: Duration) -> Result<String> {
    let store = aegis_gateway::Store::connect(&config.gateway.database_url_file).await?;
    let secret = store
        .add_sign_in_link(name, lives)
        .await
        .context("cannot make a link")?
        .with_context(|| format!("there is no user `{name}`; add one with `aegis users add`"))?;
    let at = config.gateway.issuer.trim_end_matches('/');
    Ok(format!("{at}/sign-in/{secret}"))
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
