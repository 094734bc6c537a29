//! Answers that were got a moment ago: what each request needs to know again is not asked each time.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Values that are used for a while, at most so many.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    span: Duration,
    most: usize,
    kept: Mutex<BTreeMap<K, (Instant, V)>>,
}

impl<K: Ord, V: Clone> Recent<K, V> {
    /// Values that are used for `span`; with more than `most` all are forgotten.
    pub(crate) const fn new(span: Duration, most: usize) -> Self {
        Self {
            span,
            most,
            kept: Mutex::new(BTreeMap::new()),
        }
    }

    /// The value, if it is not too old.
    pub(crate) fn get(&self, key: &K, now: Instant) -> Option<V> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, value) = kept.get(key)?;
        (now.duration_since(*at) < self.span).then(|| value.clone())
    }

    /// Keeps a value that was got at `at`.
    pub(crate) fn put(&self, key: K, value: V, at: Instant) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= self.most {
            kept.clear();
        }
        kept.insert(key, (at, value));
    }

    /// Forgets all: something has changed.
    pub(crate) fn clear(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_used_for_its_span_and_not_after_a_change() {
        let span = Duration::from_secs(2);
        let recent = Recent::new(span, 2);
        let start = Instant::now();
        recent.put("a", 1, start);
        assert_eq!(recent.get(&"a", start), Some(1));
        assert_eq!(recent.get(&"a", start + span), None);
        assert_eq!(recent.get(&"b", start), None);
        recent.clear();
        assert_eq!(recent.get(&"a", start), None);
        for (key, value) in [("a", 1), ("b", 2), ("c", 3)] {
            recent.put(key, value, start);
        }
        let found = ["a", "b", "c"].map(|key| recent.get(&key, start));
        assert_eq!(found, [None, None, Some(3)], "memory is bounded");
    }
}
