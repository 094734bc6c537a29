//! Kubernetes quantities: `500m`, `256Mi`, `1e9`.

use serde_json::Value;

/// The amount in thousandths; 0 when there is none or it cannot be read.
pub(super) fn millis(value: Option<&Value>) -> i64 {
    amount(value).map_or(0, |amount| (amount * 1000.0).round() as i64)
}

/// The amount in whole units, rounded up; 0 when there is none or it cannot be read.
pub(super) fn units(value: Option<&Value>) -> i64 {
    amount(value).map_or(0, |amount| amount.ceil() as i64)
}

fn amount(value: Option<&Value>) -> Option<f64> {
    let text = match value? {
        Value::String(text) => text.as_str(),
        Value::Number(number) => return number.as_f64(),
        _ => return None,
    };
    let factors: [(&str, f64); 15] = [
        ("Ki", 1024.0),
        ("Mi", 1024f64.powi(2)),
        ("Gi", 1024f64.powi(3)),
        ("Ti", 1024f64.powi(4)),
        ("Pi", 1024f64.powi(5)),
        ("Ei", 1024f64.powi(6)),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("E", 1e18),
    ];
    for (suffix, factor) in factors {
        if let Some(number) = text.strip_suffix(suffix) {
            return number.parse::<f64>().ok().map(|number| number * factor);
        }
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quantities_are_read_as_kubernetes_writes_them() {
        for (text, thousandths) in [
            (json!("500m"), 500),
            (json!("2"), 2_000),
            (json!(2), 2_000),
            (json!("0.1"), 100),
            (json!("1500u"), 2),
            (json!("much"), 0),
            (Value::Null, 0),
        ] {
            assert_eq!(millis(Some(&text)), thousandths, "{text}");
        }
        for (text, bytes) in [
            (json!("256Mi"), 256 << 20),
            (json!("1G"), 1_000_000_000),
            (json!("1e3"), 1_000),
            (json!("128974848"), 128_974_848),
        ] {
            assert_eq!(units(Some(&text)), bytes, "{text}");
        }
    }
}
