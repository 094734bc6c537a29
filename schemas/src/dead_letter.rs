//! What a service could not take, with its reason.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A refused message as it was received.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Who refused it.
    pub service: String,
    /// Why.
    pub reason: String,
    /// The stream that it is in.
    pub stream: String,
    /// Its sequence there.
    pub stream_seq: u64,
    /// Its subject.
    pub subject: String,
    /// Its headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Its body, as received.
    #[serde(default, with = "body")]
    pub body: Vec<u8>,
}

/// Bytes as MessagePack's `bin`, not as an array of numbers.
mod body {
    use serde::{Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&data_encoding::BASE64.encode(bytes))
        } else {
            serializer.serialize_bytes(bytes)
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes, or base64 text")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<u8>, E> {
                data_encoding::BASE64
                    .decode(text.as_bytes())
                    .map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
