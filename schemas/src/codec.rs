//! MessagePack with field names, sized before and after.
//!
//! Readers ignore unknown fields and default missing ones. `rmp_serde::from_slice` accepts trailing
//! bytes, which would let one signed body carry a second message, so [`decode`] checks the end.

use serde::{Serialize, de::DeserializeOwned};

/// The largest body that is published, in bytes: the dead-letter wrapper around it still fits into a
/// message of 256 KiB.
pub const MAX_BODY: usize = 240 * 1024;
/// The largest dead letter, in bytes: a body with its headers and the reason why it was refused.
pub const MAX_LETTER: usize = 252 * 1024;

/// Why bytes are not a message, or a message cannot be bytes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// More than [`MAX_BODY`] bytes, or for a dead letter [`MAX_LETTER`].
    #[error("body of {0} bytes is too large")]
    TooLarge(usize),
    /// Bytes follow the message.
    #[error("{0} bytes follow the message")]
    Trailing(usize),
    /// Not MessagePack of this type.
    #[error("malformed body: {0}")]
    Malformed(#[from] rmp_serde::decode::Error),
    /// The value cannot be written.
    #[error("cannot encode: {0}")]
    Unencodable(#[from] rmp_serde::encode::Error),
    /// The message's type is not one that this version knows.
    #[error("unknown message type `{0}`")]
    UnknownType(String),
}

/// The bytes of `message`.
///
/// # Errors
///
/// [`Error::TooLarge`] when they are more than [`MAX_BODY`].
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, Error> {
    encode_within(MAX_BODY, message)
}

pub(crate) fn encode_within<T: Serialize>(limit: usize, message: &T) -> Result<Vec<u8>, Error> {
    let bytes = rmp_serde::to_vec_named(message)?;
    if bytes.len() > limit {
        return Err(Error::TooLarge(bytes.len()));
    }
    Ok(bytes)
}

/// The message in `bytes`.
///
/// # Errors
///
/// When `bytes` are too many, are no such message, or go on after it. Never panics, whatever the bytes.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    decode_within(MAX_BODY, bytes)
}

pub(crate) fn decode_within<T: DeserializeOwned>(limit: usize, bytes: &[u8]) -> Result<T, Error> {
    if bytes.len() > limit {
        return Err(Error::TooLarge(bytes.len()));
    }
    let mut reader = rmp_serde::Deserializer::new(std::io::Cursor::new(bytes));
    let message = T::deserialize(&mut reader)?;
    let read = usize::try_from(reader.position()).unwrap_or(usize::MAX);
    match bytes.len().saturating_sub(read) {
        0 => Ok(message),
        rest => Err(Error::Trailing(rest)),
    }
}
