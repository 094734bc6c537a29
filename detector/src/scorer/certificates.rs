//! Certificates that are not renewed in time. When one ends is known to the second; what is to be found
//! out is whether that is soon. Whoever looks after certificates renews them long before: cert-manager,
//! certbot and the like when a third of their life is left. So a certificate is due when half of the time that
//! is meant for its renewal has gone by without one, and never before its last two weeks.
//!
//! That time is known where an exporter says when it is to be renewed or when it began, and once a
//! renewal was seen. Else a life of 90 days is assumed, so a short-lived certificate of which only the end is
//! told is called due until its first renewal.

use std::collections::BTreeMap;
use std::time::Duration;

use aegis_schemas::{Blame, Forecast, Name, Series, Timestamp};
use serde::{Deserialize, Serialize};

use super::features::Prepared;
use super::series::{Moment, Role, told};

/// The part of a certificate's life that is left when it is renewed (cert-manager's `renewBefore`).
const RENEWED_AT: f64 = 1.0 / 3.0;
/// How long before its end one is renewed of which nothing else is known: a third of 90 days.
const USUAL: f64 = 30.0 * DAY;
/// No certificate is due earlier than this before its end.
const EARLIEST: f64 = 14.0 * DAY;
const DAY: f64 = 86_400.0;
/// One that ended longer ago is in nobody's way.
const OVER: f64 = 7.0 * DAY;
/// How long one is remembered that nobody tells of any more.
const REMEMBERED: Duration = Duration::from_secs(3_600);
/// The most certificates of an entity that are remembered, and that are said to be due.
const MAX_CERTIFICATES: usize = 128;
pub(crate) const MAX_SAID: usize = 8;
/// The longest name, in characters.
const MAX_NAME: usize = 120;

/// By name and by the pod that tells of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Certificates(BTreeMap<(String, Option<Name>), Certificate>);

/// What is known of one; all in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Certificate {
    /// When it ends, since 1970.
    ends: f64,
    /// How long before its end it should be renewed, if that is known.
    early: Option<f64>,
    heard: Timestamp,
}

impl Certificate {
    /// What is left of it.
    fn left(&self, at: Timestamp) -> f64 {
        self.ends - at.as_seconds()
    }

    /// What should be left at least.
    fn least(&self) -> f64 {
        EARLIEST.min(self.early.unwrap_or(USUAL) / 2.0)
    }

    fn is_due(&self, at: Timestamp) -> bool {
        (-OVER..self.least()).contains(&self.left(at))
    }
}

/// What one row tells of a certificate.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    begins: Option<f64>,
    renews: Option<f64>,
    ends: Option<f64>,
}

impl Certificates {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes in what row `row` tells of certificates. Of several that share a name the first to end counts.
    pub(super) fn look(&mut self, (row, at): (usize, Timestamp), series: &[Prepared<'_>]) {
        let mut found: BTreeMap<(String, Option<Name>), Told> = BTreeMap::new();
        for one in series {
            let Role::Certificate(moment) = one.role else {
                continue;
            };
            // Zero is said of a certificate that was not issued yet.
            let Some(value) = one.value(row).filter(|value| *value > 0.0) else {
                continue;
            };
            let key = (name(one.series), one.series.pod.clone());
            let one = found.entry(key).or_default();
            let known = match moment {
                Moment::Begins => &mut one.begins,
                Moment::Renews => &mut one.renews,
                Moment::Ends => &mut one.ends,
            };
            *known = Some(known.map_or(value, |known| known.min(value)));
        }
        for (key, told) in found {
            self.note(key, told, at);
        }
        self.0.retain(|_, one| at.since(one.heard) < REMEMBERED);
    }

    fn note(&mut self, key: (String, Option<Name>), told: Told, at: Timestamp) {
        let Some(ends) = told.ends else { return };
        let known = self.0.get(&key).copied();
        if known.is_some_and(|known| at < known.heard) {
            return;
        }
        if known.is_none() && !self.make_room(ends, at) {
            return;
        }
        let begins = told.begins.or_else(|| {
            let is_renewed = known.is_some_and(|known| ends > known.ends);
            is_renewed.then(|| at.as_seconds())
        });
        let early = told.renews.map(|renews| ends - renews);
        let early = early.or_else(|| Some((ends - begins?) * RENEWED_AT));
        let early = early.filter(|early| *early > 0.0);
        let certificate = Certificate {
            ends,
            early: early.or_else(|| known.and_then(|known| known.early)),
            heard: at,
        };
        self.0.insert(key, certificate);
    }

    /// Whether there is room for one that ends then; the one that ends last gives way to it.
    fn make_room(&mut self, ends: f64, at: Timestamp) -> bool {
        if !self.is_full() {
            return true;
        }
        // One that is long over matters least.
        let rank = |ends: f64| {
            let is_over = ends - at.as_seconds() < -OVER;
            if is_over { f64::INFINITY } else { ends }
        };
        let last = self
            .0
            .iter()
            .max_by(|(_, a), (_, b)| rank(a.ends).total_cmp(&rank(b.ends)));
        let later = last.filter(|(_, last)| rank(last.ends) > rank(ends));
        let Some(key) = later.map(|(key, _)| key.clone()) else {
            return false;
        };
        self.0.remove(&key);
        true
    }

    /// Whether further ones are only remembered in place of others.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= MAX_CERTIFICATES
    }

    /// Whether one should have been renewed by `at`.
    pub(super) fn are_due(&self, at: Timestamp) -> bool {
        self.0.values().any(|one| one.is_due(at))
    }

    /// Those that should have been, as what is to blame: what is left and what should be left at least, in
    /// seconds. The first to end comes first.
    pub(super) fn due(&self, at: Timestamp) -> Vec<Blame> {
        let due = self.0.iter().filter(|(_, one)| one.is_due(at));
        let mut due: Vec<_> = due.collect();
        due.sort_by(|(_, a), (_, b)| a.ends.total_cmp(&b.ends));
        due.truncate(MAX_SAID);
        due.into_iter()
            .map(|((name, pod), one)| blame(name, pod.clone(), one, at))
            .collect()
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "neither negative nor beyond two weeks"
)]
fn blame(name: &str, pod: Option<Name>, one: &Certificate, at: Timestamp) -> Blame {
    let value = one.left(at);
    let seconds = value.max(0.0) as u64;
    Blame {
        feature: format!("certificate.{name}"),
        pod,
        value,
        expected: one.least(),
        deviation: 0.0,
        forecast: Some(Forecast {
            seconds,
            earliest: seconds,
            latest: seconds,
            confidence: 1_000,
        }),
    }
}

/// Where it is, and of whom it is where several can be in one place.
fn name(series: &Series) -> String {
    let label = |name: &str| series.labels.get(name).filter(|value| !value.is_empty());
    let pair = |namespace: &str, name: &str| match (label(namespace), label(name)) {
        (Some(namespace), Some(name)) => Some(format!("{namespace}/{name}")),
        (None, name) => name.cloned(),
        _ => None,
    };
    let place = pair("secret_namespace", "secret_name")
        .or_else(|| label("filepath").cloned())
        .or_else(|| pair("exported_namespace", "name"))
        .or_else(|| label("instance").cloned())
        .unwrap_or_else(|| "unnamed".to_owned());
    let name = match label("subject_CN") {
        Some(subject) => format!("{place} ({subject})"),
        None => place,
    };
    told(&name, MAX_NAME)
}

#[cfg(test)]
#[path = "certificates_tests.rs"]
mod tests;
