//! What a pod counts, as its metrics will say it.

/// The upper bounds of the latency histogram, seconds.
pub(crate) const BUCKETS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Latencies are log-logistic with this shape: p99 is about four times the mean.
const SHAPE: i32 = 3;
/// The mean of a log-logistic distribution of shape 3 and median 1.
const MEAN: f64 = 1.209_199_576;

/// Counters since the container's start. Fractions add up; they are cut off when they are shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Counters {
    pub(crate) cpu_seconds: f64,
    pub(crate) succeeded: f64,
    pub(crate) failed: f64,
    pub(crate) seconds: f64,
    /// Requests that took at most the bound.
    pub(crate) within: [f64; BUCKETS.len()],
    /// Packets that it received.
    pub(crate) packets: f64,
    /// Packets that its interface dropped.
    pub(crate) dropped: f64,
    /// One for each workload that it calls.
    pub(crate) calls: Vec<Calls>,
}

/// Calls to one workload.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Calls {
    pub(crate) succeeded: f64,
    pub(crate) failed: f64,
    pub(crate) seconds: f64,
}

impl Counters {
    pub(crate) fn new(calls: usize) -> Self {
        Self {
            cpu_seconds: 0.0,
            succeeded: 0.0,
            failed: 0.0,
            seconds: 0.0,
            within: [0.0; BUCKETS.len()],
            packets: 0.0,
            dropped: 0.0,
            calls: vec![Calls::default(); calls],
        }
    }

    /// `count` requests with that mean latency and that share of errors.
    pub(super) fn answer(&mut self, count: f64, latency: f64, error: f64) {
        self.succeeded += count * (1.0 - error);
        self.failed += count * error;
        self.seconds += count * latency;
        let median = (latency / MEAN).powi(SHAPE);
        for (within, bound) in self.within.iter_mut().zip(BUCKETS) {
            let bound = bound * bound * bound;
            *within += count * bound / (bound + median);
        }
    }
}

impl Calls {
    /// `count` calls with that mean latency and that share of errors.
    pub(super) fn made(&mut self, count: f64, latency: f64, error: f64) {
        self.succeeded += count * (1.0 - error);
        self.failed += count * error;
        self.seconds += count * latency;
    }
}
