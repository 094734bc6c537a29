//! How long the oldest thing that was not handled has been waiting, told from two sequences that are looked
//! at now and then.

use std::time::{Duration, Instant};

/// The most looks that are remembered: the first tells the age, the others only follow it.
const MAX_SEEN: usize = 1_000;

/// Since when a stream has messages that were not handled.
#[derive(Debug, Default)]
pub struct Behind {
    /// Sequences that a stream had, and when that was seen; only those that are not handled yet.
    seen: Vec<(Instant, u64)>,
}

impl Behind {
    /// How long the oldest message that is not handled has been waiting, at least as far as this process has
    /// seen: `last` is the stream's newest sequence at `now`, everything up to `handled` is done. One that
    /// arrived since the last look is no lag.
    pub fn lag(&mut self, now: Instant, last: u64, handled: u64) -> Duration {
        // A stream that was made anew counts from 1 again.
        if self.seen.last().is_some_and(|(_, seq)| *seq > last) {
            self.seen.clear();
        }
        self.seen.retain(|(_, seq)| *seq > handled);
        if last > handled && self.seen.last().is_none_or(|(_, seq)| *seq < last) {
            self.seen.push((now, last));
        }
        self.seen.truncate(MAX_SEEN);
        self.seen
            .first()
            .map_or(Duration::ZERO, |(since, _)| now - *since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_the_age_of_the_oldest_message_that_is_not_handled() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut behind = Behind::default();
        let table = [
            // at, last of the stream, handled, lag
            (0, 10, 10, 0),
            (5, 12, 10, 0),
            (10, 20, 10, 5),
            (15, 25, 11, 10),
            (20, 25, 12, 10),
            (25, 25, 24, 10),
            (30, 26, 26, 0),
            (35, 26, 26, 0),
            (40, 30, 26, 0),
            (45, 3, 0, 0),
            (50, 3, 0, 5),
        ];
        for (now, last, handled, lag) in table {
            assert_eq!(
                behind.lag(at(now), last, handled),
                Duration::from_secs(lag),
                "at {now}"
            );
        }
    }
}
