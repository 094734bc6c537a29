//! How the features of one workload went over given samples, and between what they were expected: what
//! people look at. The very tracks of the scorer make it, so a chart shows what the scorer saw.

use aegis_schemas::{EpisodeId, EventId, MetricBatch, Timestamp};

use super::config::Config;
use super::features::prepare;
use super::track::Track;

/// One feature at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The feature as blame names it.
    pub feature: String,
    /// The time of the sample.
    pub at: Timestamp,
    /// What it was.
    pub value: f64,
    /// Between these it was expected; none before the scorer knew what is usual.
    pub expected: Option<(f64, f64)>,
}

/// Every feature at every time of the batches, which are of one workload and in time.
#[must_use]
pub fn trace<'a>(config: &Config, batches: impl IntoIterator<Item = &'a MetricBatch>) -> Vec<Seen> {
    let mut track = Track::default();
    let mut seen = Vec::new();
    for batch in batches {
        if batch.fault().is_some() {
            continue;
        }
        let series = prepare(batch);
        for (row, &at) in batch.times.iter().enumerate() {
            if track.waits(&series, (row, at)) {
                track.note(config, &series, (row, at));
                continue;
            }
            if track.reader.newest.is_some_and(|newest| at <= newest) {
                continue;
            }
            // As history: nothing is said of it, so no episode needs an id.
            let id = || EpisodeId(EventId::of_content("trace", b""));
            let said = track.row(config, &series, (row, at), true, id);
            debug_assert!(said.is_none(), "history says nothing");
            seen.extend(
                track
                    .features(config.min_deviation)
                    .map(|(feature, value, expected)| Seen {
                        feature,
                        at,
                        value,
                        expected,
                    }),
            );
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use aegis_schemas::{MetricKind, Series};

    use super::*;

    #[test]
    fn what_leaves_the_band_is_what_the_scorer_would_blame() {
        let entity = "c/shop/deployment/cart".parse().expect("an entity");
        let times: Vec<Timestamp> = (0..400)
            .map(|n| Timestamp::from_millis(n * 15_000))
            .collect();
        let mut total = 0.0;
        let values = (0..400).map(|row| {
            total += if row < 390 {
                150.0 + f64::from(row % 7)
            } else {
                1_500.0
            };
            total
        });
        let batch = MetricBatch {
            entity,
            source: "test".to_owned(),
            backfill: false,
            series: vec![Series {
                metric: "http_requests_total".to_owned(),
                pod: None,
                labels: BTreeMap::new(),
                kind: MetricKind::Counter,
                values: values.collect(),
            }],
            times,
        };
        let seen = trace(&Config::default(), [&batch]);
        let rate: Vec<&Seen> = seen
            .iter()
            .filter(|one| one.feature == "request_rate")
            .collect();
        let outside = |one: &&&Seen| {
            one.expected
                .is_some_and(|(low, high)| !(low..=high).contains(&one.value))
        };
        assert!(rate[..380].iter().filter(outside).count() < 4);
        assert!(outside(&&rate[rate.len() - 1]), "{:?}", rate.last());
        assert_eq!(rate[5].expected, None, "nothing is usual yet");
    }
}
