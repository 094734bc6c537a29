//! The file that keeps the keys which decisions are signed with: one text for policy, which signs with
//! the active key, and for the executor, which believes every key in it. While rotating there are two.
//!
//! ```toml
//! active = "2026-11-25-a"
//!
//! [[key]]
//! kid = "2026-11-25-a"
//! secret = "<base64 of at least 32 random bytes>"
//! ```

use std::fmt::Write as _;

use data_encoding::BASE64;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::signature::{Key, Keyring, WeakKey};

/// A key file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidKeyFile {
    /// Not TOML of that form. The text is not quoted: it has secrets in it.
    #[error("it is not a key file (expected `active` and `[[key]]` with `kid` and `secret`)")]
    Form,
    /// The secret is not base64.
    #[error("the secret of key `{0}` is not base64")]
    Secret(String),
    /// A key is too short.
    #[error(transparent)]
    Weak(#[from] WeakKey),
    /// Two keys of one id.
    #[error("key `{0}` is there twice")]
    Twice(String),
    /// The active key is not in the file.
    #[error("the active key `{0}` is not among the keys")]
    Active(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    active: String,
    #[serde(default)]
    key: Vec<FileKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileKey {
    kid: String,
    secret: String,
}

/// The keys of a file, with the one that signs.
#[derive(Clone, Debug)]
pub struct KeyFile {
    active: String,
    keys: Vec<(Key, Zeroizing<Vec<u8>>)>,
}

impl KeyFile {
    /// A file with one key, which is active.
    ///
    /// # Errors
    ///
    /// When the secret is too short.
    pub fn new(kid: &str, secret: Vec<u8>) -> Result<Self, WeakKey> {
        let mut file = Self {
            active: kid.to_owned(),
            keys: Vec::new(),
        };
        file.add(kid, secret)?;
        Ok(file)
    }

    /// Reads a file's text.
    ///
    /// # Errors
    ///
    /// When it is malformed, a key is weak or doubled, or the active key is missing. The error quotes no
    /// secret.
    pub fn parse(text: &str) -> Result<Self, InvalidKeyFile> {
        let file: File = toml::from_str(text).map_err(|_| InvalidKeyFile::Form)?;
        let mut keys: Vec<(Key, Zeroizing<Vec<u8>>)> = Vec::new();
        for FileKey { kid, secret } in file.key {
            let secret = Zeroizing::new(secret);
            if keys.iter().any(|(key, _)| key.kid() == kid) {
                return Err(InvalidKeyFile::Twice(kid));
            }
            let secret = BASE64
                .decode(secret.trim().as_bytes())
                .map_err(|_| InvalidKeyFile::Secret(kid.clone()))?;
            keys.push((Key::new(kid, secret.clone())?, Zeroizing::new(secret)));
        }
        if !keys.iter().any(|(key, _)| key.kid() == file.active) {
            return Err(InvalidKeyFile::Active(file.active));
        }
        Ok(Self {
            active: file.active,
            keys,
        })
    }

    /// The file's text, secrets included.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(format!("active = {:?}\n", self.active));
        for (key, secret) in &self.keys {
            let secret = Zeroizing::new(BASE64.encode(secret));
            let _ = write!(
                text,
                "\n[[key]]\nkid = {:?}\nsecret = \"{}\"\n",
                key.kid(),
                secret.as_str()
            );
        }
        text
    }

    /// Adds a key, or replaces the one of that id; it does not sign before it is made active.
    ///
    /// # Errors
    ///
    /// When the secret is too short.
    pub fn add(&mut self, kid: &str, secret: Vec<u8>) -> Result<(), WeakKey> {
        let key = Key::new(kid, secret.clone())?;
        self.keys.retain(|(key, _)| key.kid() != kid);
        self.keys.push((key, Zeroizing::new(secret)));
        Ok(())
    }

    /// Lets the key of that id sign; false when there is none.
    pub fn activate(&mut self, kid: &str) -> bool {
        let known = self.keys.iter().any(|(key, _)| key.kid() == kid);
        if known {
            kid.clone_into(&mut self.active);
        }
        known
    }

    /// Forgets a key: what it signed is believed no more. False for the active key and for unknown ones.
    pub fn retire(&mut self, kid: &str) -> bool {
        let before = self.keys.len();
        if kid != self.active {
            self.keys.retain(|(key, _)| key.kid() != kid);
        }
        self.keys.len() < before
    }

    /// The id of the key that signs.
    #[must_use]
    pub fn active(&self) -> &str {
        &self.active
    }

    /// All keys, by id.
    #[must_use]
    pub fn keyring(&self) -> Keyring {
        Keyring::new(self.keys.iter().map(|(key, _)| key.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_survives_writing_reading_and_rotation() {
        let mut file = KeyFile::new("one", vec![1; 32]).expect("long enough");
        file.add("two", vec![2; 32]).expect("long enough");
        assert!(file.activate("two"));
        assert!(!file.retire("two"), "the active key stays");
        let read = KeyFile::parse(&file.to_text()).expect("its own text");
        assert_eq!(read.active(), "two");
        assert_eq!(read.keyring().kids().collect::<Vec<_>>(), ["one", "two"]);
        let mut read = read;
        assert!(read.retire("one"));
        assert_eq!(read.keyring().kids().collect::<Vec<_>>(), ["two"]);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_without_its_secrets() {
        let secret = BASE64.encode(&[7; 32]);
        for (text, said) in [
            (
                format!("active = \"a\"\nsecret = \"{secret}\""),
                "not a key file",
            ),
            (
                format!("active = \"b\"\n[[key]]\nkid = \"a\"\nsecret = \"{secret}\""),
                "not among",
            ),
            (
                "active = \"a\"\n[[key]]\nkid = \"a\"\nsecret = \"AAAA\"".to_owned(),
                "3 bytes",
            ),
            (
                "active = \"a\"\n[[key]]\nkid = \"a\"\nsecret = \"!\"".to_owned(),
                "not base64",
            ),
        ] {
            let error = KeyFile::parse(&text).expect_err("wrong").to_string();
            assert!(error.contains(said), "{error}");
            assert!(!error.contains(&secret), "{error}");
        }
    }
}
