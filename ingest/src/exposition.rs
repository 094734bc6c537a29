//! The Prometheus text format 0.0.4.
//!
//! A page is taken as a whole or not at all, as Prometheus does: half a page would look like series
//! that stopped. Nothing here panics, whatever the text.

use std::collections::{BTreeMap, HashMap};

use aegis_schemas::{MetricKind, Timestamp};

use crate::sample::kind_by_name;

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct Error {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// A value as it stands on the page.
#[derive(Clone, Debug, PartialEq)]
pub struct Exposed {
    /// The metric's name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Counter or gauge; histograms and summaries are counters but for their quantiles.
    pub kind: MetricKind,
    /// Its value.
    pub value: f64,
    /// Its own time, if it has one.
    pub time: Option<Timestamp>,
}

/// All values of a page.
///
/// # Errors
///
/// The first line that cannot be read.
pub fn parse(text: &str) -> Result<Vec<Exposed>, Error> {
    let mut types: HashMap<&str, &str> = HashMap::new();
    let mut found = Vec::new();
    for (place, line) in text.lines().enumerate() {
        let line = line.trim_matches([' ', '\t', '\r']);
        if line.is_empty() {
            continue;
        }
        if let Some(comment) = line.strip_prefix('#') {
            let mut words = comment.split_ascii_whitespace();
            if words.next() == Some("TYPE")
                && let (Some(name), Some(kind)) = (words.next(), words.next())
            {
                types.insert(name, kind);
            }
            continue;
        }
        let mut value = read_line(line).map_err(|reason| Error {
            line: place + 1,
            reason,
        })?;
        value.kind = kind_of(&types, &value.name);
        found.push(value);
    }
    Ok(found)
}

fn kind_of(types: &HashMap<&str, &str>, name: &str) -> MetricKind {
    match types.get(name) {
        Some(&"counter") => return MetricKind::Counter,
        // A summary's own name carries its quantiles.
        Some(&("gauge" | "summary")) => return MetricKind::Gauge,
        _ => {}
    }
    let family = ["_bucket", "_sum", "_count"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix));
    match family.and_then(|family| types.get(family)) {
        Some(&("histogram" | "summary")) => MetricKind::Counter,
        _ => kind_by_name(name),
    }
}

/// `name{label="value",…} value [milliseconds]`.
fn read_line(line: &str) -> Result<Exposed, &'static str> {
    let (name, rest) = word(line, |byte| is_label(byte) || byte == b':');
    if rest.is_empty() {
        return Err("a name without a value");
    }
    if name.is_empty() || name.as_bytes()[0].is_ascii_digit() {
        return Err("expected the name of a metric");
    }
    let rest = unpadded(rest);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inner) => read_labels(inner)?,
        None => (BTreeMap::new(), rest),
    };
    let mut words = rest.split_ascii_whitespace();
    let value = read_value(words.next().ok_or("no value")?)?;
    let time = words.next().map(|word| {
        word.parse()
            .map(Timestamp::from_millis)
            .map_err(|_| "the time is not a whole number of milliseconds")
    });
    if words.next().is_some() {
        return Err("something follows the time");
    }
    Ok(Exposed {
        name: name.to_owned(),
        labels,
        kind: MetricKind::Gauge,
        value,
        time: time.transpose()?,
    })
}

/// The labels up to the closing brace, and what follows it.
fn read_labels(mut rest: &str) -> Result<(BTreeMap<String, String>, &str), &'static str> {
    let mut labels = BTreeMap::new();
    loop {
        rest = unpadded(rest);
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((labels, after));
        }
        let (name, after) = word(rest, is_label);
        if after.is_empty() {
            return Err("labels without an end");
        }
        if name.is_empty() || name.as_bytes()[0].is_ascii_digit() {
            return Err("expected the name of a label");
        }
        let after = unpadded(after)
            .strip_prefix('=')
            .ok_or("expected `=` after a label")?;
        let after = unpadded(after)
            .strip_prefix('"')
            .ok_or("expected `\"` before a label's value")?;
        let (value, after) = read_quoted(after)?;
        if labels.insert(name.to_owned(), value).is_some() {
            return Err("a label appears twice");
        }
        rest = unpadded(after);
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.starts_with('}') => {}
            None => return Err("expected `,` or `}` after a label"),
        }
    }
}

fn is_label(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The leading bytes for which `is` holds, ASCII all of them, and what follows.
fn word(text: &str, is: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(|byte| !is(byte));
    text.split_at(end.unwrap_or(text.len()))
}

/// Without leading blanks.
fn unpadded(text: &str) -> &str {
    word(text, |byte| matches!(byte, b' ' | b'\t')).1
}

/// Text up to the closing quote, escapes resolved, and what follows it.
fn read_quoted(text: &str) -> Result<(String, &str), &'static str> {
    let special = |text: &str| {
        text.bytes()
            .position(|byte| matches!(byte, b'"' | b'\\'))
            .ok_or("a label's value without an end")
    };
    let mut value = String::new();
    let mut rest = text;
    loop {
        let place = special(rest)?;
        value.push_str(&rest[..place]);
        let after = &rest[place + 1..];
        if rest.as_bytes()[place] == b'"' {
            return Ok((value, after));
        }
        let mut escaped = after.chars();
        match escaped.next() {
            Some('n') => value.push('\n'),
            Some(escaped @ ('"' | '\\')) => value.push(escaped),
            // Prometheus keeps what it does not know.
            Some(other) => value.extend(['\\', other]),
            None => return Err("a label's value without an end"),
        }
        rest = escaped.as_str();
    }
}

fn read_value(word: &str) -> Result<f64, &'static str> {
    match word {
        "NaN" | "nan" => Ok(f64::NAN),
        "+Inf" | "Inf" | "+inf" | "inf" => Ok(f64::INFINITY),
        "-Inf" | "-inf" => Ok(f64::NEG_INFINITY),
        word if word.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => {
            word.parse().map_err(|_| "the value is not a number")
        }
        _ => Err("the value is not a number"),
    }
}
