//! How features went, drawn on the server: the line, the band in which it was expected behind it, the
//! anomaly's span, the acts and how they were judged.

use std::fmt::Write as _;

use askama::Template;
use jiff::Timestamp;

use super::words::{span, spoken};
use crate::record::{Point, Trace};

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 120.0;
const LEFT: f64 = 4.0;
const RIGHT: f64 = 52.0;
const BOTTOM: f64 = 16.0;
const TOP: f64 = 6.0;
/// Points of a line at most: more cannot be seen.
const POINTS: usize = 240;

/// What all charts of an incident have in common.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    /// When it was anomalous; without an end it still is.
    pub(super) anomaly: (Timestamp, Option<Timestamp>),
    /// When an act was done, when it was judged, and what became of it.
    pub(super) acts: Vec<(Timestamp, Option<Timestamp>, String)>,
}

/// A chart that is drawn.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    pub(super) title: String,
    /// The value at the end, in its unit.
    pub(super) now: String,
    pub(super) svg: String,
}

#[derive(Template)]
#[template(path = "chart.svg", escape = "html")]
struct Drawn {
    name: String,
    from_ms: i64,
    to_ms: i64,
    anomaly: (f64, f64),
    band: String,
    line: String,
    acts: Vec<(f64, f64, String)>,
    /// Where its grid lines are, with what they stand for.
    grid: Vec<(f64, String)>,
    /// For the crosshair: milliseconds, value in words and place from the top, with spaces between.
    points: String,
}

/// The charts of the features that moved most, at most `most`.
pub(super) fn draw(scene: &Scene, mut traces: Vec<Trace>, most: usize) -> Vec<Chart> {
    let inside = |point: &Point| {
        (scene.from.as_millisecond()..=scene.to.as_millisecond()).contains(&point.at_ms)
    };
    for trace in &mut traces {
        trace.points.retain(inside);
    }
    traces.retain(|trace| trace.points.len() > 1);
    traces.sort_by(|a, b| {
        moved(b)
            .total_cmp(&moved(a))
            .then_with(|| a.feature.cmp(&b.feature))
    });
    traces.truncate(most);
    traces
        .iter()
        .filter_map(|trace| one(scene, trace))
        .collect()
}

/// How far the line left its band, in widths of the band, at most.
fn moved(trace: &Trace) -> f64 {
    let out = |point: &Point| {
        let (low, high) = point.expected?;
        let beyond = (point.value - high).max(low - point.value).max(0.0);
        Some(beyond / (high - low).max(1e-9))
    };
    trace.points.iter().filter_map(out).fold(0.0, f64::max)
}

fn one(scene: &Scene, trace: &Trace) -> Option<Chart> {
    let every = trace.points.len().div_ceil(POINTS);
    let points: Vec<Point> = thinned(&trace.points, every);
    let top = points
        .iter()
        .map(|point| {
            point
                .value
                .max(point.expected.map_or(0.0, |(_, high)| high))
        })
        .filter(|value| value.is_finite())
        .fold(0.0, f64::max);
    let top = nice(top);
    let span = (scene.to.as_millisecond() - scene.from.as_millisecond()).max(1) as f64;
    let x = |ms: i64| {
        let share = (ms - scene.from.as_millisecond()) as f64 / span;
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    };
    let y = |value: f64| HEIGHT - BOTTOM - (value / top).clamp(0.0, 1.0) * (HEIGHT - BOTTOM - TOP);
    let when = |at: Timestamp| x(at.as_millisecond());
    let end = WIDTH - RIGHT;

    let mut line = String::new();
    let mut crosshair = String::new();
    for point in points.iter().filter(|point| point.value.is_finite()) {
        let pen = if line.is_empty() { 'M' } else { 'L' };
        let _ = write!(line, "{pen}{:.1} {:.1}", x(point.at_ms), y(point.value));
        let said = said(&trace.feature, point.value).replace(' ', "\u{a0}");
        let _ = write!(crosshair, "{} {said} {:.1} ", point.at_ms, y(point.value));
    }
    let known = || {
        points
            .iter()
            .filter_map(|point| Some((point.at_ms, point.expected?)))
    };
    let mut band = String::new();
    for (at, (_, high)) in known() {
        let pen = if band.is_empty() { 'M' } else { 'L' };
        let _ = write!(band, "{pen}{:.1} {:.1}", x(at), y(high));
    }
    for (at, (low, _)) in known().collect::<Vec<_>>().into_iter().rev() {
        let _ = write!(band, "L{:.1} {:.1}", x(at), y(low));
    }
    if !band.is_empty() {
        band.push('Z');
    }
    let (begin, over) = scene.anomaly;
    let drawn = Drawn {
        name: feature_in_words(&trace.feature),
        from_ms: scene.from.as_millisecond(),
        to_ms: scene.to.as_millisecond(),
        anomaly: (when(begin), over.map_or(end, when)),
        band,
        line,
        acts: scene
            .acts
            .iter()
            .map(|(at, judged, state)| (when(*at), judged.map_or(end, when), state.clone()))
            .collect(),
        grid: [0.0, 0.5, 1.0]
            .map(|share| (y(top * share), said(&trace.feature, top * share)))
            .to_vec(),
        points: crosshair.trim_end().to_owned(),
    };
    Some(Chart {
        title: drawn.name.clone(),
        now: said(&trace.feature, points.last()?.value),
        svg: drawn.render().ok()?,
    })
}

/// Every so manieth point, and of those between the one that stands out most: a spike is never lost.
fn thinned(points: &[Point], every: usize) -> Vec<Point> {
    points
        .chunks(every.max(1))
        .filter_map(|some| {
            let first = some.first()?.value;
            some.iter()
                .max_by(|a, b| (a.value - first).abs().total_cmp(&(b.value - first).abs()))
                .copied()
        })
        .collect()
}

/// A round number above.
fn nice(top: f64) -> f64 {
    if top <= 0.0 {
        return 1.0;
    }
    let scale = 10.0_f64.powf(top.log10().floor());
    let steps = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0];
    let step = steps.into_iter().find(|step| step * scale >= top);
    step.unwrap_or(10.0) * scale
}

/// A feature as people say it.
pub(super) fn feature_in_words(feature: &str) -> String {
    match feature.split_once('.') {
        Some(("log_rate", level)) => format!("lines of level {level} a second"),
        Some(("log_template", named)) => template_in_words(named),
        // Its name may have dots of its own.
        Some(("certificate", name)) => format!("certificate {name}"),
        Some((name, peer)) => format!("{} to {peer}", spoken(name)),
        None => spoken(feature),
    }
}

/// Level and text of a template, with a dot between.
fn template_in_words(named: &str) -> String {
    let (level, text) = named.split_once('.').unwrap_or(("unknown", named));
    format!("lines of level {level} a second: {text}")
}

/// What is left of a certificate, from seconds.
fn left(seconds: f64) -> String {
    let end = Timestamp::from_second(seconds.abs() as i64).unwrap_or(Timestamp::MAX);
    let time = span(Timestamp::UNIX_EPOCH, end);
    if seconds < 0.0 {
        format!("over for {time}")
    } else {
        format!("{time} left")
    }
}

/// A value of a feature in its unit.
pub(super) fn said(feature: &str, value: f64) -> String {
    let name = feature.split('.').next().unwrap_or(feature);
    if name.ends_with("ratio") || name.ends_with("utilisation") {
        return format!("{} %", digits(value * 100.0));
    }
    if name.starts_with("latency") || name.contains("latency") {
        return if value < 1.0 {
            format!("{} ms", digits(value * 1_000.0))
        } else {
            format!("{} s", digits(value))
        };
    }
    if name == "certificate" {
        return left(value);
    }
    if name.ends_with("rate") || name == "log_template" {
        return format!("{}/s", digits(value));
    }
    digits(value)
}

/// Three digits that mean something.
fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene() -> Scene {
        let at = |second| Timestamp::from_second(second).expect("in range");
        Scene {
            from: at(0),
            to: at(100),
            anomaly: (at(50), None),
            acts: vec![(at(60), Some(at(80)), "verified".to_owned())],
        }
    }

    fn trace(feature: &str, value: impl Fn(i64) -> f64) -> Trace {
        let point = |second: i64| Point {
            at_ms: second * 1_000,
            value: value(second),
            expected: Some((0.0, 0.1)),
        };
        Trace {
            feature: feature.to_owned(),
            points: (0..=100).map(point).collect(),
        }
    }

    #[test]
    fn what_left_its_band_comes_first_and_says_its_unit() {
        let quiet = trace("cpu_utilisation", |_| 0.05);
        let sick = trace("error_ratio", |second| if second > 50 { 0.4 } else { 0.0 });
        let charts = draw(&scene(), vec![quiet, sick], 6);
        let titles: Vec<&str> = charts.iter().map(|chart| chart.title.as_str()).collect();
        assert_eq!(titles, ["error ratio", "cpu utilisation"]);
        assert_eq!(charts[0].now, "40.0 %");
        assert!(charts[0].svg.contains("act verified"), "{}", charts[0].svg);
        assert!(draw(&scene(), vec![trace("x", |_| 0.0); 9], 6).len() == 6);
    }

    #[test]
    fn logs_and_certificates_are_told_in_words_of_their_own() {
        let day = 86_400.0;
        for (feature, value, name, told) in [
            (
                "log_rate.error",
                12.0,
                "lines of level error a second",
                "12.0/s",
            ),
            (
                "log_template.error.no route to a.b",
                0.5,
                "lines of level error a second: no route to a.b",
                "0.50/s",
            ),
            (
                "certificate.shop/a.b",
                10.0 * day,
                "certificate shop/a.b",
                "10 d 0 h left",
            ),
            (
                "certificate.shop/web",
                -200.0,
                "certificate shop/web",
                "over for 3 min 20 s",
            ),
            ("call_latency.cart", 0.5, "call latency to cart", "500 ms"),
        ] {
            assert_eq!(feature_in_words(feature), name);
            assert_eq!(said(feature, value), told);
        }
    }

    #[test]
    fn a_spike_survives_thinning() {
        let spike = trace(
            "request_rate",
            |second| if second == 33 { 900.0 } else { 10.0 },
        );
        let thin = thinned(&spike.points, 10);
        assert!(thin.len() <= 11);
        assert!(thin.iter().any(|point| point.value > 800.0));
        for (value, top) in [(0.0, 1.0), (0.93, 1.0), (12.0, 15.0), (76.0, 100.0)] {
            assert!((nice(value) - top).abs() < 1e-9, "{value}");
        }
    }
}
