//! Signed heads of the tree: C2SP tlog-checkpoint in a signed note, Ed25519.
//!
//! Keys are written as the note packages write them: `PRIVATE+KEY+<name>+<hash>+<base64>` and
//! `<name>+<hash>+<base64>`, so any witness can check them.

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signature, Signer as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::Error;
use crate::merkle::Hash;

/// The algorithm byte of Ed25519 in keys and key ids.
const ED25519: u8 = 1;
/// An em dash and a space begin a signature line.
const SIGNATURE: &str = "\u{2014} ";

/// Size and root of the tree at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// How many leaves.
    pub size: u64,
    /// Their root.
    pub root: Hash,
}

impl Checkpoint {
    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            BASE64.encode(&self.root)
        )
    }

    /// Reads a signed checkpoint of the log that `key` signs.
    ///
    /// # Errors
    ///
    /// When no valid signature of `key` is on it, or it is not a checkpoint of that log.
    pub fn open(note: &str, key: &VerifyingKey) -> Result<Self, Error> {
        let checkpoint = Self::parse(key.open(note)?)?;
        if checkpoint.origin == key.name {
            Ok(checkpoint)
        } else {
            Err(Error::Checkpoint(format!(
                "it is of the log `{}`, not of `{}`",
                checkpoint.origin, key.name
            )))
        }
    }

    fn parse(text: &str) -> Result<Self, Error> {
        let malformed = || Error::Checkpoint("the text is not origin, size and root".to_owned());
        let mut lines = text.lines();
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(malformed());
        };
        let parsed: u64 = size.parse().map_err(|_| malformed())?;
        if parsed.to_string() != size || origin.is_empty() {
            return Err(malformed());
        }
        let root = BASE64.decode(root.as_bytes()).map_err(|_| malformed())?;
        Ok(Self {
            origin: origin.to_owned(),
            size: parsed,
            root: root.try_into().map_err(|_| malformed())?,
        })
    }
}

/// Whether `name` may name a key.
#[must_use]
pub fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('+') && !name.contains(char::is_whitespace)
}

/// The private key of a log.
pub struct SigningKey {
    name: String,
    key: ed25519_dalek::SigningKey,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey")
            .field("name", &self.name)
            .field("key", &"***")
            .finish()
    }
}

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    ///
    /// When the name cannot name a key or the system has no randomness.
    pub fn generate(name: &str) -> Result<Self, Error> {
        if !is_key_name(name) {
            return Err(Error::Key(format!("`{name}` cannot name a key")));
        }
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(|error| Error::Key(error.to_string()))?;
        Ok(Self {
            name: name.to_owned(),
            key: ed25519_dalek::SigningKey::from_bytes(&seed),
        })
    }

    /// Reads a key as text.
    ///
    /// # Errors
    ///
    /// When it is not one.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let malformed = || Error::Key("not a private key (`PRIVATE+KEY+…`)".to_owned());
        let rest = text
            .trim()
            .strip_prefix("PRIVATE+KEY+")
            .ok_or_else(malformed)?;
        let mut parts = rest.splitn(3, '+');
        let (Some(name), Some(hash), Some(secret)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed());
        };
        let bytes = Zeroizing::new(BASE64.decode(secret.as_bytes()).map_err(|_| malformed())?);
        let (&algorithm, seed) = bytes.split_first().ok_or_else(malformed)?;
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(seed.try_into().map_err(|_| malformed())?);
        let key = Self {
            name: name.to_owned(),
            key: ed25519_dalek::SigningKey::from_bytes(&seed),
        };
        let expected = HEXLOWER.encode(&key.verifying_key().id());
        if algorithm == ED25519 && is_key_name(name) && hash == expected {
            Ok(key)
        } else {
            Err(malformed())
        }
    }

    /// Reads a key file that only its owner may read.
    ///
    /// # Errors
    ///
    /// When others may read it, or it is not a key.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let mode = std::fs::metadata(path)
            .map_err(|error| Error::file(path, error))?
            .permissions()
            .mode();
        if mode & 0o077 != 0 {
            return Err(Error::Key(format!(
                "`{}` lies open to others (mode {:03o}), it must be 400",
                path.display(),
                mode & 0o777
            )));
        }
        let text = Zeroizing::new(
            std::fs::read_to_string(path).map_err(|error| Error::file(path, error))?,
        );
        Self::parse(&text)
    }

    /// Writes the key to a new file of mode 0400 and its public half beside it, with `.pub` added.
    ///
    /// # Errors
    ///
    /// When there is such a file or it cannot be written.
    pub fn write_new(&self, path: &Path) -> Result<(), Error> {
        let write = |path: &Path, mode: u32, text: &str| {
            std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(mode)
                .open(path)
                .and_then(|mut file| {
                    file.write_all(text.as_bytes())?;
                    file.sync_all()
                })
                .map_err(|error| Error::file(path, error))
        };
        write(path, 0o400, &self.to_text())?;
        let mut public = path.as_os_str().to_owned();
        public.push(".pub");
        write(
            Path::new(&public),
            0o444,
            &format!("{}\n", self.verifying_key()),
        )
    }

    fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(vec![ED25519]);
        bytes.extend_from_slice(self.key.as_bytes());
        Zeroizing::new(format!(
            "PRIVATE+KEY+{}+{}+{}\n",
            self.name,
            HEXLOWER.encode(&self.verifying_key().id()),
            BASE64.encode(&bytes)
        ))
    }

    /// The log's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public half.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey {
            name: self.name.clone(),
            key: self.key.verifying_key(),
        }
    }

    /// `text` with a signature. The text ends with a line break.
    #[must_use]
    pub fn sign(&self, text: &str) -> String {
        let mut signed = self.verifying_key().id().to_vec();
        signed.extend_from_slice(&self.key.sign(text.as_bytes()).to_bytes());
        format!(
            "{text}\n{SIGNATURE}{} {}\n",
            self.name,
            BASE64.encode(&signed)
        )
    }

    /// The signed head of the tree.
    #[must_use]
    pub fn checkpoint(&self, size: u64, root: Hash) -> String {
        let checkpoint = Checkpoint {
            origin: self.name.clone(),
            size,
            root,
        };
        self.sign(&checkpoint.text())
    }
}

/// The public key of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    name: String,
    key: ed25519_dalek::VerifyingKey,
}

impl VerifyingKey {
    /// Reads the public key beside the private one at `path`, or at `path` itself.
    ///
    /// # Errors
    ///
    /// When neither file holds one.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let mut public = path.as_os_str().to_owned();
        public.push(".pub");
        let public = Path::new(&public);
        let chosen = if public.exists() { public } else { path };
        std::fs::read_to_string(chosen)
            .map_err(|error| Error::file(chosen, error))?
            .parse()
    }

    /// The log's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of SHA-256(name ‖ line break ‖ algorithm ‖ key).
    fn id(&self) -> [u8; 4] {
        let mut hasher = Sha256::new();
        hasher.update(self.name.as_bytes());
        hasher.update([b'\n', ED25519]);
        hasher.update(self.key.as_bytes());
        let digest: [u8; 32] = hasher.finalize().into();
        [digest[0], digest[1], digest[2], digest[3]]
    }

    /// The text of a note, once a signature of this key on it holds. Other signatures are passed over.
    ///
    /// # Errors
    ///
    /// When there is no such signature.
    pub fn open<'a>(&self, note: &'a str) -> Result<&'a str, Error> {
        let malformed = || Error::Checkpoint("it is not a signed note".to_owned());
        let split = note.rfind("\n\n").ok_or_else(malformed)? + 1;
        let (text, signatures) = note.split_at(split);
        let unsigned = || Error::Checkpoint(format!("no valid signature of `{}`", self.name));
        let line = signatures
            .lines()
            .filter_map(|line| line.strip_prefix(SIGNATURE)?.split_once(' '))
            .filter(|(name, _)| *name == self.name)
            .filter_map(|(_, signature)| BASE64.decode(signature.as_bytes()).ok())
            .find(|signature| signature.len() == 68 && signature[..4] == self.id())
            .ok_or_else(unsigned)?;
        let signature = Signature::from_slice(&line[4..]).map_err(|_| unsigned())?;
        self.key
            .verify_strict(text.as_bytes(), &signature)
            .map_err(|_| unsigned())?;
        Ok(text)
    }
}

impl std::fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut bytes = vec![ED25519];
        bytes.extend_from_slice(self.key.as_bytes());
        write!(
            f,
            "{}+{}+{}",
            self.name,
            HEXLOWER.encode(&self.id()),
            BASE64.encode(&bytes)
        )
    }
}

impl std::str::FromStr for VerifyingKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = || Error::Key("not a public key (`name+hash+base64`)".to_owned());
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed());
        };
        let bytes = BASE64.decode(key.as_bytes()).map_err(|_| malformed())?;
        let (&algorithm, key) = bytes.split_first().ok_or_else(malformed)?;
        let key: [u8; 32] = key.try_into().map_err(|_| malformed())?;
        let key = Self {
            name: name.to_owned(),
            key: ed25519_dalek::VerifyingKey::from_bytes(&key).map_err(|_| malformed())?,
        };
        if algorithm == ED25519 && is_key_name(name) && hash == HEXLOWER.encode(&key.id()) {
            Ok(key)
        } else {
            Err(malformed())
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    // The example of the documentation of golang.org/x/mod/sumdb/note.
    const PRIVATE: &str =
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const PUBLIC: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NOTE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\
        \n\
        \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn keys_and_notes_are_those_of_other_implementations() {
        let key = SigningKey::parse(PRIVATE).unwrap();
        assert_eq!(key.verifying_key().to_string(), PUBLIC);
        assert_eq!(key.to_text().trim_end(), PRIVATE);
        let text = key.verifying_key().open(NOTE).unwrap();
        assert_eq!(key.sign(text), NOTE);
    }

    #[test]
    fn checkpoint_keeps_its_text() {
        let key = SigningKey::parse(PRIVATE).unwrap();
        let note = key.checkpoint(0, crate::merkle::empty_root());
        assert!(note.starts_with(
            "PeterNeumann\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n\u{2014} PeterNeumann x08go"
        ));
        let opened = Checkpoint::open(&note, &key.verifying_key()).unwrap();
        assert_eq!((opened.size, opened.root), (0, crate::merkle::empty_root()));
    }

    #[test]
    fn changed_checkpoint_or_another_key_is_refused() {
        let key = SigningKey::generate("example.org/log").unwrap();
        let note = key.checkpoint(7, [1; 32]);
        let public = key.verifying_key();
        assert!(Checkpoint::open(&note, &public).is_ok());
        assert!(Checkpoint::open(&note.replace("\n7\n", "\n8\n"), &public).is_err());
        let other = SigningKey::generate("example.org/log").unwrap();
        assert!(Checkpoint::open(&note, &other.verifying_key()).is_err());
        assert!(Checkpoint::open("", &public).is_err());
    }

    #[test]
    fn key_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.key");
        let key = SigningKey::generate("example.org/log").unwrap();
        key.write_new(&path).unwrap();
        assert!(key.write_new(&path).is_err(), "never writes over a key");
        assert_eq!(
            SigningKey::read(&path).unwrap().verifying_key(),
            VerifyingKey::read(&path).unwrap()
        );
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o440)).unwrap();
        let refused = SigningKey::read(&path).unwrap_err().to_string();
        assert!(
            refused.contains("lies open to others (mode 440)"),
            "{refused}"
        );
    }
}
