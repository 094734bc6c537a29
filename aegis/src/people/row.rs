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

/// A column's time to the second, in UTC.
pub(super) fn time(row: &Value, column: &str) -> String {
    let said = text(row, column).and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let whole = said.and_then(|time| time.round(jiff::Unit::Second).ok());
    whole.map_or_else(|| cell(row, column), |time| time.to_string())
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_told_to_the_second() {
        let row =
            json!({ "at": "2026-11-29T18:30:44.914432+01:00", "never": null, "soon": "soon" });
        assert_eq!(time(&row, "at"), "2026-11-29T17:30:45Z");
        assert_eq!(time(&row, "never"), "-");
        assert_eq!(time(&row, "soon"), "soon");
    }

    #[test]
    fn an_entity_is_its_kind_and_name_whichever_way_it_is_said() {
        let object = json!({ "cluster": "demo", "kind": "node", "name": "n1" });
        assert_eq!(short(&object), "node/n1");
        assert_eq!(
            short(&json!("demo/shop/deployment/cart")),
            "deployment/cart"
        );
        assert_eq!(short(&json!("demo/node/n1")), "node/n1");
    }
}
