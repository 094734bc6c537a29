//! Envelopes that differ from genuine ones in every way that a forger has: none is let through. And
//! genuine ones of every kind: none is held up.

mod forge;
mod genuine;

use std::collections::BTreeMap;
use std::thread;

use aegis_executor::accept::{Facts, Permit, believe, permit};
use aegis_executor::{Claim, Limits};
use aegis_nats::kv::{Health, Seen};
use aegis_schemas::signature::{Key, Keyring};
use aegis_schemas::{PreImage, RefusalCode, Subject, Timestamp, Warrant};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::support::{CLUSTER_UID, key};
use forge::FORGERIES;
use genuine::Genuine;

/// How many are made; `AEGIS_MUTANTS` says another number, `AEGIS_SEED` others.
const MUTANTS: u64 = 20_000;
/// How many genuine envelopes are forged.
const ENVELOPES: u64 = 100;
/// So many mutants come on a genuine one.
const PER_GENUINE: u64 = 10;

/// The decision that is carried out, the bytes that claim to be it, and how things stand.
struct Mutant {
    bytes: Vec<u8>,
    subject: Subject,
    now: Timestamp,
    claim: Option<Claim>,
}

impl Mutant {
    /// Nothing wrong with it yet.
    fn of(genuine: &Genuine) -> Self {
        Self {
            bytes: genuine.bytes.clone(),
            subject: Subject::decision("allow", &genuine.warrant.target.object.workload),
            now: genuine.warrant.iat,
            claim: None,
        }
    }

    /// What the executor makes of it while the object is as `genuine` wants it.
    fn judge(&self, genuine: &Genuine, keys: &Keyring) -> Result<Permit, RefusalCode> {
        let judged = believe(&self.bytes, keys, CLUSTER_UID).and_then(|warrant| {
            let health = Health {
                lag_seconds: 0.0,
                fill: 0.0,
                ..Health::default()
            };
            let facts = Facts {
                now: self.now,
                last_iat: Timestamp::EPOCH,
                subject: self.subject.as_str(),
                seq: 1,
                cluster_uid: CLUSTER_UID,
                claim: self.claim.as_ref(),
                live: Some(&genuine.live),
                reread: false,
                halt: None,
                halt_annotation: false,
                nonce_of: None,
                last_fence: 0,
                acts: 0,
                pods: 0,
                audit: Some(Seen {
                    health,
                    age: std::time::Duration::ZERO,
                }),
                limits: &Limits::default(),
            };
            permit(&warrant, &facts)
        });
        judged.map_err(|refusal| refusal.code)
    }
}

/// A key of another time that is believed as well.
fn other_key() -> Key {
    Key::new("older", vec![9; 32]).unwrap()
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is no number: `{text}`")),
    )
}

/// One thread's share: how many of each kind were refused, and how many genuine ones were let through.
fn share(seed: u64, numbers: impl Iterator<Item = u64>) -> (BTreeMap<&'static str, u64>, u64) {
    let keys = Keyring::new([key(), other_key()]);
    let genuine: Vec<Genuine> = (0..ENVELOPES)
        .map(|number| Genuine::draw(seed, number))
        .collect();
    let (mut refused, mut allowed) = (BTreeMap::new(), 0);
    for number in numbers {
        let mut draw = ChaCha8Rng::seed_from_u64(seed ^ number.rotate_left(32));
        let (name, forge, codes) = forge::kind(number);
        let (of, mutant) = forge(&genuine, number, &mut draw);
        let judged = mutant.judge(of, &keys);
        assert!(
            judged.is_err_and(|code| codes.contains(&code)),
            "mutant {number} of seed {seed}, {name}: {judged:?}, expected one of {codes:?}"
        );
        *refused.entry(name).or_default() += 1;
        if number % PER_GENUINE == 0 {
            let genuine = Genuine::draw(seed, ENVELOPES + number);
            let mut mutant = Mutant::of(&genuine);
            mutant.now = genuine.some_moment(&mut draw);
            let judged = mutant.judge(&genuine, &keys);
            assert_eq!(judged, Ok(Permit::Act), "genuine {number} of seed {seed}");
            allowed += 1;
        }
    }
    (refused, allowed)
}

#[test]
fn no_mutant_is_let_through_and_no_genuine_decision_is_held_up() {
    let count = number("AEGIS_MUTANTS").unwrap_or(MUTANTS);
    let seed = number("AEGIS_SEED").unwrap_or(1);
    let threads = thread::available_parallelism().map_or(1, usize::from) as u64;
    let (mut refused, mut allowed) = (BTreeMap::<_, u64>::new(), 0);
    thread::scope(|scope| {
        let shares: Vec<_> = (0..threads)
            .map(|first| {
                let numbers = (first..count).step_by(threads as usize);
                scope.spawn(move || share(seed, numbers))
            })
            .collect();
        for one in shares {
            let (more, genuine) = one.join().unwrap();
            for (name, number) in more {
                *refused.entry(name).or_default() += number;
            }
            allowed += genuine;
        }
    });
    assert_eq!(refused.values().sum::<u64>(), count);
    assert_eq!(refused.len(), FORGERIES.len() + 1, "each kind is tried");
    println!(
        "{}",
        serde_json::json!({ "seed": seed, "refused": refused, "genuine": allowed })
    );
}

/// What a carried out decision left behind.
fn done(warrant: &Warrant) -> Claim {
    Claim {
        nonce: warrant.nonce,
        seq: 0,
        pre_image: PreImage::Replicas { replicas: 3 },
        done: Some(aegis_executor::Done::default()),
    }
}
