//! Rows of small values as bytes: a snapshot of them is no larger than they are.
//!
//! MessagePack says of each number in an array how long it is, and of each structure how many parts it has.
//! For the slots of a day and the values of a stretch that is more than half as much again.

use std::marker::PhantomData;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

/// A value that takes `N` bytes, whatever it is.
pub(super) trait Packed<const N: usize>: Copy {
    /// Its bytes.
    fn pack(self) -> [u8; N];
    /// The value that has these bytes.
    fn unpack(bytes: [u8; N]) -> Self;
}

impl Packed<1> for i8 {
    fn pack(self) -> [u8; 1] {
        self.to_le_bytes()
    }

    fn unpack(bytes: [u8; 1]) -> Self {
        Self::from_le_bytes(bytes)
    }
}

/// Writes the values as one string of bytes.
///
/// # Errors
///
/// When the serializer has one.
pub(super) fn serialize<const N: usize, T: Packed<N>, S: Serializer>(
    values: &[T],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.pack()).collect();
    serializer.serialize_bytes(&bytes)
}

/// Reads the values from one string of bytes.
///
/// # Errors
///
/// When it ends within a value, or the deserializer has an error.
pub(super) fn deserialize<'de, const N: usize, T: Packed<N>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    struct Whole<const N: usize, T>(PhantomData<T>);

    impl<const N: usize, T: Packed<N>> Visitor<'_> for Whole<N, T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "a multiple of {N} bytes")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
            let (values, rest) = bytes.as_chunks::<N>();
            if rest.is_empty() {
                Ok(values.iter().map(|value| T::unpack(*value)).collect())
            } else {
                Err(E::invalid_length(bytes.len(), &self))
            }
        }
    }

    deserializer.deserialize_bytes(Whole(PhantomData))
}
