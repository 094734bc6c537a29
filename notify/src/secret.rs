//! Secrets from files that nobody else may read.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::Error;

/// A secret's text; it prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    /// Reads the file, without the white space around.
    ///
    /// # Errors
    ///
    /// When it cannot be read, others may read it, or it is empty or has control characters.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let unreadable = |source| Error::SecretUnreadable {
            path: path.to_owned(),
            source,
        };
        let mode = fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(Error::SecretExposed {
                path: path.to_owned(),
                mode,
            });
        }
        let text = Zeroizing::new(fs::read_to_string(path).map_err(unreadable)?);
        let secret = text.trim();
        // It becomes a header of a request.
        if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::Secret {
                path: path.to_owned(),
                reason: "it must be one line of printable characters without spaces".to_owned(),
            });
        }
        Ok(Self(Zeroizing::new(secret.to_owned())))
    }

    /// As it stands in the file.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
