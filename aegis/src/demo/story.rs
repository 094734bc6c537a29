//! Reads the audit log as it grows and prints what it tells.

use std::io::Write as _;

use aegis_audit_sink::read::Reader;
use anyhow::{Context, Result};

use super::narrator::{Entry, Narrator, Progress};

/// How many entries are read at once.
const PAGE: u32 = 500;

/// The audit log, read from its beginning.
pub(super) struct Story {
    reader: Reader,
    narrator: Narrator,
    read: u64,
}

impl Story {
    /// A story over that log.
    #[must_use]
    pub(super) const fn new(reader: Reader, narrator: Narrator) -> Self {
        Self {
            reader,
            narrator,
            read: 0,
        }
    }

    /// Prints what is new, waiting for it if there is nothing.
    ///
    /// # Errors
    ///
    /// When the log cannot be read.
    pub(super) async fn go_on(&mut self) -> Result<&Progress> {
        let found = self
            .reader
            .entries(self.read, PAGE)
            .await
            .context("cannot read the audit log")?;
        if found.is_empty() {
            self.reader
                .wait()
                .await
                .context("cannot wait for the audit log")?;
        }
        let mut out = std::io::stdout().lock();
        for found in found {
            self.read = found.idx + 1;
            let record = &found.record;
            let (Some(event), Ok(said)) = (record.event_id(), record.event()) else {
                continue;
            };
            let entry = Entry {
                event,
                time: record.time,
                said,
            };
            for line in self.narrator.tell(&entry) {
                writeln!(out, "{line}")?;
            }
        }
        out.flush()?;
        Ok(self.narrator.progress())
    }

    /// How many entries the log has, as far as it was read.
    #[must_use]
    pub(super) const fn entries(&self) -> u64 {
        self.read
    }
}
