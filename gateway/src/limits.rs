//! Rate limits: a token bucket per key, in bounded memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The most keys that are remembered; beyond it full buckets are forgotten, which changes nothing.
const MAX_KEYS: usize = 50_000;

/// At most `per_minute` requests of each key, in bursts of up to as many.
#[derive(Debug)]
pub(crate) struct Limit {
    per_minute: u32,
    buckets: Mutex<BTreeMap<String, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Limit {
    pub(crate) const fn new(per_minute: u32) -> Self {
        Self {
            per_minute,
            buckets: Mutex::new(BTreeMap::new()),
        }
    }

    /// Whether no request of `key` would be taken now.
    pub(crate) fn is_spent(&self, key: &str, now: Instant) -> bool {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        match buckets.get(key) {
            Some(bucket) => self.filled(bucket, now) < 1.0,
            None => buckets.len() >= MAX_KEYS,
        }
    }

    /// The tokens of a bucket by now.
    fn filled(&self, bucket: &Bucket, now: Instant) -> f64 {
        let size = f64::from(self.per_minute);
        let since = now.saturating_duration_since(bucket.at).as_secs_f64();
        (bucket.tokens + since * size / 60.0).min(size)
    }

    /// Takes one request of `key`, or says when the next one is welcome.
    pub(crate) fn take(&self, key: &str, now: Instant) -> Result<(), Duration> {
        let size = f64::from(self.per_minute);
        let rate = size / 60.0;
        let filled = |bucket: &Bucket| self.filled(bucket, now);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_KEYS {
            buckets.retain(|_, bucket| filled(bucket) < size);
        }
        if buckets.len() >= MAX_KEYS && !buckets.contains_key(key) {
            return Err(Duration::from_secs(60));
        }
        let bucket = buckets.entry(key.to_owned()).or_insert(Bucket {
            tokens: size,
            at: now,
        });
        let tokens = filled(bucket);
        bucket.at = now;
        if tokens >= 1.0 {
            bucket.tokens = tokens - 1.0;
            Ok(())
        } else {
            bucket.tokens = tokens;
            Err(Duration::from_secs_f64((1.0 - tokens) / rate))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_empties_the_bucket_and_time_fills_it() {
        let limit = Limit::new(6);
        let start = Instant::now();
        for _ in 0..6 {
            assert!(limit.take("a", start).is_ok());
        }
        assert!(limit.is_spent("a", start) && !limit.is_spent("b", start));
        let wait = limit.take("a", start).expect_err("empty");
        assert!(wait <= Duration::from_secs(10));
        assert!(limit.take("b", start).is_ok(), "keys do not share");
        assert!(limit.take("a", start + Duration::from_secs(11)).is_ok());
    }
}
