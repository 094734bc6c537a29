//! `aegis completions`: what makes a shell complete the commands.

use anyhow::{Context, Result};
use clap::{Args, Command};
use clap_complete::{Shell, generate};

/// For which shell.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    /// Prints them for that command line.
    ///
    /// # Errors
    ///
    /// When nobody reads them.
    pub(crate) fn print(self, command: &mut Command) -> Result<()> {
        use std::io::Write as _;
        // `generate` panics when it cannot write, so it writes where it can.
        let mut text = Vec::new();
        generate(self.shell, command, "aegis", &mut text);
        std::io::stdout()
            .write_all(&text)
            .context("cannot print the completions")
    }
}
