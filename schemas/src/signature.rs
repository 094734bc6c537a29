//! Signed envelopes: DSSE's pre-authentication encoding under HMAC-SHA256.
//!
//! <https://github.com/secure-systems-lab/dsse>. The signature covers the bytes as sent; nothing is
//! parsed before it holds.

use std::collections::BTreeMap;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{Warrant, codec};

/// The payload type of a signed decision.
pub const DECISION_TYPE: &str = "application/vnd.aegis.decision.v1+msgpack";
/// The only algorithm; it is bound to the key, not chosen by the sender.
pub const ALGORITHM: &str = "HS256";
/// The largest envelope, in bytes.
pub const MAX_ENVELOPE: usize = 16 * 1024;
/// The fewest bytes a key may have.
pub const MIN_KEY: usize = 32;

/// One signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// The key's id.
    pub kid: String,
    /// HMAC-SHA256 of the pre-authentication encoding.
    #[serde(with = "bin")]
    pub sig: Vec<u8>,
}

/// Bytes with who vouches for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// What the payload is.
    pub payload_type: String,
    /// The bytes that are signed.
    #[serde(with = "bin")]
    pub payload: Vec<u8>,
    /// The signatures.
    pub sigs: Vec<Signature>,
}

/// Why an envelope is not believed.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// More than [`MAX_ENVELOPE`] bytes.
    #[error("envelope of {0} bytes is larger than {MAX_ENVELOPE}")]
    TooLarge(usize),
    /// Not an envelope with one signature.
    #[error("malformed envelope: {0}")]
    Malformed(String),
    /// Unknown key or wrong signature; which one is not said.
    #[error("no active key signed this")]
    BadMac,
}

impl Envelope {
    /// Signs `payload` as `payload_type` with the key `kid`.
    #[must_use]
    pub fn sign(payload_type: &str, payload: Vec<u8>, key: &Key) -> Self {
        let sig = key.mac(payload_type, &payload);
        Self {
            payload_type: payload_type.to_owned(),
            payload,
            sigs: vec![Signature {
                kid: key.kid.clone(),
                sig,
            }],
        }
    }

    /// Reads an envelope and checks its signature against `keys`; answers it with the key that signed.
    ///
    /// # Errors
    ///
    /// When it is too large, malformed, or signed by no active key.
    pub fn verify<'k>(bytes: &[u8], keys: &'k Keyring) -> Result<(Self, &'k Key), Untrusted> {
        if bytes.len() > MAX_ENVELOPE {
            return Err(Untrusted::TooLarge(bytes.len()));
        }
        let envelope: Self =
            codec::decode(bytes).map_err(|error| Untrusted::Malformed(error.to_string()))?;
        let [signature] = envelope.sigs.as_slice() else {
            return Err(Untrusted::Malformed(format!(
                "{} signatures, expected 1",
                envelope.sigs.len()
            )));
        };
        let key = keys.get(&signature.kid).ok_or(Untrusted::BadMac)?;
        let mut mac = key.hmac();
        mac.update(&pre_authentication_encoding(
            &envelope.payload_type,
            &envelope.payload,
        ));
        mac.verify_slice(&signature.sig)
            .map_err(|_| Untrusted::BadMac)?;
        Ok((envelope, key))
    }

    /// The warrant inside, believed as far as the broker's permissions go: for readers that do not act.
    ///
    /// # Errors
    ///
    /// When the payload is no warrant.
    pub fn peek(&self) -> Result<Warrant, codec::Error> {
        codec::decode(&self.payload)
    }
}

/// `DSSEv1 <len> <type> <len> <body>`.
fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    )
    .into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// A secret key with its id. Prints as `***`.
#[derive(Clone)]
pub struct Key {
    kid: String,
    secret: Zeroizing<Vec<u8>>,
}

/// A key that is too short to be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "key `{kid}` has {length} bytes, at least {MIN_KEY} are needed; make one with `aegis keys new`"
)]
pub struct WeakKey {
    kid: String,
    length: usize,
}

impl Key {
    /// A key of at least [`MIN_KEY`] bytes.
    ///
    /// # Errors
    ///
    /// When it is shorter.
    pub fn new(kid: impl Into<String>, secret: Vec<u8>) -> Result<Self, WeakKey> {
        let kid = kid.into();
        if secret.len() < MIN_KEY {
            return Err(WeakKey {
                kid,
                length: secret.len(),
            });
        }
        Ok(Self {
            kid,
            secret: Zeroizing::new(secret),
        })
    }

    /// The key's id.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// A keyed hash of `parts` in `domain`: for nonces and message ids that nobody else can guess.
    #[must_use]
    pub fn derive(&self, domain: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.hmac();
        for part in std::iter::once(&domain.as_bytes()).chain(parts) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    fn mac(&self, payload_type: &str, payload: &[u8]) -> Vec<u8> {
        let mut mac = self.hmac();
        mac.update(&pre_authentication_encoding(payload_type, payload));
        mac.finalize().into_bytes().to_vec()
    }

    fn hmac(&self) -> Hmac<Sha256> {
        Hmac::new_from_slice(&self.secret).expect("HMAC takes keys of any length")
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .field("secret", &"***")
            .finish()
    }
}

/// The keys that count, by id. While rotating there are two.
#[derive(Clone, Debug, Default)]
pub struct Keyring(BTreeMap<String, Key>);

impl Keyring {
    /// A keyring of `keys`.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = Key>) -> Self {
        Self(keys.into_iter().map(|key| (key.kid.clone(), key)).collect())
    }

    /// The key of that id.
    #[must_use]
    pub fn get(&self, kid: &str) -> Option<&Key> {
        self.0.get(kid)
    }

    /// The ids.
    pub fn kids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether no key counts: then nothing is believed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Bytes as MessagePack's `bin`.
mod bin {
    use serde::{Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}
