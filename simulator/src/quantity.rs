//! Quantities as Kubernetes writes them: `250m`, `1.5`, `256Mi`.

/// The suffixes and what they stand for; the longer ones first.
const UNITS: [(&str, f64); 11] = [
    ("Ki", 1_024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
];

/// Its value, `None` when it is not a quantity.
pub(crate) fn parse(text: &str) -> Option<f64> {
    let text = text.trim();
    let unit = UNITS.iter().find_map(|(suffix, factor)| {
        let number = text.strip_suffix(suffix)?;
        Some((number, *factor))
    });
    let (number, factor) = unit.unwrap_or((text, 1.0));
    let value = number.parse::<f64>().ok()? * factor;
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn quantities_are_read_as_kubernetes_means_them() {
        assert_eq!(parse("250m"), Some(0.25));
        assert_eq!(parse("2"), Some(2.0));
        assert_eq!(parse("1Mi"), Some(1_048_576.0));
        assert_eq!(parse("1M"), Some(1e6));
        assert_eq!(parse("a lot"), None);
    }
}
