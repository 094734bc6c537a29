//! Sign in and out.

use std::io::{BufRead, IsTerminal, Write};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::session::Session;

/// Signs in.
#[derive(Debug, Args)]
#[command(
    after_help = "The password is read from the terminal, or from standard input.\n\nExamples:\n  aegis login --url http://127.0.0.1:3000 --name ann\n  aegis login --name ann < password.txt"
)]
pub struct Login {
    /// The gateway's URL.
    #[arg(long, env = "AEGIS_URL", default_value = "http://127.0.0.1:3000")]
    url: String,
    /// The user's name.
    #[arg(long)]
    name: String,
}

impl Login {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When the gateway refuses.
    pub async fn run(self) -> Result<()> {
        let password = password(&format!("password of {}: ", self.name))?;
        let session = Session::sign_in(&self.url, &self.name, &password).await?;
        eprintln!("signed in as {} at {}", session.name, session.url);
        Ok(())
    }
}

/// `aegis logout`.
///
/// # Errors
///
/// When nobody is signed in.
pub async fn logout() -> Result<()> {
    Session::load()?.sign_out().await?;
    eprintln!("signed out");
    Ok(())
}

/// Reads a secret from the terminal without showing it, or the first line of standard input.
///
/// # Errors
///
/// When there is nothing to read.
pub fn password(prompt: &str) -> Result<String> {
    let terminal = std::io::stdin().is_terminal();
    let echo = |on: bool| {
        // Best effort: without `stty` the password is seen, not lost.
        let _ = Command::new("stty")
            .arg(if on { "echo" } else { "-echo" })
            .status();
    };
    if terminal {
        eprint!("{prompt}");
        std::io::stderr().flush()?;
        echo(false);
    }
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    if terminal {
        echo(true);
        eprintln!();
    }
    read.context("cannot read the password")?;
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    if password.is_empty() {
        bail!("no password was given");
    }
    Ok(password)
}
