//! An object as JSON, read with defaults: what is missing or of another type is empty.

use std::collections::BTreeMap;

use aegis_schemas::{SignalBody, Timestamp};
use serde_json::Value;

/// An object as the API server gives it.
#[derive(Clone, Copy)]
pub(super) struct Object<'a>(pub(super) &'a Value);

impl<'a> Object<'a> {
    pub(super) fn at(self, pointer: &str) -> Option<&'a Value> {
        self.0.pointer(pointer)
    }

    pub(super) fn text(self, pointer: &str) -> &'a str {
        self.at(pointer).and_then(Value::as_str).unwrap_or("")
    }

    pub(super) fn long(self, pointer: &str) -> i64 {
        self.at(pointer).and_then(Value::as_i64).unwrap_or(0)
    }

    pub(super) fn int(self, pointer: &str) -> i32 {
        i32::try_from(self.long(pointer)).unwrap_or(0)
    }

    pub(super) fn flag(self, pointer: &str) -> bool {
        self.at(pointer).and_then(Value::as_bool).unwrap_or(false)
    }

    pub(super) fn time(self, pointer: &str) -> Timestamp {
        self.text(pointer).parse().unwrap_or(Timestamp::EPOCH)
    }

    pub(super) fn list(self, pointer: &str) -> &'a [Value] {
        self.at(pointer)
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// A map of texts, only the keys that `keep` keeps.
    pub(super) fn texts(
        self,
        pointer: &str,
        keep: impl Fn(&str) -> bool,
    ) -> BTreeMap<String, String> {
        let map = self.at(pointer).and_then(Value::as_object);
        map.into_iter()
            .flatten()
            .filter(|(key, _)| keep(key))
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect()
    }

    pub(super) fn name(self) -> &'a str {
        self.text("/metadata/name")
    }

    pub(super) fn namespace(self) -> &'a str {
        self.text("/metadata/namespace")
    }

    pub(super) fn uid(self) -> String {
        self.text("/metadata/uid").to_owned()
    }

    pub(super) fn deleting(self) -> bool {
        self.at("/metadata/deletionTimestamp")
            .is_some_and(|time| !time.is_null())
    }

    pub(super) fn label(self, key: &str) -> Option<&'a str> {
        self.at("/metadata/labels")?.get(key)?.as_str()
    }

    pub(super) fn annotation(self, key: &str) -> Option<&'a str> {
        self.at("/metadata/annotations")?.get(key)?.as_str()
    }

    /// Kind and name of the owner that controls it.
    pub(super) fn controller(self) -> Option<(&'a str, &'a str)> {
        self.list("/metadata/ownerReferences")
            .iter()
            .map(Object)
            .find(|owner| owner.flag("/controller"))
            .map(|owner| (owner.text("/kind"), owner.text("/name")))
    }

    /// A condition of the status.
    pub(super) fn condition(self, kind: &str) -> Option<Object<'a>> {
        self.list("/status/conditions")
            .iter()
            .map(Object)
            .find(|condition| condition.text("/type") == kind)
    }

    pub(super) fn is_true(self, condition: &str) -> bool {
        self.condition(condition)
            .is_some_and(|condition| condition.text("/status") == "True")
    }
}

/// Labels and annotations that concern Aegis.
pub(super) fn is_ours(key: &str) -> bool {
    key.starts_with("aegis.dev/")
}

/// The UID in a said state.
pub(super) fn uid_of(body: &SignalBody) -> &str {
    match body {
        SignalBody::Workload(state) => &state.uid,
        SignalBody::Pod(state) => &state.uid,
        SignalBody::Node(state) => &state.uid,
        SignalBody::Namespace(state) => &state.uid,
        SignalBody::Autoscaler(state) => &state.uid,
        SignalBody::DisruptionBudget(state) => &state.uid,
        _ => "",
    }
}
