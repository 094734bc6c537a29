//! The key file, read again when it changes: an emptied file stops every act, a rotation needs no restart.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aegis_schemas::keyring::KeyFile;
use aegis_schemas::signature::Keyring;
use zeroize::Zeroizing;

use crate::Error;

/// The keys of `path`.
///
/// # Errors
///
/// When it cannot be read, others may read it or it is malformed.
pub fn read(path: &Path) -> Result<Keyring, Error> {
    let unreadable = |source| Error::KeysUnreadable {
        path: path.to_owned(),
        source,
    };
    let mode = fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(Error::KeysExposed {
            path: path.to_owned(),
            mode,
        });
    }
    let text = Zeroizing::new(fs::read_to_string(path).map_err(unreadable)?);
    let file = KeyFile::parse(&text).map_err(|reason| Error::Keys {
        path: path.to_owned(),
        reason,
    })?;
    Ok(file.keyring())
}

/// Notices when the file is another.
#[derive(Debug)]
pub(crate) struct Watch {
    path: PathBuf,
    seen: Option<(SystemTime, u64)>,
}

impl Watch {
    /// Reads the file for the first time.
    pub(crate) fn open(path: PathBuf) -> Result<(Self, Keyring), Error> {
        let seen = stamp(&path);
        let keys = read(&path)?;
        Ok((Self { path, seen }, keys))
    }

    /// The keys, if the file is another than before. A file that cannot be used holds no keys.
    pub(crate) fn changed(&mut self) -> Option<Keyring> {
        let stamp = stamp(&self.path);
        if stamp == self.seen && stamp.is_some() {
            return None;
        }
        let keys = read(&self.path);
        // What cannot be read now is tried again with the next decision.
        self.seen = keys.is_ok().then_some(stamp).flatten();
        Some(keys.unwrap_or_else(|error| {
            tracing::error!(%error, "no decision is believed");
            Keyring::default()
        }))
    }
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
