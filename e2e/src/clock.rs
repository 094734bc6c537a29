//! A wall clock that is wrong, for one process.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// A wall clock of its own for the processes that are started with it; their monotonic clock stays as it is.
#[derive(Clone, Debug)]
pub struct Clock {
    library: String,
    file: PathBuf,
}

impl Clock {
    /// A clock that is right, kept in that file.
    pub(crate) fn new(file: PathBuf) -> Result<Self> {
        let library = aegis_xtask::servers::faketime()?;
        let library = library.to_str().context("a path that is no text")?;
        let clock = Self {
            library: library.to_owned(),
            file,
        };
        clock.set(0)?;
        Ok(clock)
    }

    /// Sets it so many seconds ahead of this machine's, or behind it. Processes see that within a second.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn set(&self, seconds: i64) -> Result<()> {
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{seconds:+}"))?;
        std::fs::rename(new, &self.file)?;
        Ok(())
    }

    /// What makes a process use it.
    pub(crate) fn variables(&self) -> Result<[(&str, &str); 4]> {
        let file = self.file.to_str().context("a path that is no text")?;
        Ok([
            ("LD_PRELOAD", &self.library),
            ("FAKETIME_TIMESTAMP_FILE", file),
            ("FAKETIME_CACHE_DURATION", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ])
    }
}
