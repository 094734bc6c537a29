//! The API's OpenAPI document. Routes and document are made by the same calls, so neither has what the
//! other has not; this adds what all operations share, and who may ask for each.

mod shapes;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aegis_schemas::Actor;
use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

pub(crate) use self::shapes::*;
use crate::auth::ROLES;
use crate::cores::Call;

/// Where the API begins.
pub(crate) const BASE: &str = "/api/v1";

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    /// Its id, which is also the name of the Cedar action that authorises it.
    pub(crate) id: String,
    /// Whether nobody need say who they are.
    pub(crate) public: bool,
    /// What it does, in a sentence.
    pub(crate) summary: String,
    /// The roles that may ask for it, with a fresh sign-in.
    pub(crate) roles: Vec<&'static str>,
}

/// The document and what the gate needs of it.
#[derive(Debug)]
pub(crate) struct Document {
    text: String,
    operations: BTreeMap<String, Operation>,
}

impl Document {
    /// Completes what the routes say of themselves; `may` says whether a call is permitted.
    pub(crate) fn new(routes: OpenApi, may: impl Fn(&Call<'_>) -> bool) -> Self {
        let mut document = serde_json::to_value(routes).unwrap_or_default();
        let mut operations = BTreeMap::new();
        for (path, method, operation) in each(&mut document) {
            let id = text(operation, "operationId");
            let known = Operation {
                public: is_public(operation),
                summary: text(operation, "summary"),
                roles: roles_for(&may, &id),
                id,
            };
            complete(operation, &method, &path);
            if !known.public {
                operation["x-aegis-roles"] = json!(known.roles);
            }
            operations.insert(format!("{} {path}", method.to_uppercase()), known);
        }
        shapes::fill(&mut document);
        Self {
            text: document.to_string(),
            operations,
        }
    }

    /// The operation of a method and route, such as `GET /api/v1/incidents/{id}`.
    pub(crate) fn operation(&self, named: &str) -> Option<&Operation> {
        self.operations.get(named)
    }

    /// The roles that may ask for the operation with that id.
    pub(crate) fn roles(&self, id: &str) -> &[&'static str] {
        let found = self
            .operations
            .values()
            .find(|operation| operation.id == id);
        found.map_or(&[], |operation| &operation.roles)
    }

    /// Every operation that takes a sign-in, by method and route.
    pub(crate) fn guarded(&self) -> impl Iterator<Item = (&str, &Operation)> {
        let all = self.operations.iter();
        all.filter(|(_, operation)| !operation.public)
            .map(|(named, operation)| (named.as_str(), operation))
    }

    /// The roles that may ask for the operation of that id.
    pub(crate) fn roles_for(&self, id: &str) -> &[&'static str] {
        let mut all = self.operations.values();
        all.find(|operation| operation.id == id)
            .map_or(&[], |operation| operation.roles.as_slice())
    }

    /// The document as JSON.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// Every operation with its path and method.
fn each(document: &mut Value) -> impl Iterator<Item = (String, String, &mut Value)> {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let methods = item.as_object_mut().into_iter().flatten();
        methods
            .filter(|(_, operation)| operation.get("operationId").is_some())
            .map(|(method, operation)| (path.clone(), method.clone(), operation))
    })
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// An operation for which no security will do.
fn is_public(operation: &Value) -> bool {
    let security = operation["security"].as_array();
    security.is_some_and(|each| {
        each.iter()
            .any(|one| one.as_object().is_some_and(Map::is_empty))
    })
}

/// The roles that may ask for an operation, with a fresh sign-in.
fn roles_for(may: impl Fn(&Call<'_>) -> bool, operation: &str) -> Vec<&'static str> {
    let takes = |role: &&str| {
        let by = Actor {
            name: "somebody".to_owned(),
            roles: BTreeSet::from([(*role).to_owned()]),
        };
        let call = Call {
            by: &by,
            operation,
            scopes: None,
            signed_in: Duration::ZERO,
        };
        may(&call)
    };
    ROLES.into_iter().filter(takes).collect()
}

/// Adds the answers that any operation of its kind may give, and the header of repeated writes.
fn complete(operation: &mut Value, method: &str, path: &str) {
    let writes = method != "get";
    let public = is_public(operation);
    let mut answers = vec!["408", "429", "503"];
    if operation.get("requestBody").is_some() {
        answers.extend(["400", "413", "415"]);
    }
    if operation.get("parameters").is_some() {
        answers.extend(["400", "422"]);
    }
    if path.contains('{') {
        answers.push("404");
    }
    if !public {
        answers.extend(["401", "403"]);
        if writes {
            answers.extend(["400", "409", "413", "422"]);
            let parameters = operation
                .as_object_mut()
                .map(|operation| operation.entry("parameters").or_insert_with(|| json!([])));
            if let Some(Value::Array(parameters)) = parameters {
                parameters.push(json!({"$ref": "#/components/parameters/IdempotencyKey"}));
            }
        }
    }
    let Some(responses) = operation["responses"].as_object_mut() else {
        return;
    };
    for status in answers {
        responses
            .entry(status)
            .or_insert_with(|| json!({"$ref": format!("#/components/responses/{status}")}));
    }
}

#[cfg(test)]
mod tests {
    use aegis_schemas::{Action, Entity, MetricBatch, Scope, Signal, Target};
    use serde::de::DeserializeOwned;

    use super::*;

    fn document() -> Value {
        let admins = |call: &Call<'_>| call.by.roles.contains("admin");
        let document = Document::new(crate::routes::document(), admins);
        serde_json::from_str(document.text()).expect("JSON")
    }

    /// Every `$ref` below a value.
    fn references<'a>(value: &'a Value, into: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(fields) => {
                into.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|field| references(field, into));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, into)),
            _ => {}
        }
    }

    #[test]
    fn every_operation_says_what_it_is_and_who_may() {
        let mut document = document();
        assert_eq!(document["openapi"], "3.1.0");
        let mut ids = BTreeSet::new();
        for (path, method, operation) in each(&mut document) {
            let id = text(operation, "operationId");
            assert!(ids.insert(id.clone()), "{id} is there twice");
            assert!(!text(operation, "summary").is_empty(), "{id}: no summary");
            assert!(operation["tags"][0].is_string(), "{id}: no tag");
            let roles = (!is_public(operation)).then(|| json!(["admin"]));
            assert_eq!(
                operation.get("x-aegis-roles"),
                roles.as_ref(),
                "{method} {path}"
            );
            let refused = operation["responses"].get("403").is_some();
            assert_eq!(refused, roles.is_some(), "{id}");
        }
        assert!(ids.len() > 30, "{ids:?}");
    }

    #[test]
    fn everything_that_is_referred_to_is_there() {
        let document = document();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        for reference in found {
            let pointer = reference.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn the_examples_are_what_the_pipeline_reads() {
        let document = document();
        let example = |name: &str| {
            let pointer = format!("/components/schemas/{name}/examples/0");
            document.pointer(&pointer).cloned().expect("an example")
        };
        fn read<T: DeserializeOwned>(value: Value) -> Result<(), serde_json::Error> {
            serde_json::from_value::<T>(value).map(drop)
        }
        for (name, result) in [
            ("Entity", read::<Entity>(example("Entity"))),
            ("Scope", read::<Scope>(example("Scope"))),
            ("Action", read::<Action>(example("Action"))),
            ("Target", read::<Target>(example("Target"))),
            ("MetricBatch", read::<MetricBatch>(example("MetricBatch"))),
            ("Signal", read::<Signal>(example("Signal"))),
        ] {
            assert!(result.is_ok(), "{name}: {result:?}");
        }
    }
}
