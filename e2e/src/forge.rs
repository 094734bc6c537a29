//! Decisions that are not what they should be, as whoever holds the signing key or not can make them.

use aegis_schemas::signature::{Envelope, Key};
use aegis_schemas::{Subject, Warrant, codec};

use crate::Policy;

/// Bytes, and the subject that they come on.
pub type Message = (Subject, Vec<u8>);

/// Where a decision belongs.
#[must_use]
pub fn home(warrant: &Warrant) -> Subject {
    Subject::decision("allow", &warrant.target.object.workload)
}

/// A decision after `change`, rightly signed.
#[must_use]
pub fn signed(policy: &Policy, mut warrant: Warrant, change: impl FnOnce(&mut Warrant)) -> Message {
    change(&mut warrant);
    (home(&warrant), policy.sign(&warrant))
}

/// A decision without a signature.
#[must_use]
pub fn bare(warrant: &Warrant) -> Message {
    (home(warrant), encoded(warrant))
}

/// A decision with `more` bytes behind it, as a payload of that type, signed with that key.
#[must_use]
pub fn sealed(warrant: &Warrant, payload_type: &str, more: &[u8], key: &Key) -> Message {
    let payload = [encoded(warrant).as_slice(), more].concat();
    let envelope = Envelope::sign(payload_type, payload, key);
    (home(warrant), encoded(&envelope))
}

/// A decision whose envelope was touched after it was signed.
#[must_use]
pub fn touched(policy: &Policy, warrant: &Warrant, touch: impl FnOnce(&mut Envelope)) -> Message {
    let mut envelope = policy.envelope(warrant);
    touch(&mut envelope);
    (home(warrant), encoded(&envelope))
}

pub(crate) fn encoded<T: serde::Serialize>(message: &T) -> Vec<u8> {
    codec::encode(message).expect("what is forged here is small")
}
