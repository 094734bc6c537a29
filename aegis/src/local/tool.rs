//! This very program, called as people call it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// The program with the demo's configuration and sign-in.
#[derive(Clone, Debug)]
pub struct Tool {
    program: PathBuf,
    config: PathBuf,
    session: PathBuf,
}

impl Tool {
    /// For that configuration and sign-in.
    ///
    /// # Errors
    ///
    /// When the system does not tell where this program is.
    pub fn new(config: PathBuf, session: PathBuf) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        Ok(Self {
            program,
            config,
            session,
        })
    }

    /// Another program of the same kind: for tests, which are programs of their own.
    #[must_use]
    pub const fn of(program: PathBuf, config: PathBuf, session: PathBuf) -> Self {
        Self {
            program,
            config,
            session,
        }
    }

    /// The same with another sign-in.
    #[must_use]
    pub fn with_session(&self, session: PathBuf) -> Self {
        Self {
            session,
            ..self.clone()
        }
    }

    /// A command that is ready to start. Settings in the environment are for another installation.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            let foreign = name
                .to_str()
                .is_some_and(|name| name.starts_with("AEGIS_") && name.contains("__"));
            if foreign {
                command.env_remove(&name);
            }
        }
        command
            .arg("--config")
            .arg(&self.config)
            .args(arguments)
            .env("AEGIS_SESSION", &self.session)
            .kill_on_drop(true);
        command
    }

    /// Runs a command to its end; answers what it printed.
    ///
    /// # Errors
    ///
    /// When it fails, with its words.
    pub async fn run(&self, arguments: &[&str], input: &str) -> Result<String> {
        let shown = arguments.join(" ");
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot run `aegis {shown}`"))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that reads nothing may be gone already.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        let output = child.wait_with_output().await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let printed = String::from_utf8_lossy(&output.stdout);
            bail!(
                "`aegis {shown}` failed: {}\n{}",
                said.trim().trim_start_matches("error: "),
                printed.trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The program as somebody in this folder would call it.
    #[must_use]
    pub fn name(&self) -> String {
        near(&self.program)
    }

    /// The program with its configuration.
    #[must_use]
    pub fn with_config(&self) -> String {
        format!("{} --config {}", self.name(), near(&self.config))
    }

    /// What comes before a digest to approve it.
    #[must_use]
    pub fn approve(&self) -> String {
        format!(
            "AEGIS_SESSION={} {} approvals approve",
            near(&self.session),
            self.name()
        )
    }
}

/// A path as short as it can be from here.
fn near(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let shown = path
        .strip_prefix(&here)
        .unwrap_or(path)
        .display()
        .to_string();
    if shown.contains('/') {
        shown
    } else {
        format!("./{shown}")
    }
}
