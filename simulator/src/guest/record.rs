//! The audit log of a real API server, read as it grows.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use crate::Error;
use crate::api::Entry;

/// The writes of an audit log, as far as it was read.
#[derive(Debug)]
pub(super) struct Record {
    file: PathBuf,
    /// Bytes.
    read: u64,
    entries: Vec<Entry>,
}

impl Record {
    pub(super) fn new(file: PathBuf) -> Self {
        Self {
            file,
            read: 0,
            entries: Vec::new(),
        }
    }

    /// Every write so far, oldest first.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Reads the lines that came since; half a line stays for the next time.
    pub(super) fn read(&mut self) -> Result<(), Error> {
        let bytes = self
            .rest()
            .map_err(|error| Error::Folder(format!("`{}`: {error}", self.file.display())))?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n');
        let whole = whole.map_or(0, |end| end + 1);
        self.read += whole as u64;
        let lines = bytes[..whole].split(|byte| *byte == b'\n');
        let events = lines.filter_map(|line| serde_json::from_slice(line).ok());
        self.entries
            .extend(events.filter_map(|event| Entry::from_audit(&event)));
        Ok(())
    }

    /// What was not read yet.
    fn rest(&self) -> io::Result<Vec<u8>> {
        let mut file = File::open(&self.file)?;
        file.seek(SeekFrom::Start(self.read))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}
