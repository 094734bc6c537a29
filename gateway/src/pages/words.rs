//! How things are said: times, spans, names. What is `HtmlSafe` here writes markup and escapes the rest.

use std::fmt;

use askama::filters::HtmlSafe;
use jiff::Timestamp;

/// A moment. Without scripts it reads as UTC; the script turns it into what the visitor chose.
#[derive(Clone, Copy, Debug)]
pub(super) struct When(pub(super) Timestamp);

impl HtmlSafe for When {}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = self.0.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
        let read = self.0.strftime("%d %b %H:%M:%S");
        write!(
            f,
            r#"<time datetime="{exact}" title="{exact}">{read}</time>"#
        )
    }
}

/// An entity's text, `cluster/namespace/kind/name`: the name first, where it is after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thing<'a>(pub(super) &'a str);

impl Thing<'_> {
    /// `kind/name`.
    pub(super) fn name(&self) -> String {
        let parts: Vec<&str> = self.0.split('/').collect();
        match parts.as_slice() {
            [.., kind, name] => format!("{kind}/{name}"),
            _ => self.0.to_owned(),
        }
    }

    /// `cluster/namespace`, or the cluster.
    pub(super) fn place(&self) -> String {
        let parts: Vec<&str> = self.0.split('/').collect();
        parts[..parts.len().saturating_sub(2)].join("/")
    }
}

/// `snake_case` as people say it.
pub(super) fn spoken(name: &str) -> String {
    name.replace('_', " ")
}

/// How long from one moment to another: two units at most.
pub(super) fn span(from: Timestamp, to: Timestamp) -> String {
    let millis = to.as_millisecond().saturating_sub(from.as_millisecond());
    let seconds = millis.max(0) / 1_000;
    match seconds {
        0..10 => format!("{:.1} s", millis.max(0) as f64 / 1_000.0),
        10..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min {} s", seconds / 60, seconds % 60),
        7_200..172_800 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// A number of bytes or entries with its thousands apart.
pub(super) fn thousands(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    if number < 0 {
        text.insert(0, '-');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        let from = Timestamp::UNIX_EPOCH;
        for (seconds, said) in [
            (3, "3.0 s"),
            (45, "45 s"),
            (125, "2 min 5 s"),
            (7_260, "2 h 1 min"),
            (200_000, "2 d 7 h"),
            (-5, "0.0 s"),
        ] {
            let to = Timestamp::from_second(seconds).expect("in range");
            assert_eq!(span(from, to), said);
        }
    }

    #[test]
    fn names_come_before_places() {
        for (text, name, place) in [
            ("demo/shop/deployment/cart", "deployment/cart", "demo/shop"),
            ("demo/node/n1", "node/n1", "demo"),
            ("odd", "odd", ""),
        ] {
            let thing = Thing(text);
            assert_eq!(
                (thing.name().as_str(), thing.place().as_str()),
                (name, place)
            );
        }
        assert_eq!(thousands(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(thousands(-42), "-42");
    }
}
