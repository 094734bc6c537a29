//! What services keep in buckets: snapshots, claims, the kill switch.

use aegis_executor::Claim;
use aegis_nats::kv::{HaltState, Health};
use aegis_nats::snapshot::{Manifest, Place, pack, unpack};

use super::wire::steady_value;

/// The largest state that is asked for.
const MAX_STATE: u32 = 16 << 20;

/// A kept value: the first byte chooses which.
pub fn kept(data: &[u8]) {
    let Some((&choice, value)) = data.split_first() else {
        return;
    };
    match choice % 6 {
        0 => snapshot(value),
        1 => steady_value::<Manifest>(value),
        2 => steady_value::<Place>(value),
        3 => steady_value::<Claim>(value),
        4 => steady_value::<HaltState>(value),
        _ => steady_value::<Health>(value),
    }
}

/// Four bytes say how large the state is; the others are its chunks.
fn snapshot(value: &[u8]) {
    let Some((size, packed)) = value.split_first_chunk::<4>() else {
        return;
    };
    let size = u64::from(u32::from_be_bytes(*size) % MAX_STATE);
    if let Ok(state) = unpack(packed, size) {
        assert_eq!(state.len() as u64, size);
        let again = pack(&state).expect("there is memory for what was just read");
        assert_eq!(unpack(&again, size).ok(), Some(state));
    }
}
