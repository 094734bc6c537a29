//! Answers that were got a moment ago: what each request needs to know again is not asked each time.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Values that are used for a while, at most so many.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    span: Duration,
    most: usize,
    kept: Mutex<Kept<K, V>>,
}

#[derive(Debug)]
struct Kept<K, V> {
    values: BTreeMap<K, (Instant, V)>,
    /// When something changed last: what was asked for before may be of before.
    changed: Option<Instant>,
}

impl<K: Ord, V: Clone> Recent<K, V> {
    /// Values that are used for `span`; with more than `most` all are forgotten.
    pub(crate) const fn new(span: Duration, most: usize) -> Self {
        Self {
            span,
            most,
            kept: Mutex::new(Kept {
                values: BTreeMap::new(),
                changed: None,
            }),
        }
    }

    /// The value, if it is not too old.
    pub(crate) fn get(&self, key: &K, now: Instant) -> Option<V> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, value) = kept.values.get(key)?;
        (now.duration_since(*at) < self.span).then(|| value.clone())
    }

    /// Keeps a value that was asked for at `at`, unless something has changed since.
    pub(crate) fn put(&self, key: K, value: V, at: Instant) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.changed.is_some_and(|changed| at <= changed) {
            return;
        }
        if kept.values.len() >= self.most {
            kept.values.clear();
        }
        kept.values.insert(key, (at, value));
    }

    /// Forgets one.
    pub(crate) fn forget(&self, key: &K) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.values.remove(key);
    }

    /// Forgets all: something has changed.
    pub(crate) fn clear(&self, now: Instant) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.values.clear();
        kept.changed = Some(now);
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
        recent.clear(start);
        assert_eq!(recent.get(&"a", start), None);
        recent.put("a", 1, start);
        assert_eq!(recent.get(&"a", start), None, "asked for before the change");
        let start = start + Duration::from_millis(1);
        for (key, value) in [("a", 1), ("b", 2), ("c", 3)] {
            recent.put(key, value, start);
        }
        let found = ["a", "b", "c"].map(|key| recent.get(&key, start));
        assert_eq!(found, [None, None, Some(3)], "memory is bounded");
    }
}
