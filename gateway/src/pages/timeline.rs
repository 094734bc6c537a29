//! An incident as spans over time, drawn on the server: what waits is dashed, colour says what came of it.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::words::span;

const WIDTH: f64 = 960.0;
/// Where labels end and spans begin.
const LEFT: f64 = 220.0;
const ROW: f64 = 26.0;
const TOP: f64 = 24.0;
/// The shortest span that can be seen.
const SHORTEST: f64 = 3.0;

/// One span.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) label: String,
    pub(super) from: Timestamp,
    /// Nothing while it lasts.
    pub(super) to: Option<Timestamp>,
    /// What came of it, as the style sheet knows it.
    pub(super) class: &'static str,
    /// Moments within it that matter.
    pub(super) marks: Vec<Timestamp>,
    pub(super) link: Option<String>,
}

/// Spans over one axis of time.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    pub(super) rows: Vec<Row>,
    /// The newest moment that is known of.
    pub(super) now: Timestamp,
}

impl Timeline {
    fn bounds(&self) -> (Timestamp, Timestamp) {
        let from = self.rows.iter().map(|row| row.from).min();
        let ends = self
            .rows
            .iter()
            .flat_map(|row| row.to.into_iter().chain(row.marks.iter().copied()));
        let to = ends.chain([self.now]).max().unwrap_or(self.now);
        (from.unwrap_or(self.now), to)
    }

    /// The picture.
    pub(super) fn svg(&self) -> String {
        let (from, to) = self.bounds();
        let whole = (to.as_millisecond() - from.as_millisecond()).max(1_000) as f64;
        let x = |at: Timestamp| {
            let share = (at.as_millisecond() - from.as_millisecond()) as f64 / whole;
            LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - 12.0)
        };
        let height = TOP + ROW * self.rows.len() as f64 + 6.0;
        let mut svg = format!(
            r#"<svg class="timeline" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="what happened when">"#
        );
        for fifth in 0..=4 {
            let share = f64::from(fifth) / 4.0;
            let at = LEFT + share * (WIDTH - LEFT - 12.0);
            let offset = (whole * share) as i64;
            let moment =
                Timestamp::from_millisecond(from.as_millisecond() + offset).unwrap_or(from);
            let said = match fifth {
                0 => from.strftime("%H:%M:%S").to_string(),
                _ => format!("+{}", span(from, moment)),
            };
            let anchor = match fifth {
                0 => "start",
                4 => "end",
                _ => "middle",
            };
            let _ = write!(
                svg,
                r#"<line class="grid" x1="{at:.1}" x2="{at:.1}" y1="{TOP}" y2="{height}"/><text class="tick" x="{at:.1}" y="14" text-anchor="{anchor}">{said}</text>"#
            );
        }
        for (place, row) in self.rows.iter().enumerate() {
            let y = TOP + ROW * place as f64 + 4.0;
            let (begin, end) = (x(row.from), x(row.to.unwrap_or(to)));
            let width = (end - begin).max(SHORTEST);
            let pending = if row.to.is_none() { " pending" } else { "" };
            let lasted = span(row.from, row.to.unwrap_or(to));
            let label = escaped(&row.label);
            if let Some(link) = &row.link {
                let _ = write!(svg, r#"<a href="{}">"#, escaped(link));
            }
            let _ = write!(
                svg,
                r#"<text class="label" x="{:.0}" y="{:.1}" text-anchor="end">{}</text><rect class="span {}{pending}" x="{begin:.1}" y="{y:.1}" width="{width:.1}" height="16" rx="3"><title>{label}: {lasted}</title></rect>"#,
                LEFT - 10.0,
                y + 12.0,
                escaped(&short(&row.label)),
                row.class,
            );
            for mark in &row.marks {
                let _ = write!(
                    svg,
                    r#"<line class="mark" x1="{0:.1}" x2="{0:.1}" y1="{1:.1}" y2="{2:.1}"/>"#,
                    x(*mark),
                    y - 2.0,
                    y + 18.0
                );
            }
            if row.link.is_some() {
                svg.push_str("</a>");
            }
        }
        svg.push_str("</svg>");
        svg
    }
}

fn short(label: &str) -> String {
    match label.char_indices().nth(32) {
        Some((at, _)) => format!("{}…", &label[..at]),
        None => label.to_owned(),
    }
}

/// Text as XML takes it.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_dashed_and_names_cannot_be_markup() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        let timeline = Timeline {
            rows: vec![
                Row {
                    label: "<script>".to_owned(),
                    from: at(100),
                    to: None,
                    class: "open",
                    marks: vec![at(150)],
                    link: None,
                },
                Row {
                    label: "restart".to_owned(),
                    from: at(120),
                    to: Some(at(160)),
                    class: "verified",
                    marks: Vec::new(),
                    link: Some("/audit/7".to_owned()),
                },
            ],
            now: at(200),
        };
        let svg = timeline.svg();
        assert!(!svg.contains("<script>"));
        assert!(svg.contains(r#"class="span open pending""#), "{svg}");
        assert!(svg.contains(r#"class="span verified" x="365.6""#), "{svg}");
        assert!(svg.contains(r#"<a href="/audit/7">"#));
        assert_eq!(svg.matches("class=\"mark\"").count(), 1);
    }
}
