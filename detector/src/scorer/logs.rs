//! Logs as metrics: lines a second by level, which are features like any other, and by template, which
//! explain them.
//!
//! A new template alone is no trouble, since each release writes some. So templates open no episode; in one,
//! those that are written far more often than they used to be say what it is about. A few are followed
//! for each workload, errors before warnings and frequent ones before rare ones.

use std::collections::BTreeMap;
use std::time::Duration;

use aegis_schemas::{Blame, Timestamp};
use serde::{Deserialize, Serialize};

use super::metric::Metric;
use super::series::{Lines, Role, told};
use super::tally::Tally;

/// The most templates of a workload that are followed, and that are told of in an episode.
const MAX_TEMPLATES: usize = 16;
const MAX_TOLD: usize = 3;
/// The most that are told apart in one row, and the longest, in characters: whoever writes a log may write
/// anything.
const MAX_WRITTEN: usize = 256;
/// The same of those that are remembered until a row sees them.
const MAX_HELD: usize = 64;
const MAX_TEMPLATE: usize = 160;
/// A template that is first seen so long after the log itself was never written before.
const NEWS_AFTER: Duration = Duration::from_secs(600);

/// How bad a line is, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Level {
    /// Nobody says it.
    Unknown,
    /// What happens when all is well.
    Info,
    /// Somebody may want to look.
    Warn,
    /// Something failed.
    Error,
}

/// All levels, by their number.
pub(super) const LEVELS: [Level; 4] = [Level::Unknown, Level::Info, Level::Warn, Level::Error];

impl Level {
    /// The level that a library or a collector calls so.
    pub(super) fn of(word: &str) -> Self {
        let is = |names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
        if is(&[
            "error",
            "err",
            "fatal",
            "critical",
            "crit",
            "alert",
            "emerg",
            "emergency",
            "panic",
            "severe",
        ]) {
            Self::Error
        } else if is(&["warn", "warning"]) {
            Self::Warn
        } else if is(&["info", "information", "notice", "debug", "trace"]) {
            Self::Info
        } else {
            Self::Unknown
        }
    }

    /// The worst level that a word of a line names.
    pub(super) fn of_text(text: &str) -> Self {
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
        words.map(Self::of).max().unwrap_or(Self::Unknown)
    }

    /// The level as features name it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Lines a second of one row by template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Written(BTreeMap<(Level, String), f64>);

impl Written {
    /// None.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Counts `by` lines in `span` seconds, by their level in `all` too if that is not done elsewhere.
    pub(super) fn count(&mut self, all: &mut Tally, role: Role<'_>, by: f64, span: f64) {
        let Role::Lines {
            level,
            template,
            what,
        } = role
        else {
            return;
        };
        if what != Lines::TemplateRate {
            all.lines[level as usize] += by;
            all.lines_span = span;
        }
        if let Some(template) = template
            && span > 0.0
        {
            self.add(level, template, by / span);
        }
    }

    /// Adds those of one series. Beyond what is told apart they are left out: their level counts them.
    fn add(&mut self, level: Level, template: &str, rate: f64) {
        self.add_within(MAX_WRITTEN, level, template, rate);
    }

    /// The same of what is remembered.
    pub(super) fn hold(&mut self, level: Level, template: &str, rate: f64) {
        self.add_within(MAX_HELD, level, template, rate);
    }

    /// Adds those of others that it has not.
    pub(super) fn add_missing(&mut self, others: &Self) {
        for (key, rate) in &others.0 {
            if self.0.len() < MAX_WRITTEN && !self.0.contains_key(key) {
                self.0.insert(key.clone(), *rate);
            }
        }
    }

    fn add_within(&mut self, most: usize, level: Level, template: &str, rate: f64) {
        let key = (level, told(template, MAX_TEMPLATE));
        if self.0.len() < most || self.0.contains_key(&key) {
            let sum = self.0.entry(key).or_default();
            *sum = (*sum + rate).min(f64::MAX);
        }
    }
}

/// One template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Template {
    level: Level,
    text: String,
    /// Whether it was first seen long after others.
    is_news: bool,
    metric: Metric,
}

impl Template {
    fn rate(&self) -> f64 {
        self.metric.level.unwrap_or_default()
    }

    /// How much more often it is written than usual, in scales. What was never written before is
    /// measured against nothing.
    fn deviation(&self) -> f64 {
        if self.is_news {
            self.metric.deviation_from_nothing(self.rate())
        } else {
            self.metric.deviation()
        }
    }
}

/// The templates of a workload that are followed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Templates {
    /// When the first was seen.
    since: Timestamp,
    followed: Vec<Template>,
}

impl Templates {
    /// Whether none was ever seen.
    pub(super) fn is_empty(&self) -> bool {
        self.followed.is_empty()
    }

    /// Takes a row in that tells of the log.
    pub(super) fn look(&mut self, at: Timestamp, mut written: Written) {
        if self.is_empty() {
            self.since = at;
        }
        for one in &mut self.followed {
            let rate = written.0.remove(&(one.level, one.text.clone()));
            let rate = rate.unwrap_or_default();
            one.metric.look(rate, rate);
        }
        let is_news = at.since(self.since) >= NEWS_AFTER;
        for ((level, text), rate) in written.0 {
            self.follow(level, text, rate, is_news);
        }
    }

    /// Follows a template that was not followed, if it matters more than the least of those that are.
    fn follow(&mut self, level: Level, text: String, rate: f64, is_news: bool) {
        if rate <= 0.0 {
            return;
        }
        if self.followed.len() >= MAX_TEMPLATES {
            let weight = |one: &Template| (one.level, one.rate());
            let least = (0..self.followed.len()).min_by(|a, b| {
                let (a, b) = (weight(&self.followed[*a]), weight(&self.followed[*b]));
                a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
            });
            let Some(least) = least else { return };
            let (other, other_rate) = weight(&self.followed[least]);
            if level < other || (level == other && rate <= other_rate) {
                return;
            }
            self.followed.remove(least);
        }
        let mut metric = Metric::new("log_template", Some(&text));
        metric.look(rate, rate);
        self.followed.push(Template {
            level,
            text,
            is_news,
            metric,
        });
    }

    /// Learns from the newest row, as features do. What is written for long is no news.
    pub(super) fn learn(&mut self, step: f64, memory: f64, weight: f64) {
        for one in &mut self.followed {
            one.metric.learn(step, memory, weight);
            one.is_news &= !one.metric.is_settled();
        }
    }

    /// The templates that are written more often by at least `least` scales, the worst first.
    pub(super) fn blame(&self, least: f64) -> Vec<Blame> {
        let more = self.followed.iter().filter(|one| one.deviation() >= least);
        let mut more: Vec<&Template> = more.collect();
        more.sort_by(|a, b| {
            b.level
                .cmp(&a.level)
                .then_with(|| b.deviation().total_cmp(&a.deviation()))
                .then_with(|| a.text.cmp(&b.text))
        });
        more.truncate(MAX_TOLD);
        let blame = |one: &Template| Blame {
            feature: format!("log_template.{}.{}", one.level.as_str(), one.text),
            pod: None,
            value: one.rate(),
            expected: if one.is_news {
                0.0
            } else {
                one.metric.expected()
            },
            deviation: one.deviation(),
            forecast: None,
        };
        more.into_iter().map(blame).collect()
    }
}

#[cfg(test)]
#[path = "logs_tests.rs"]
mod tests;
