//! Short names for reading and writing JSON objects by pointer.
//!
//! Objects stay JSON from request to store, as any field may be patched; these
//! helpers keep the controllers readable without a type for each kind.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// The text at `path`, or "" when there is none.
pub(crate) fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    object.pointer(path).and_then(Value::as_str).unwrap_or("")
}

/// The integer at `path`, or `default`.
pub(crate) fn int(object: &Value, path: &str, default: i64) -> i64 {
    object
        .pointer(path)
        .and_then(Value::as_i64)
        .unwrap_or(default)
}

/// Whether `path` holds `true`.
pub(crate) fn flag(object: &Value, path: &str) -> bool {
    object.pointer(path).and_then(Value::as_bool) == Some(true)
}

/// The elements of the list at `path`.
pub(crate) fn list<'a>(object: &'a Value, path: &str) -> &'a [Value] {
    object
        .pointer(path)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The object's name.
pub(crate) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

/// The object's namespace, "" for cluster-wide ones.
pub(crate) fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

/// The object's UID.
pub(crate) fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

/// An annotation's value.
pub(crate) fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.pointer("/metadata/annotations")?.get(key)?.as_str()
}

/// Whether deletion has begun.
pub(crate) fn terminating(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

/// The value under `keys`, made of objects where missing.
pub(crate) fn entry<'a>(object: &'a mut Value, keys: &[&str]) -> &'a mut Value {
    let mut at = object;
    for key in keys {
        at = fields(at).entry(*key).or_insert(Value::Null);
    }
    at
}

/// Writes `value` under `keys`.
pub(crate) fn set(object: &mut Value, keys: &[&str], value: impl Into<Value>) {
    *entry(object, keys) = value.into();
}

/// Writes `value` under `keys` unless something is there.
pub(crate) fn default(object: &mut Value, keys: &[&str], value: impl Into<Value>) {
    let slot = entry(object, keys);
    if slot.is_null() {
        *slot = value.into();
    }
}

/// The object's fields; anything else becomes an empty object first.
pub(crate) fn fields(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("made an object just above")
}

/// Sets `key` to `value`, or removes it when there is no value.
pub(crate) fn put(object: &mut Value, key: &str, value: Option<Value>) {
    match value {
        Some(value) => fields(object).insert(key.to_owned(), value),
        None => fields(object).remove(key),
    };
}

/// `metav1.Time`: whole seconds.
pub(crate) fn stamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The time written at `path`.
pub(crate) fn time(object: &Value, path: &str) -> Option<Timestamp> {
    text(object, path).parse().ok()
}
