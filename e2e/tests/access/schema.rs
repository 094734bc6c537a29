//! The simplest value of a JSON schema.

use serde_json::{Map, Value, json};

/// The value that a schema of `document` gives as its example, or the simplest that fits.
pub(crate) fn simplest(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let named = document.pointer(reference.trim_start_matches('#'));
        return simplest(document, named.expect("what is referred to is there"));
    }
    let given = [
        &schema["example"],
        &schema["examples"][0],
        &schema["const"],
        &schema["enum"][0],
    ];
    if let Some(given) = given.into_iter().find(|given| !given.is_null()) {
        return given.clone();
    }
    if let Some(any) = schema["oneOf"].as_array().and_then(|all| all.last()) {
        return simplest(document, any);
    }
    match schema["type"].as_str() {
        Some("object") => {
            let required = schema["required"].as_array().into_iter().flatten();
            let fields = required.filter_map(Value::as_str).map(|name| {
                let value = simplest(document, &schema["properties"][name]);
                (name.to_owned(), value)
            });
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Some("array") => json!([simplest(document, &schema["items"])]),
        Some("integer" | "number") => json!(schema["minimum"].as_i64().unwrap_or(0)),
        Some("boolean") => json!(false),
        _ => {
            let length = schema["minLength"].as_u64().unwrap_or(1);
            json!("x".repeat(usize::try_from(length).unwrap()))
        }
    }
}
