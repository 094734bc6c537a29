//! What the audit log keeps and hands out: leaves, checkpoints, keys, proofs.

use std::sync::LazyLock;

use aegis_audit_sink::checkpoint::{Checkpoint, SigningKey, VerifyingKey};
use aegis_audit_sink::leaf::{Body, decode, encode};
use aegis_audit_sink::prove::Proof;

static SIGNER: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate("fuzz").expect("the system has randomness"));

/// A leaf has one spelling.
pub fn leaf(data: &[u8]) {
    let Ok(leaf) = decode(data) else {
        return;
    };
    // A sealed one commits to a body that is not in it.
    if matches!(leaf.body, Body::Open(_)) {
        assert_eq!(encode(&leaf.record, None), data);
    }
    let _ = leaf.record.input();
}

/// A checkpoint, a key or a proof, as text.
pub fn note(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let key = SIGNER.verifying_key();
    // As it comes, and with a right signature, which no fuzzer guesses.
    let _ = Checkpoint::open(text, &key);
    if let Ok(checkpoint) = Checkpoint::open(&SIGNER.sign(text), &key) {
        let again = Checkpoint::open(&SIGNER.sign(&checkpoint.text()), &key);
        assert_eq!(again.ok(), Some(checkpoint));
    }
    if let Ok(key) = text.parse::<VerifyingKey>() {
        assert_eq!(key.to_string().parse().ok(), Some(key));
    }
    let _ = SigningKey::parse(text);
    if let Ok(proof) = serde_json::from_str::<Proof>(text) {
        assert!(proof.check(&key).is_err(), "nobody else has the key");
        let _ = proof.to_string();
    }
}
