//! What rows of their own told of a log, until the next row sees it.
//!
//! Whoever counts lines stamps them otherwise than a scrape does: Loki's ruler with a moment some seconds ago, a
//! publisher with the moment at which its message came. In one order of time with the rows of scrapes, each
//! would make the other late.

use aegis_schemas::Timestamp;
use serde::{Deserialize, Serialize};

use super::features::{Prepared, UNTOLD};
use super::logs::{LEVELS, Written};
use super::series::{Lines, Role};
use super::tally::Tally;

/// Whether row `row` tells of logs or certificates and of nothing else.
pub(super) fn is_aside(series: &[Prepared<'_>], row: usize) -> bool {
    let mut told = series.iter().filter(|one| one.value(row).is_some());
    let is_aside =
        |one: &Prepared<'_>| matches!(one.role, Role::Lines { .. } | Role::Certificate(_));
    told.next().is_some_and(is_aside) && told.all(is_aside)
}

/// Lines by how they are told: each sort has its own time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Aside {
    counters: Told,
    rates: Told,
    templates: Told,
}

/// Lines a second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Told {
    /// Of when they are.
    newest: Option<Timestamp>,
    /// Whether no row has seen them.
    is_news: bool,
    levels: [f64; LEVELS.len()],
    written: Written,
}

impl Told {
    /// Whether they count in a row at `at`.
    fn holds(&self, at: Timestamp) -> bool {
        self.newest.is_some_and(|newest| at.since(newest) < UNTOLD)
    }
}

impl Aside {
    /// Whether nothing was ever told.
    pub(super) fn is_empty(&self) -> bool {
        self.all().iter().all(|told| told.newest.is_none())
    }

    /// Adds the lines of one series at `at`; whether they are no older than others of their sort. A later moment
    /// replaces what was told before.
    pub(super) fn add(&mut self, role: Role<'_>, rate: f64, at: Timestamp) -> bool {
        let Role::Lines {
            level,
            template,
            what,
        } = role
        else {
            return true;
        };
        let told = match what {
            Lines::Total => &mut self.counters,
            Lines::Rate => &mut self.rates,
            Lines::TemplateRate => &mut self.templates,
        };
        if told.newest.is_some_and(|newest| at < newest) {
            return false;
        }
        if told.newest != Some(at) {
            *told = Told::default();
        }
        (told.newest, told.is_news) = (Some(at), true);
        let sum = &mut told.levels[level as usize];
        *sum = (*sum + rate).min(f64::MAX);
        if let Some(template) = template {
            told.written.hold(level, template, rate);
        }
        true
    }

    /// Counts the lines that no row has seen by level, in a row at `at` that ends a span of `span` seconds;
    /// whether there were any.
    pub(super) fn count(&mut self, row: &mut Tally, at: Timestamp, span: f64) -> bool {
        // The first row stands for no time.
        if span <= 0.0 {
            return false;
        }
        let (mut are_any, mut have_levels) = (false, false);
        for (told, has_levels) in [
            (&mut self.counters, true),
            (&mut self.rates, true),
            (&mut self.templates, false),
        ] {
            if !std::mem::take(&mut told.is_news) || !told.holds(at) {
                continue;
            }
            are_any = true;
            if has_levels {
                have_levels = true;
                for (sum, rate) in row.lines.iter_mut().zip(told.levels) {
                    *sum += rate * span;
                }
            }
        }
        if have_levels {
            row.lines_span = span;
        }
        are_any
    }

    /// Adds the templates that hold in a row at `at` and that it does not tell of itself: they are told less
    /// often than their levels may be.
    pub(super) fn explain(&self, written: &mut Written, at: Timestamp) {
        for told in self.all().into_iter().filter(|told| told.holds(at)) {
            written.add_missing(&told.written);
        }
    }

    fn all(&self) -> [&Told; 3] {
        [&self.counters, &self.rates, &self.templates]
    }
}
