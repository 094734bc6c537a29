//! The bytes of a snapshot. What is read back may have been damaged on its way: it is refused or read,
//! and takes no more memory than it fills.

use std::io::{self, Read as _};

use aegis_schemas::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

/// The most bytes of a state.
const MAX_STATE: u64 = 1 << 30;
/// The window that unpacking may reserve, as a power of two. No level of [`pack`] asks for more.
const MAX_WINDOW: u32 = 23;
const LEVEL: i32 = 3;

/// Where in the log a snapshot was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The stream's epoch.
    pub epoch: u16,
    /// The last message that the state contains.
    pub seq: u64,
    /// The core's `now` then.
    pub now: Timestamp,
}

/// What a snapshot consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Where it was taken.
    pub place: Place,
    /// The bytes of the state once unpacked.
    pub size: u64,
    /// The digests of its chunks, in their order.
    pub chunks: Vec<Digest>,
}

/// Compresses a state.
///
/// # Errors
///
/// When there is no memory for it.
pub fn pack(state: &[u8]) -> io::Result<Vec<u8>> {
    zstd::bulk::compress(state, LEVEL)
}

/// The state of `size` bytes that [`pack`] made `packed` of.
///
/// # Errors
///
/// When it was not made so, or not of that many bytes.
pub fn unpack(packed: &[u8], size: u64) -> io::Result<Vec<u8>> {
    let refuse = |reason: String| Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    if size > MAX_STATE {
        return refuse(format!(
            "a state of {size} bytes is larger than {MAX_STATE}"
        ));
    }
    let mut reader = zstd::stream::Decoder::new(packed)?;
    reader.window_log_max(MAX_WINDOW)?;
    let mut state = Vec::new();
    // One byte more tells a state that is too long.
    reader.take(size + 1).read_to_end(&mut state)?;
    if state.len() as u64 == size {
        Ok(state)
    } else {
        refuse(format!(
            "the state does not have the {size} bytes that were written"
        ))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn only_what_was_packed_is_unpacked() {
        let state = b"what a core remembers ".repeat(1_000);
        let size = state.len() as u64;
        let packed = pack(&state).unwrap();
        assert_eq!(unpack(&packed, size).unwrap(), state);
        for wrong in [0, size - 1, size + 1, MAX_STATE + 1, u64::MAX] {
            assert!(unpack(&packed, wrong).is_err(), "{wrong} bytes");
        }
        assert!(unpack(&packed[..packed.len() - 1], size).is_err());
        assert!(unpack(b"no frame", 8).is_err());
        assert_eq!(unpack(&pack(&[]).unwrap(), 0).unwrap(), b"");
    }
}
