//! What an hour of the log adds up to, here and there.

use std::collections::BTreeMap;
use std::fmt;

use aegis_schemas::{Digest, Timestamp};
use serde::{Serialize, Serializer};

/// Nanoseconds of an hour.
const HOUR: i64 = 3_600_000_000_000;

/// How many lines, and a digest of all of them in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// How many there are.
    pub lines: u64,
    /// The sum of their digests.
    #[serde(serialize_with = "hexadecimal")]
    pub digest: u128,
}

/// What each hour adds up to; the key is the hour's begin.
pub(super) type Hours = BTreeMap<Timestamp, Tally>;

/// An hour in which Loki does not hold what the log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// When the hour begins.
    pub hour: Timestamp,
    /// What the log adds up to.
    pub log: Tally,
    /// What Loki holds.
    pub loki: Tally,
}

impl Tally {
    /// Adds a line.
    pub fn add(&mut self, at: Timestamp, text: &str) {
        let digest = Digest::of_parts(
            "aegis/loki-line/v1",
            &[&at.as_nanos().to_be_bytes(), text.as_bytes()],
        );
        let (head, _) = digest
            .as_bytes()
            .split_first_chunk()
            .expect("32 bytes are more than 16");
        self.lines += 1;
        // Unlike a sum, exclusive or would not see a line that is there three times.
        self.digest = self.digest.wrapping_add(u128::from_be_bytes(*head));
    }
}

/// When the hour of `at` begins.
pub(super) const fn hour(at: Timestamp) -> Timestamp {
    Timestamp::from_nanos(at.as_nanos().div_euclid(HOUR) * HOUR)
}

/// When the hour that begins at `hour` is over.
pub(super) const fn after(hour: Timestamp) -> Timestamp {
    Timestamp::from_nanos(hour.as_nanos() + HOUR)
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "hour {}: the log has {} entries, Loki {}",
            self.hour, self.log.lines, self.loki.lines
        )?;
        if self.log.lines == self.loki.lines {
            write!(f, ", and they are not the same")?;
        }
        Ok(())
    }
}

fn hexadecimal<S: Serializer>(digest: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{digest:032x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(lines: &[(i64, &str)]) -> Tally {
        let mut tally = Tally::default();
        for (at, text) in lines {
            tally.add(Timestamp::from_nanos(*at), text);
        }
        tally
    }

    #[test]
    fn the_order_does_not_matter_and_everything_else_does() {
        let whole = tally(&[(1, "a"), (2, "b"), (2, "c")]);
        assert_eq!(whole, tally(&[(2, "c"), (2, "b"), (1, "a")]));
        for other in [
            tally(&[(1, "a"), (2, "b")]),
            tally(&[(1, "a"), (2, "b"), (2, "d")]),
            tally(&[(1, "a"), (2, "b"), (3, "c")]),
            tally(&[(1, "a"), (2, "b"), (2, "c"), (2, "c")]),
            tally(&[(1, "a"), (2, "a"), (2, "a")]),
        ] {
            assert_ne!(whole, other);
        }
    }

    #[test]
    fn hours_begin_where_they_do_before_the_epoch_too() {
        for (at, begins) in [(0, 0), (HOUR - 1, 0), (HOUR, HOUR), (-1, -HOUR)] {
            assert_eq!(
                hour(Timestamp::from_nanos(at)),
                Timestamp::from_nanos(begins)
            );
        }
    }
}
