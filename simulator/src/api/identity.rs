//! UIDs, name suffixes and template hashes, all from the seed.
//!
//! An id depends on the seed, what it names and how often that was named
//! before, not on a shared stream of random numbers: two clients that race
//! do not change each other's ids.

use std::collections::BTreeMap;

use serde_json::Value;

/// The letters Kubernetes uses in generated names (no vowels: no words).
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// The source of every generated name of one cluster.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    seed: u64,
    drawn: BTreeMap<String, u64>,
}

impl Identity {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            drawn: BTreeMap::new(),
        }
    }

    /// The next UID of the object named by `key`; a dry run leaves no trace.
    pub(crate) fn uid(&mut self, key: &str, dry_run: bool) -> String {
        let key = format!("uid {key}");
        let count = self.draw(&key, dry_run);
        let high = mix(self.seed, &key, count, 0);
        let low = mix(self.seed, &key, count, 1);
        let bits = (u128::from(high) << 64) | u128::from(low);
        let version = 0x4_u128 << 76;
        let variant = 0x2_u128 << 62;
        let bits = (bits & !(0xf_u128 << 76) & !(0x3_u128 << 62)) | version | variant;
        let hex = format!("{bits:032x}");
        format!(
            "{}-{}-{}-{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..]
        )
    }

    /// The five letters that `generateName` appends.
    pub(crate) fn suffix(&mut self, key: &str, dry_run: bool) -> String {
        let key = format!("name {key}");
        let count = self.draw(&key, dry_run);
        let mut bits = mix(self.seed, &key, count, 0);
        let mut suffix = String::with_capacity(5);
        for _ in 0..5 {
            suffix.push(char::from(ALPHABET[(bits % 27) as usize]));
            bits /= 27;
        }
        suffix
    }

    /// A stable number for `key`, e.g. for addresses.
    pub(crate) fn number(&self, key: &str) -> u64 {
        mix(self.seed, key, 0, 0)
    }

    fn draw(&mut self, key: &str, dry_run: bool) -> u64 {
        if dry_run {
            return self.drawn.get(key).copied().unwrap_or(0);
        }
        let count = self.drawn.entry(key.to_owned()).or_default();
        *count += 1;
        *count - 1
    }
}

/// The name part that stands for a pod template or revision.
pub(crate) fn content_hash(value: &Value) -> String {
    let mut hash = Fnv::default();
    walk(value, &mut hash);
    let sum = hash.0 ^ (hash.0 >> 32);
    format!("{}", sum & 0xffff_ffff)
        .bytes()
        .map(|digit| char::from(ALPHABET[usize::from(digit) % 27]))
        .collect()
}

struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// Feeds keys in sorted order, so that the order of fields does not matter.
fn walk(value: &Value, hash: &mut Fnv) {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<_, _> = fields.iter().collect();
            hash.write(b"{");
            for (key, value) in sorted {
                hash.write(key.as_bytes());
                hash.write(b":");
                walk(value, hash);
            }
            hash.write(b"}");
        }
        Value::Array(items) => {
            hash.write(b"[");
            for item in items {
                walk(item, hash);
                hash.write(b",");
            }
            hash.write(b"]");
        }
        scalar => hash.write(scalar.to_string().as_bytes()),
    }
}

fn mix(seed: u64, key: &str, count: u64, lane: u64) -> u64 {
    let mut hash = Fnv::default();
    hash.write(&seed.to_le_bytes());
    hash.write(key.as_bytes());
    hash.write(&count.to_le_bytes());
    hash.write(&lane.to_le_bytes());
    // FNV alone leaves the high bits of short keys alike (splitmix64's finish).
    let mut bits = hash.0;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_same_seed_names_alike_and_twice_differs() {
        let (mut one, mut two) = (Identity::new(7), Identity::new(7));
        let first = one.uid("pods default/web", false);
        assert_eq!(first, two.uid("pods default/web", false));
        assert_ne!(first, one.uid("pods default/web", false));
        assert_ne!(first, Identity::new(8).uid("pods default/web", false));
        assert_eq!(&first[14..15], "4");
    }

    #[test]
    fn a_dry_run_leaves_no_trace() {
        let mut identity = Identity::new(1);
        let tried = identity.suffix("web-", true);
        assert_eq!(tried, identity.suffix("web-", false));
    }

    #[test]
    fn field_order_does_not_change_a_hash() {
        assert_eq!(
            content_hash(&json!({"a": 1, "b": 2})),
            content_hash(&json!({"b": 2, "a": 1}))
        );
        assert_ne!(
            content_hash(&json!({"a": 1})),
            content_hash(&json!({"a": 2}))
        );
    }
}
