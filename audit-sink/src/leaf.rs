//! The bytes that the Merkle tree commits to.
//!
//! Version 1: a version byte, then fields, each behind its length as four bytes, big-endian:
//! stream name, epoch (2), sequence (8), stream time (8), subject, number of headers (4), each
//! header's name and value, the form (1 byte: 0 = open, 1 = sealed), and the body as received or, when
//! sealed, `SHA-256(salt ‖ body)`. No two records have the same bytes, and none can be read in two ways.

use std::collections::BTreeMap;

use aegis_schemas::{Stream, Timestamp};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::Record;

const VERSION: u8 = 1;
const OPEN: u8 = 0;
const SEALED: u8 = 1;

/// What hides a sealed body from guesses.
pub type Salt = [u8; 32];

/// What a leaf says of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// The body itself.
    Open(Bytes),
    /// The commitment to a body that is kept elsewhere and may be erased.
    Sealed([u8; 32]),
}

/// A leaf, read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The record; its body is empty when it is sealed.
    pub record: Record,
    /// What the leaf says of the body.
    pub body: Body,
}

/// The commitment to `body` under `salt`.
#[must_use]
pub fn commitment(salt: &Salt, body: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(salt);
    hasher.update(body);
    hasher.finalize().into()
}

/// The leaf of `record`; sealed when there is a salt.
#[must_use]
pub fn encode(record: &Record, salt: Option<&Salt>) -> Vec<u8> {
    let mut leaf = Vec::with_capacity(256 + record.body.len());
    leaf.push(VERSION);
    put(&mut leaf, record.stream.name().as_bytes());
    put(&mut leaf, &record.epoch.to_be_bytes());
    put(&mut leaf, &record.seq.to_be_bytes());
    put(&mut leaf, &record.time.as_nanos().to_be_bytes());
    put(&mut leaf, record.subject.as_bytes());
    put(&mut leaf, &length(record.headers.len()).to_be_bytes());
    for (name, value) in &record.headers {
        put(&mut leaf, name.as_bytes());
        put(&mut leaf, value.as_bytes());
    }
    match salt {
        None => {
            put(&mut leaf, &[OPEN]);
            put(&mut leaf, &record.body);
        }
        Some(salt) => {
            put(&mut leaf, &[SEALED]);
            put(&mut leaf, &commitment(salt, &record.body));
        }
    }
    leaf
}

/// Reads a leaf. Only the bytes that [`encode`] writes are one.
///
/// # Errors
///
/// When the bytes are not a leaf of a known version. Never panics.
pub fn decode(bytes: &[u8]) -> Result<Leaf, String> {
    let (&version, rest) = bytes.split_first().ok_or("the leaf is empty")?;
    if version != VERSION {
        return Err(format!("leaf version {version} is unknown"));
    }
    let mut fields = Fields(rest);
    let stream = fields.text()?;
    let stream = Stream::from_name(&stream).ok_or(format!("stream `{stream}` is unknown"))?;
    let epoch = u16::from_be_bytes(fields.array()?);
    let seq = u64::from_be_bytes(fields.array()?);
    let time = Timestamp::from_nanos(i64::from_be_bytes(fields.array()?));
    let subject = fields.text()?;
    let count = u32::from_be_bytes(fields.array()?);
    let mut headers = BTreeMap::new();
    for _ in 0..count {
        let name = fields.text()?;
        if headers
            .last_key_value()
            .is_some_and(|(last, _)| *last >= name)
        {
            return Err("headers are not in order".to_owned());
        }
        let value = fields.text()?;
        headers.insert(name, value);
    }
    let [form] = fields.array()?;
    let body = match form {
        OPEN => Body::Open(Bytes::copy_from_slice(fields.next()?)),
        SEALED => Body::Sealed(fields.array()?),
        other => return Err(format!("form {other} is unknown")),
    };
    if !fields.0.is_empty() {
        return Err(format!("{} bytes follow the leaf", fields.0.len()));
    }
    let open = match &body {
        Body::Open(body) => body.clone(),
        Body::Sealed(_) => Bytes::new(),
    };
    Ok(Leaf {
        record: Record {
            stream,
            epoch,
            seq,
            time,
            subject,
            headers,
            body: open,
        },
        body,
    })
}

fn put(leaf: &mut Vec<u8>, field: &[u8]) {
    leaf.extend_from_slice(&length(field.len()).to_be_bytes());
    leaf.extend_from_slice(field);
}

fn length(length: usize) -> u32 {
    u32::try_from(length).expect("a message of JetStream is far smaller than 4 GiB")
}

/// Length-prefixed fields, one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<&'a [u8], String> {
        let short = || "the leaf ends early".to_owned();
        let (length, rest) = self.0.split_first_chunk::<4>().ok_or_else(short)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| short())?;
        let (field, rest) = rest.split_at_checked(length).ok_or_else(short)?;
        self.0 = rest;
        Ok(field)
    }

    fn text(&mut self) -> Result<String, String> {
        String::from_utf8(self.next()?.to_vec()).map_err(|_| "a text is not UTF-8".to_owned())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let field = self.next()?;
        field
            .try_into()
            .map_err(|_| format!("a field has {} bytes instead of {N}", field.len()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(body: Vec<u8>, headers: BTreeMap<String, String>, seq: u64) -> Record {
        Record {
            stream: Stream::Events,
            epoch: 3,
            seq,
            time: Timestamp::from_nanos(7),
            subject: "aegis.v1.signal.pod.demo.shop.cart".to_owned(),
            headers,
            body: body.into(),
        }
    }

    #[test]
    fn version_one_keeps_its_bytes() {
        let headers = BTreeMap::from([("ce-id".to_owned(), "x".to_owned())]);
        let leaf = encode(&record(vec![0xc0], headers, 2), None);
        assert_eq!(
            data_encoding::HEXLOWER.encode(&leaf),
            "010000000c41454749535f4556454e5453000000020003000000080000000000000002000000080000000000000007\
             0000002261656769732e76312e7369676e616c2e706f642e64656d6f2e73686f702e63617274000000040000000100\
             00000563652d696400000001780000000100\
             00000001c0"
        );
    }

    #[test]
    fn sealed_leaf_hides_the_body_and_the_salt_opens_it() {
        let record = record(b"cpu 0.7".to_vec(), BTreeMap::new(), 1);
        let salt = [9; 32];
        let leaf = encode(&record, Some(&salt));
        assert!(!leaf.windows(7).any(|window| window == b"cpu 0.7"));
        let Body::Sealed(sealed) = decode(&leaf).unwrap().body else {
            panic!("expected a sealed body");
        };
        assert_eq!(sealed, commitment(&salt, b"cpu 0.7"));
        assert_ne!(sealed, commitment(&[8; 32], b"cpu 0.7"));
    }

    proptest! {
        #[test]
        fn leaf_reads_back(
            body in proptest::collection::vec(any::<u8>(), 0..200),
            headers in proptest::collection::btree_map(".{0,8}", ".{0,8}", 0..5),
            seq in any::<u64>(),
        ) {
            let record = record(body, headers, seq);
            let leaf = encode(&record, None);
            prop_assert_eq!(decode(&leaf).unwrap().record, record);
        }

        #[test]
        fn no_other_bytes_are_the_same_leaf(
            body in proptest::collection::vec(any::<u8>(), 0..40),
            at in any::<prop::sample::Index>(),
            flip in 1_u8..,
        ) {
            let record = record(body, BTreeMap::from([("a".to_owned(), "b".to_owned())]), 5);
            let mut leaf = encode(&record, None);
            let at = at.index(leaf.len());
            leaf[at] ^= flip;
            if let Ok(other) = decode(&leaf) {
                prop_assert_ne!(other.record, record);
            }
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes);
        }
    }
}
