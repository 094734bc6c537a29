//! Messages and the envelopes of signed ones.

use std::sync::LazyLock;

use aegis_executor::accept::{MAX_LIFETIME, audience, believe};
use aegis_schemas::signature::{DECISION_TYPE, Envelope, Key, Keyring};
use aegis_schemas::{Event, Kind, codec};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The cluster that the envelopes in the seeds are meant for.
pub const CLUSTER_UID: &str = "9d1b6f0a-fuzz";

static KEY: LazyLock<Key> =
    LazyLock::new(|| Key::new("fuzz", vec![7; 32]).expect("32 bytes are enough"));
static KEYS: LazyLock<Keyring> = LazyLock::new(|| Keyring::new([KEY.clone()]));

/// A message: the first byte chooses its kind, the others are its body.
pub fn messages(data: &[u8]) {
    let Some((&choice, body)) = data.split_first() else {
        return;
    };
    let kind = Kind::ALL[usize::from(choice) % Kind::ALL.len()];
    if let Ok(event) = Event::decode(kind.as_str(), body) {
        steady(&event);
    }
}

/// A signed decision, as it comes and as the payload of an envelope with a right signature, which no
/// fuzzer guesses.
pub fn envelope(data: &[u8]) {
    believed(data);
    let signed = Envelope::sign(DECISION_TYPE, data.to_vec(), &KEY);
    if let Ok(bytes) = codec::encode(&signed) {
        believed(&bytes);
    }
}

/// What is believed has one encoding, and is within its bounds.
fn believed(bytes: &[u8]) {
    let Ok(warrant) = believe(bytes, &KEYS, CLUSTER_UID) else {
        return;
    };
    let payload = codec::encode(&warrant).expect("it was read from fewer bytes");
    let canonical = codec::encode(&Envelope::sign(DECISION_TYPE, payload, &KEY));
    assert_eq!(canonical.ok().as_deref(), Some(bytes));
    assert!(warrant.exp <= warrant.iat + MAX_LIFETIME);
    assert_eq!(warrant.audience, audience(CLUSTER_UID));
}

/// What was read can be written, and is read again as it was.
pub fn steady(event: &Event) {
    let bytes = match event.encode() {
        Ok(bytes) => bytes,
        // What a reader adds, such as defaults, may be too much.
        Err(codec::Error::TooLarge(_)) => return,
        Err(error) => panic!("{error} in {event:?}"),
    };
    let again = Event::decode(event.kind().as_str(), &bytes).expect("what was written is read");
    // Not the events: NaN is not equal to itself.
    assert_eq!(again.encode().ok(), Some(bytes));
}

/// As [`steady`], for a value of type `T` in `bytes` that is no message.
pub fn steady_value<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    if let Ok(value) = codec::decode::<T>(bytes)
        && let Ok(written) = codec::encode(&value)
    {
        let again: T = codec::decode(&written).expect("what was written is read");
        assert_eq!(codec::encode(&again).ok(), Some(written));
    }
}
