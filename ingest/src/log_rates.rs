//! What a publisher counts in logs, as samples: the scorer reads samples only.

use std::collections::BTreeMap;

use aegis_schemas::signal::LogRates;
use aegis_schemas::{Entity, MetricBatch, MetricKind, Series, Timestamp};

/// Lines a second, by the labels `level` and `template`. Loki's recording rules write it too.
const LINES: &str = "aegis:log_lines:rate1m";
/// The same by `template`, of lines that are counted by level already.
const TEMPLATES: &str = "aegis:log_templates:rate1m";
/// The most templates of one message that are told apart; the rest are summed.
const MAX_TEMPLATES: usize = 64;
/// No system has more levels than these; what has gets its first ones read.
const MAX_LEVELS: usize = 16;
/// The longest template, in characters.
const MAX_TEMPLATE: usize = 200;

/// The rates at `at`; none where there are no lines or nobody says in which time they were written.
pub(crate) fn samples(
    entity: &Entity,
    source: &str,
    rates: &LogRates,
    at: Timestamp,
) -> Option<MetricBatch> {
    let seconds = rates.interval_ms as f64 / 1_000.0;
    let is_empty = rates.levels.is_empty() && rates.templates.is_empty();
    if seconds <= 0.0 || is_empty {
        return None;
    }
    let by_template = if rates.levels.is_empty() {
        LINES
    } else {
        TEMPLATES
    };
    let one = |metric: &str, labels: &[(&str, &str)], lines: f64| Series {
        metric: metric.to_owned(),
        pod: None,
        labels: labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        kind: MetricKind::Gauge,
        values: vec![lines / seconds],
    };
    let levels = rates
        .levels
        .iter()
        .take(MAX_LEVELS)
        .map(|(level, lines)| one(LINES, &[("level", level)], *lines as f64));
    let (templates, rest) = most(&rates.templates);
    let templates = templates
        .into_iter()
        .map(|(template, lines)| one(by_template, &[("template", &template)], lines));
    let rest = (rest > 0.0).then(|| one(by_template, &[], rest));
    Some(MetricBatch {
        entity: entity.clone(),
        source: source.to_owned(),
        backfill: false,
        times: vec![at],
        series: levels.chain(templates).chain(rest).collect(),
    })
}

/// The most frequent templates, and the lines of all others.
fn most(templates: &BTreeMap<String, u64>) -> (BTreeMap<String, f64>, f64) {
    let mut by_lines: Vec<(&String, u64)> =
        templates.iter().map(|(t, lines)| (t, *lines)).collect();
    by_lines.sort_by_key(|(_, lines)| std::cmp::Reverse(*lines));
    let rest = by_lines.split_off(by_lines.len().min(MAX_TEMPLATES));
    let mut most: BTreeMap<String, f64> = BTreeMap::new();
    for (template, lines) in by_lines {
        // Long ones may be the same as far as they are told.
        let told: String = template.chars().take(MAX_TEMPLATE).collect();
        *most.entry(told).or_default() += lines as f64;
    }
    let rest = rest.into_iter().map(|(_, lines)| lines as f64).sum();
    (most, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(interval_ms: u64, templates: &[(&str, u64)], levels: &[(&str, u64)]) -> LogRates {
        let owned = |all: &[(&str, u64)]| {
            let all = all.iter();
            all.map(|(name, lines)| ((*name).to_owned(), *lines))
                .collect()
        };
        LogRates {
            interval_ms,
            templates: owned(templates),
            levels: owned(levels),
        }
    }

    fn said(rates: &LogRates) -> Vec<(String, String, f64)> {
        let entity = "c/shop/deployment/cart".parse().expect("an entity");
        let batch = samples(&entity, "intake/x", rates, Timestamp::EPOCH);
        let series = batch.into_iter().flat_map(|batch| batch.series);
        series
            .map(|one| {
                let label = one.labels.into_values().next().unwrap_or_default();
                (one.metric, label, one.values[0])
            })
            .collect()
    }

    #[test]
    fn lines_are_counted_once_by_level_and_by_template_if_nobody_says_the_level() {
        let line = |metric: &str, label: &str, rate| (metric.to_owned(), label.to_owned(), rate);
        let both = rates(
            60_000,
            &[("timeout to <*>", 30)],
            &[("error", 60), ("info", 600)],
        );
        assert_eq!(
            said(&both),
            [
                line(LINES, "error", 1.0),
                line(LINES, "info", 10.0),
                line(TEMPLATES, "timeout to <*>", 0.5),
            ]
        );
        let templates = rates(30_000, &[("timeout to <*>", 30)], &[]);
        assert_eq!(said(&templates), [line(LINES, "timeout to <*>", 1.0)]);
        for nothing in [
            rates(60_000, &[], &[]),
            rates(0, &[("x", 1)], &[("error", 1)]),
        ] {
            assert_eq!(said(&nothing), []);
        }
    }

    #[test]
    fn hostile_templates_are_cut_and_few_and_no_line_is_lost() {
        let many: Vec<(String, u64)> = (0..5_000)
            .map(|number| (format!("{number}{}", "\u{e9}".repeat(2_000)), number))
            .collect();
        let many: Vec<(&str, u64)> = many.iter().map(|(t, lines)| (t.as_str(), *lines)).collect();
        let said = said(&rates(1_000, &many, &[]));
        assert_eq!(said.len(), MAX_TEMPLATES + 1);
        assert!(
            said.iter()
                .all(|(_, template, _)| template.chars().count() <= MAX_TEMPLATE)
        );
        assert!(
            said[..MAX_TEMPLATES]
                .iter()
                .any(|(_, template, _)| template.starts_with("4999"))
        );
        let lines: f64 = said.iter().map(|(_, _, rate)| rate).sum();
        assert!((lines - 5_000.0 * 4_999.0 / 2.0).abs() < 1e-3, "{lines}");
    }
}
