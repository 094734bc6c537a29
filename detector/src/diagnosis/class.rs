//! What a metric measures, by the words that exporters and tracing systems use in its name. Words are
//! generic: no metric of one system is named here.

/// What a metric measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// How long answers take. Callers share it.
    Latency,
    /// How much is asked for. Callees share it.
    Load,
    /// The share of good answers.
    Availability,
    /// Everything else, such as what a container uses.
    Resource,
}

const WORDS: [(Class, &[&str]); 3] = [
    (Class::Latency, &["latency", "duration", "response_time"]),
    (Class::Availability, &["availability", "success"]),
    (
        Class::Load,
        &["request", "workload", "throughput", "rps", "calls"],
    ),
];

impl Class {
    /// The class of a metric of that name.
    pub(super) fn of(metric: &str) -> Self {
        let metric = metric.to_lowercase();
        let named = |words: &[&str]| words.iter().any(|word| metric.contains(word));
        WORDS
            .iter()
            .find(|(_, words)| named(words))
            .map_or(Self::Resource, |(class, _)| *class)
    }
}
