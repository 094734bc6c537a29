//! How long to wait before the next try.

use std::time::Duration;

/// Doubles from a shortest to a longest wait, with jitter, so that many who failed together do not
/// come back together.
#[derive(Clone, Debug)]
pub struct Backoff {
    next: Duration,
    shortest: Duration,
    longest: Duration,
}

impl Backoff {
    /// Waits between `shortest` and `longest`.
    #[must_use]
    pub const fn new(shortest: Duration, longest: Duration) -> Self {
        Self {
            next: shortest,
            shortest,
            longest,
        }
    }

    /// What the bus does when nothing else is said: 100 ms to 10 s.
    #[must_use]
    pub const fn standard() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(10))
    }

    /// As it stands after that many failures, for whoever did not see them all.
    #[must_use]
    pub fn after(mut self, failures: u32) -> Self {
        let due = self.shortest.saturating_mul(2_u32.saturating_pow(failures));
        self.next = due.min(self.longest);
        self
    }

    /// The next wait: between half and the whole of what is due.
    pub fn delay(&mut self) -> Duration {
        let due = self.next;
        self.next = due.saturating_mul(2).min(self.longest);
        due.mul_f64(0.5 + 0.5 * crate::random::share())
    }

    /// It worked: begin anew.
    pub const fn reset(&mut self) {
        self.next = self.shortest;
    }
}
