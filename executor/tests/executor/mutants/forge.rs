//! What forgers do to an envelope.

use std::time::Duration;

use aegis_schemas::RefusalCode::{
    self, Audience, BadMac, Expired, Malformed, NotYetValid, Replayed, TargetMismatch, TooLarge,
    TypeMismatch,
};
use aegis_schemas::signature::{DECISION_TYPE, Envelope, MAX_ENVELOPE};
use aegis_schemas::{Subject, Warrant, codec};
use rand::{Rng, RngCore};
use rand_chacha::ChaCha8Rng;

use super::genuine::{Genuine, sealed};
use super::{Mutant, done, other_key};
use crate::support::key;

/// Makes a mutant of one of the genuine ones, and says of which. What it is depends on the number and on
/// what is drawn, and on nothing else.
type Forge = for<'a> fn(&'a [Genuine], u64, &mut ChaCha8Rng) -> (&'a Genuine, Mutant);
/// A kind of forgery, and how it may be refused.
pub(super) type Forgery = (&'static str, Forge, &'static [RefusalCode]);

/// Four of five mutants have one bit flipped: a million of them is each bit of a hundred envelopes.
const BIT: Forgery = ("bit", bit, &[Malformed, BadMac]);

/// The others.
pub(super) const FORGERIES: [Forgery; 16] = [
    ("bytes", bytes, &[Malformed, BadMac]),
    ("splice", splice, &[Malformed, BadMac]),
    ("body of another", body_of_another, &[BadMac]),
    (
        "signature of another key",
        signature_of_another_key,
        &[BadMac],
    ),
    ("unknown key", unknown_key, &[BadMac]),
    ("key inside", key_inside, &[Malformed]),
    ("type, unsigned", type_unsigned, &[BadMac]),
    ("type, signed", type_signed, &[TypeMismatch]),
    ("audience", audience, &[Audience]),
    ("time", time, &[NotYetValid, Expired, Malformed]),
    ("clock", clock, &[NotYetValid, Expired]),
    ("truncated", truncated, &[Malformed]),
    ("extended", extended, &[Malformed, TooLarge]),
    ("body extended, signed", body_extended, &[Malformed]),
    ("another spelling", another_spelling, &[Malformed]),
    (
        "replay or other place",
        replay_or_other_place,
        &[Replayed, TargetMismatch],
    ),
];

/// The kind of the mutant of that number.
pub(super) fn kind(number: u64) -> Forgery {
    match number % 5 {
        0 => FORGERIES[(number / 5) as usize % FORGERIES.len()],
        _ => BIT,
    }
}

fn one<'a>(genuine: &'a [Genuine], draw: &mut ChaCha8Rng) -> &'a Genuine {
    &genuine[draw.random_range(0..genuine.len())]
}

fn two<'a>(genuine: &'a [Genuine], draw: &mut ChaCha8Rng) -> (&'a Genuine, &'a Genuine) {
    let first = draw.random_range(0..genuine.len());
    let other = (first + draw.random_range(1..genuine.len())) % genuine.len();
    (&genuine[first], &genuine[other])
}

fn with_bytes(of: &Genuine, bytes: Vec<u8>) -> (&Genuine, Mutant) {
    assert_ne!(bytes, of.bytes, "no mutant");
    let mutant = Mutant {
        bytes,
        ..Mutant::of(of)
    };
    (of, mutant)
}

fn touched(of: &Genuine, touch: impl FnOnce(&mut Envelope)) -> (&Genuine, Mutant) {
    let mut envelope: Envelope = codec::decode(&of.bytes).unwrap();
    touch(&mut envelope);
    with_bytes(of, codec::encode(&envelope).unwrap())
}

/// Rightly signed, and another decision.
fn signed(of: &Genuine, change: impl FnOnce(&mut Warrant)) -> (&Genuine, Mutant) {
    let mut warrant = of.warrant.clone();
    change(&mut warrant);
    with_bytes(of, sealed(&warrant))
}

/// The next bit of all envelopes, one behind the other, so that none is flipped twice before all were.
fn bit<'a>(genuine: &'a [Genuine], number: u64, _: &mut ChaCha8Rng) -> (&'a Genuine, Mutant) {
    /// A prime that is larger than the number of bits: few mutants are spread over all envelopes.
    const STRIDE: usize = 15_485_863;
    let all: usize = genuine.iter().map(|one| one.bytes.len() * 8).sum();
    let nth = (number / 5 * 4 + number % 5 - 1) as usize;
    let mut place = nth % all * STRIDE % all;
    let of = genuine.iter().find(|one| {
        let bits = one.bytes.len() * 8;
        let here = place < bits;
        place -= if here { 0 } else { bits };
        here
    });
    let of = of.unwrap();
    let mut bytes = of.bytes.clone();
    bytes[place / 8] ^= 1 << (place % 8);
    with_bytes(of, bytes)
}

fn bytes<'a>(genuine: &'a [Genuine], _: u64, draw: &mut ChaCha8Rng) -> (&'a Genuine, Mutant) {
    let of = one(genuine, draw);
    let mut bytes = of.bytes.clone();
    for _ in 0..draw.random_range(1..5) {
        let place = draw.random_range(0..bytes.len());
        // Never back to what it was.
        bytes[place] = of.bytes[place].wrapping_add(draw.random_range(1..=255));
    }
    with_bytes(of, bytes)
}

fn splice<'a>(genuine: &'a [Genuine], _: u64, draw: &mut ChaCha8Rng) -> (&'a Genuine, Mutant) {
    let (of, other) = two(genuine, draw);
    loop {
        // Never the whole signature.
        let head = draw.random_range(0..of.bytes.len() - 16);
        let tail = draw.random_range(0..other.bytes.len());
        let spliced = [&of.bytes[..head], &other.bytes[tail..]].concat();
        // Both begin alike: a tail that starts where such a head ends is the other one, and genuine.
        if spliced != other.bytes {
            return with_bytes(of, spliced);
        }
    }
}

fn body_of_another<'a>(
    genuine: &'a [Genuine],
    _: u64,
    draw: &mut ChaCha8Rng,
) -> (&'a Genuine, Mutant) {
    let (of, other) = two(genuine, draw);
    touched(of, |envelope| {
        let other: Envelope = codec::decode(&other.bytes).unwrap();
        envelope.payload = other.payload;
    })
}

/// Another active key signed; the envelope says it was the first one.
fn signature_of_another_key<'a>(
    genuine: &'a [Genuine],
    _: u64,
    draw: &mut ChaCha8Rng,
) -> (&'a Genuine, Mutant) {
    touched(one(genuine, draw), |envelope| {
        let payload = envelope.payload.clone();
        let mut other = Envelope::sign(DECISION_TYPE, payload, &other_key());
        envelope.sigs[0].sig = other.sigs.remove(0).sig;
    })
}

fn unknown_key<'a>(genuine: &'a [Genuine], _: u64, draw: &mut ChaCha8Rng) -> (&'a Genuine, Mutant) {
    let kid = ["", "Test", "test ", "../test", "older\0"][draw.random_range(0..5)];
    touched(one(genuine, draw), |envelope| {
        kid.clone_into(&mut envelope.sigs[0].kid);
    })
}

/// Signed by an active key, and the body names another one, or no algorithm of ours.
fn key_inside<'a>(genuine: &'a [Genuine], _: u64, draw: &mut ChaCha8Rng) -> (&'a Genuine, Mutant) {
    let other: bool = draw.random();
    signed(one(genuine, draw), |warrant| match other {
        true => "older".clone_into(&mut warrant.kid),
        false => "none".clone_into(&mut warrant.alg),
    })
}

const TYPES: [&str; 4] = [
    "",
    "application/json",
    "application/vnd.aegis.anomaly.v1+msgpack",
    "application/vnd.aegis.decision.v2+msgpack",
];

fn type_unsigned<'a>(
    genuine: &'a [Genuine],
    _: u64,
    draw: &mut ChaCha8Rng,
) -> (&'a Genuine, Mutant) {
    let kind = TYPES[draw.random_range(0..TYPES.len())];
    touched(one(genuine, draw), |envelope| {
        kind.clone_into(&mut envelope.payload_type);
    })
}

fn type_signed<'a>(genuine: &'a [Genuine], _: u64, draw: &mut ChaCha8Rng) -> (&'a Genuine, Mutant) {
    let kind = TYPES[draw.random_range(0..TYPES.len())];
    touched(one(genuine, draw), |envelope| {
        *envelope = Envelope::sign(kind, envelope.payload.clone(), &key());
    })
}

fn audience<'a>(genuine: &'a [Genuine], _: u64, draw: &mut ChaCha8Rng) -> (&'a Genuine, Mutant) {
    let others = [
        "",
        "aegis-executor/",
        "aegis-executor/other",
        "aegis-ingest/cluster-uid",
    ];
    let other = others[draw.random_range(0..others.len())];
    signed(one(genuine, draw), |warrant| {
        other.clone_into(&mut warrant.audience);
    })
}

/// Its times moved, together or apart.
fn time<'a>(genuine: &'a [Genuine], _: u64, draw: &mut ChaCha8Rng) -> (&'a Genuine, Mutant) {
    let far = Duration::from_millis(draw.random_range(130_000..1_000_000_000));
    let which = draw.random_range(0..5);
    signed(one(genuine, draw), |warrant| match which {
        0 => {
            let times = [&mut warrant.iat, &mut warrant.nbf, &mut warrant.exp];
            times.into_iter().for_each(|time| *time = *time + far);
        }
        1 => {
            let times = [&mut warrant.iat, &mut warrant.nbf, &mut warrant.exp];
            times.into_iter().for_each(|time| *time = *time - far);
        }
        2 => warrant.exp = warrant.exp + far,
        3 => {
            warrant.iat = warrant.iat + far;
            warrant.exp = warrant.exp + far;
        }
        _ => warrant.nbf = warrant.nbf + far,
    })
}

/// Right bytes at the wrong time.
fn clock<'a>(genuine: &'a [Genuine], _: u64, draw: &mut ChaCha8Rng) -> (&'a Genuine, Mutant) {
    let of = one(genuine, draw);
    let away = Duration::from_millis(draw.random_range(0..1_000_000_000));
    let skew = Duration::from_secs(5);
    let mut mutant = Mutant::of(of);
    mutant.now = match draw.random() {
        true => of.warrant.exp + skew + away,
        false => of.warrant.nbf - skew - away - Duration::from_millis(1),
    };
    (of, mutant)
}

fn truncated<'a>(genuine: &'a [Genuine], _: u64, draw: &mut ChaCha8Rng) -> (&'a Genuine, Mutant) {
    let of = one(genuine, draw);
    let left = draw.random_range(0..of.bytes.len());
    with_bytes(of, of.bytes[..left].to_vec())
}

fn extended<'a>(genuine: &'a [Genuine], _: u64, draw: &mut ChaCha8Rng) -> (&'a Genuine, Mutant) {
    let of = one(genuine, draw);
    let most = if draw.random() { 64 } else { MAX_ENVELOPE };
    let mut more = vec![0; draw.random_range(1..=most)];
    draw.fill_bytes(&mut more);
    with_bytes(of, [of.bytes.clone(), more].concat())
}

/// More in the signed body than a decision.
fn body_extended<'a>(
    genuine: &'a [Genuine],
    _: u64,
    draw: &mut ChaCha8Rng,
) -> (&'a Genuine, Mutant) {
    let more: u8 = draw.random();
    touched(one(genuine, draw), |envelope| {
        let payload = [envelope.payload.clone(), vec![more]].concat();
        *envelope = Envelope::sign(DECISION_TYPE, payload, &key());
    })
}

/// The same map of three fields with a longer head: the same envelope in other bytes.
fn another_spelling<'a>(
    genuine: &'a [Genuine],
    _: u64,
    draw: &mut ChaCha8Rng,
) -> (&'a Genuine, Mutant) {
    let of = one(genuine, draw);
    assert_eq!(of.bytes[0], 0x83, "a map of three fields");
    let head: &[u8] = match draw.random() {
        true => &[0xde, 0, 3],
        false => &[0xdf, 0, 0, 0, 3],
    };
    with_bytes(of, [head, &of.bytes[1..]].concat())
}

/// Genuine bytes once more, or where they do not belong.
fn replay_or_other_place<'a>(
    genuine: &'a [Genuine],
    _: u64,
    draw: &mut ChaCha8Rng,
) -> (&'a Genuine, Mutant) {
    let (of, other) = two(genuine, draw);
    let mut mutant = Mutant::of(of);
    match draw.random_range(0..3) {
        0 if !of.restarts_pod() => mutant.claim = Some(done(&of.warrant)),
        1 => {
            let elsewhere = mutant.subject.as_str().replace("shop", "bank");
            mutant.subject = Subject::parse(&elsewhere).unwrap();
        }
        _ => return (other, mutant),
    }
    (of, mutant)
}
