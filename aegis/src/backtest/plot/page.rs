//! The page: one HTML file with a picture for the score and one for each metric.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::episodes::Episode;
use super::thin::{Column, Thin};

/// Size of a picture's own units; the page stretches its width.
const WIDTH: f64 = 1_000.0;
const HEIGHT: f64 = 60.0;
/// The most metrics that are drawn: those that were blamed, then the first ones.
const MOST_METRICS: usize = 60;
/// The most metrics that are named for an episode.
const MOST_BLAMED: usize = 6;
/// Times that are written below the score.
const TICKS: i64 = 6;

const STYLE: &str = "body{font:14px/1.45 system-ui,sans-serif;color:#223;background:#fcfcfb;max-width:72rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.2rem;font-weight:600}h2{font-size:.85rem;font-weight:500;margin:.7rem 0 0;color:#556}\
svg{display:block;width:100%;height:60px;background:#fff;border-bottom:1px solid #e4e4e0}\
path{fill:none;stroke:#3a6ea5;stroke-width:1;vector-effect:non-scaling-stroke}.score path{stroke:#555}\
rect{fill:#d9822b;fill-opacity:.22}.ticks{display:flex;justify-content:space-between;color:#889;font-size:.75rem}\
table{border-collapse:collapse;margin-top:1rem}td,th{text-align:left;padding:.15rem 1rem .15rem 0}th{color:#556;font-weight:500}\
small{color:#889;font-weight:400}\
@media(prefers-color-scheme:dark){body{color:#dde;background:#17181b}svg{background:#1d1f23;border-color:#333}\
path{stroke:#7fb0e0}.score path{stroke:#aaa}h2,th{color:#aab}}";

/// The whole page.
pub(super) fn render(metrics: &[String], thin: &Thin, episodes: &[Episode]) -> String {
    let columns = thin.columns();
    let span = Span::of(columns, episodes);
    let mut page = String::new();
    let _ = write!(
        page,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Aegis backtest</title><style>{STYLE}</style>\
         <h1>{} to {}: {} episodes</h1>",
        time(span.first),
        time(span.last),
        episodes.len()
    );
    let marks = marks(&span, metrics, episodes);
    let scores = columns
        .iter()
        .map(|column| (column.at, Some((0.0, column.score))));
    page.push_str("<div class=\"score\">");
    picture(
        &mut page,
        "score, -log10 of how unusual",
        &span,
        scores,
        &marks,
    );
    page.push_str("</div><div class=\"ticks\">");
    for tick in 0..TICKS {
        let at = span.first + (span.last - span.first) / (TICKS - 1) * tick;
        let _ = write!(page, "<span>{}</span>", time(at));
    }
    page.push_str("</div>");
    for metric in chosen(metrics.len(), episodes) {
        let spans = columns
            .iter()
            .map(|column| (column.at, column.metrics[metric]));
        picture(&mut page, &metrics[metric], &span, spans, &marks);
    }
    if metrics.len() > MOST_METRICS {
        let left_out = metrics.len() - MOST_METRICS;
        let _ = write!(page, "<p>{left_out} metrics more are not drawn.</p>");
    }
    table(&mut page, metrics, episodes);
    page.push_str("</html>\n");
    page
}

/// The time that the pictures cover.
struct Span {
    first: i64,
    last: i64,
}

impl Span {
    fn of(columns: &[Column], episodes: &[Episode]) -> Self {
        let first = columns.first().map_or(0, |column| column.at);
        let last = columns.last().map_or(0, |column| column.at);
        let alarmed = episodes.last().map_or(last, |episode| episode.last);
        Self {
            first,
            last: last.max(alarmed),
        }
    }

    fn x(&self, at: i64) -> f64 {
        let all = (self.last - self.first).max(1) as f64;
        WIDTH * (at - self.first) as f64 / all
    }
}

/// The metrics that are drawn, in the order of the table.
fn chosen(metrics: usize, episodes: &[Episode]) -> Vec<usize> {
    let blamed = episodes
        .iter()
        .flat_map(|episode| episode.blamed.iter().take(MOST_BLAMED));
    let mut chosen: Vec<usize> = Vec::new();
    for metric in blamed.copied().chain(0..metrics) {
        if chosen.len() < MOST_METRICS && !chosen.contains(&metric) {
            chosen.push(metric);
        }
    }
    chosen.sort_unstable();
    chosen
}

/// One picture: the least and the most of each column, and where the episodes are.
fn picture(
    page: &mut String,
    name: &str,
    span: &Span,
    columns: impl Iterator<Item = (i64, Option<(f64, f64)>)> + Clone,
    marks: &str,
) {
    let seen = columns.clone().filter_map(|(_, values)| values);
    let (low, high) = seen.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (a, b)| {
        (low.min(a), high.max(b))
    });
    let range = if high > low { high - low } else { 1.0 };
    let y = |value: f64| (HEIGHT - 2.0) * (1.0 - (value - low) / range) + 1.0;
    let about = if low <= high {
        format!("{} to {}", short(low), short(high))
    } else {
        "no values".to_owned()
    };
    let _ = write!(
        page,
        "<h2>{} <small>{about}</small></h2><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\">{marks}<path d=\"",
        escaped(name)
    );
    let mut pen = 'M';
    for (at, values) in columns {
        let Some((least, most)) = values else {
            pen = 'M';
            continue;
        };
        let _ = write!(
            page,
            "{pen}{:.1} {:.1}V{:.1}",
            span.x(at),
            y(least),
            y(most)
        );
        pen = 'L';
    }
    page.push_str("\"/></svg>");
}

fn marks(span: &Span, metrics: &[String], episodes: &[Episode]) -> String {
    let mut marks = String::new();
    for episode in episodes {
        let begin = span.x(episode.first);
        let width = (span.x(episode.last) - begin).max(1.5);
        let _ = write!(
            marks,
            "<rect x=\"{begin:.1}\" width=\"{width:.1}\" height=\"{HEIGHT}\"><title>{}, score {:.1}: {}</title></rect>",
            time(episode.first),
            episode.score,
            escaped(&blamed(metrics, episode))
        );
    }
    marks
}

fn table(page: &mut String, metrics: &[String], episodes: &[Episode]) {
    if episodes.is_empty() {
        return;
    }
    page.push_str("<table><tr><th>from<th>to<th>score<th>blame");
    for episode in episodes {
        let _ = write!(
            page,
            "<tr><td>{}<td>{}<td>{:.1}<td>{}",
            time(episode.first),
            time(episode.last),
            episode.score,
            escaped(&blamed(metrics, episode))
        );
    }
    page.push_str("</table>");
}

fn blamed(metrics: &[String], episode: &Episode) -> String {
    let names = episode.blamed.iter().take(MOST_BLAMED);
    let names: Vec<&str> = names.map(|metric| metrics[*metric].as_str()).collect();
    names.join(", ")
}

fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(
        |_| seconds.to_string(),
        |at| at.strftime("%Y-%m-%d %H:%M").to_string(),
    )
}

/// A number in few characters.
fn short(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e6).contains(&size) {
        format!("{value:.2e}")
    } else {
        format!("{value:.4}")
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned()
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
