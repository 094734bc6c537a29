//! Rows of the gateway's views, as a person reads them.

use serde_json::Value;

/// A column's text; `-` where there is none.
pub(super) fn cell(row: &Value, column: &str) -> String {
    match row.get(column) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "-".to_owned(),
        Some(other) => other.to_string(),
    }
}

/// A column's text, if it has one.
pub(super) fn text<'a>(row: &'a Value, column: &str) -> Option<&'a str> {
    row.get(column)?.as_str().filter(|text| !text.is_empty())
}

/// A column's rows.
pub(super) fn list<'a>(row: &'a Value, column: &str) -> &'a [Value] {
    row.get(column)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// An entity as `kind/name`, from its text or its object.
pub(super) fn short(entity: &Value) -> String {
    match entity {
        Value::String(text) => {
            let mut parts = text.rsplitn(3, '/');
            let (name, kind) = (parts.next().unwrap_or("?"), parts.next());
            kind.map_or_else(|| name.to_owned(), |kind| format!("{kind}/{name}"))
        }
        object => {
            let part = |name| text(object, name).unwrap_or("?");
            format!("{}/{}", part("kind"), part("name"))
        }
    }
}

/// The texts of reasons, one after the other.
pub(super) fn reasons(row: &Value) -> String {
    let texts = list(row, "reasons")
        .iter()
        .filter_map(|reason| text(reason, "text"));
    texts.collect::<Vec<_>>().join("; ")
}

/// A label in its column, and a text beside it.
pub(super) fn line(label: &str, text: &str) -> String {
    format!("{label:10} {text}\n")
}

/// How sure, from thousandths.
pub(super) fn percent(row: &Value) -> String {
    let thousandths = row.get("confidence").and_then(Value::as_u64).unwrap_or(0);
    format!("{} %", (thousandths + 5) / 10)
}
