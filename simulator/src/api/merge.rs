//! Strategic merge: lists whose elements have a key merge by it.
//!
//! Server-side apply merges by the same keys.

use serde_json::Value;

use super::json;

/// The field that names the elements of the list `field`; `None` for a list
/// that is replaced as a whole.
pub(crate) fn list_key(field: &str, items: &[Value]) -> Option<&'static str> {
    let key = match field {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "volumes"
        | "env"
        | "imagePullSecrets" => "name",
        "volumeMounts" => "mountPath",
        "conditions" | "addresses" => "type",
        "ownerReferences" => "uid",
        "hostAliases" => "ip",
        "ports" if items.iter().any(|item| item.get("containerPort").is_some()) => "containerPort",
        "ports" => "port",
        _ => return None,
    };
    let keyed = items
        .iter()
        .all(|item| item.get(key).is_some_and(|value| !value.is_object()));
    keyed.then_some(key)
}

/// Merges `patch` into `target`; `field` is the name under which both stand.
pub(crate) fn strategic(target: &mut Value, patch: &Value, field: &str) {
    match patch {
        Value::Object(patch) => {
            let directive = patch.get("$patch").and_then(Value::as_str);
            if directive == Some("delete") {
                *target = Value::Null;
                return;
            }
            if directive == Some("replace") || !target.is_object() {
                *target = Value::Object(serde_json::Map::new());
            }
            retain_keys(target, patch.get("$retainKeys"));
            let fields = json::fields(target);
            for (key, value) in patch.iter().filter(|(key, _)| !key.starts_with('$')) {
                let deleted = value.is_null() || json::text(value, "/$patch") == "delete";
                if deleted {
                    fields.remove(key);
                } else {
                    strategic(fields.entry(key.clone()).or_insert(Value::Null), value, key);
                }
            }
            for (key, values) in patch {
                if let Some(list) = key.strip_prefix("$deleteFromPrimitiveList/") {
                    delete_from_list(fields.get_mut(list), values);
                }
            }
        }
        Value::Array(items) => merge_list(target, items, field),
        scalar => *target = scalar.clone(),
    }
}

fn retain_keys(target: &mut Value, keys: Option<&Value>) {
    let Some(keys) = keys.and_then(Value::as_array) else {
        return;
    };
    json::fields(target).retain(|key, _| keys.iter().any(|kept| kept == key));
}

fn delete_from_list(target: Option<&mut Value>, values: &Value) {
    let (Some(Value::Array(items)), Some(values)) = (target, values.as_array()) else {
        return;
    };
    items.retain(|item| !values.contains(item));
}

fn merge_list(target: &mut Value, patch: &[Value], field: &str) {
    let is_directive = |item: &Value| {
        item.get("$patch").is_some() && item.as_object().is_some_and(|o| o.len() == 1)
    };
    let replace = patch
        .iter()
        .any(|item| is_directive(item) && json::text(item, "/$patch") == "replace");
    let items: Vec<_> = patch
        .iter()
        .filter(|item| !is_directive(item))
        .cloned()
        .collect();
    let key = list_key(field, &items);
    let existing = target.as_array_mut().filter(|_| !replace);
    let (Some(key), Some(existing)) = (key, existing) else {
        *target = Value::Array(items);
        return;
    };
    for item in items {
        let place = existing
            .iter()
            .position(|old| old.get(key) == item.get(key));
        match (place, json::text(&item, "/$patch") == "delete") {
            (Some(place), true) => {
                existing.remove(place);
            }
            (None, true) => {}
            (Some(place), false) => strategic(&mut existing[place], &item, ""),
            (None, false) => existing.push(item),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn containers_merge_by_name_and_other_lists_are_replaced() {
        let mut target = json!({"containers": [
            {"name": "a", "image": "a:1", "args": ["x"]},
            {"name": "b", "image": "b:1"},
        ]});
        let patch = json!({"containers": [
            {"name": "a", "image": "a:2", "args": ["y", "z"]},
            {"name": "b", "$patch": "delete"},
            {"name": "c", "image": "c:1"},
        ]});
        strategic(&mut target, &patch, "spec");
        assert_eq!(
            target,
            json!({"containers": [
                {"name": "a", "image": "a:2", "args": ["y", "z"]},
                {"name": "c", "image": "c:1"},
            ]})
        );
    }

    #[test]
    fn null_deletes_and_replace_replaces() {
        let mut target = json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}, "x": 1});
        let patch = json!({"strategy": {"$patch": "replace", "type": "Recreate"}, "x": null});
        strategic(&mut target, &patch, "spec");
        assert_eq!(target, json!({"strategy": {"type": "Recreate"}}));
    }
}
