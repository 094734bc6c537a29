//! The objects, and the recent changes that watches are fed from.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use super::json;
use super::resources::Kind;

/// How many changes a watch may lag behind before it has to list again.
const HISTORY: usize = 2048;

/// Where an object lives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) kind: Kind,
    /// "" for cluster-wide objects.
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Self {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    pub(crate) fn of(kind: Kind, object: &Value) -> Self {
        Self::new(kind, json::namespace(object), json::name(object))
    }
}

/// One entry of the history.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) version: u64,
    pub(crate) key: Key,
    /// `None` when the object was created.
    pub(crate) before: Option<Arc<Value>>,
    /// The last state; for a deletion with the deletion's version.
    pub(crate) object: Arc<Value>,
    pub(crate) deleted: bool,
}

/// Everything that is stored.
#[derive(Debug)]
pub(crate) struct Store {
    objects: BTreeMap<Key, Arc<Value>>,
    history: VecDeque<Change>,
    version: u64,
    /// Changes after this version are still known.
    oldest: u64,
}

impl Store {
    /// `version` is where resource versions start. A client of an earlier
    /// life must find its place forgotten, not mistaken for one of ours.
    pub(crate) fn new(version: u64) -> Self {
        Self {
            objects: BTreeMap::new(),
            history: VecDeque::new(),
            version,
            oldest: version,
        }
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn oldest(&self) -> u64 {
        self.oldest
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    /// All objects of a kind, by namespace and name.
    pub(crate) fn all(&self, kind: Kind) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects
            .range(Key::new(kind, "", "")..)
            .take_while(move |(key, _)| key.kind == kind)
    }

    /// All objects of a kind in one namespace, by name.
    pub(crate) fn within<'a>(
        &'a self,
        kind: Kind,
        namespace: &'a str,
    ) -> impl Iterator<Item = &'a Arc<Value>> {
        self.objects
            .range(Key::new(kind, namespace, "")..)
            .take_while(move |(key, _)| key.kind == kind && key.namespace == namespace)
            .map(|(_, object)| object)
    }

    /// Every object with its key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects.iter()
    }

    pub(crate) fn put(&mut self, key: &Key, mut object: Value) -> Arc<Value> {
        self.version += 1;
        json::set(
            &mut object,
            &["metadata", "resourceVersion"],
            self.version.to_string(),
        );
        let object = Arc::new(object);
        let before = self.objects.insert(key.clone(), Arc::clone(&object));
        self.remember(key, before, &object, false);
        object
    }

    pub(crate) fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        let before = self.objects.remove(key)?;
        self.version += 1;
        let mut last = (*before).clone();
        json::set(
            &mut last,
            &["metadata", "resourceVersion"],
            self.version.to_string(),
        );
        let last = Arc::new(last);
        self.remember(key, Some(before), &last, true);
        Some(last)
    }

    fn remember(
        &mut self,
        key: &Key,
        before: Option<Arc<Value>>,
        object: &Arc<Value>,
        deleted: bool,
    ) {
        self.history.push_back(Change {
            version: self.version,
            key: key.clone(),
            before,
            object: Arc::clone(object),
            deleted,
        });
        if self.history.len() > HISTORY {
            self.oldest = self.history.pop_front().map_or(0, |change| change.version);
        }
    }

    /// The changes after `version`, or `None` when some are forgotten (or the
    /// version is not one of ours).
    pub(crate) fn since(&self, version: u64) -> Option<impl Iterator<Item = &Change>> {
        if version < self.oldest || version > self.version {
            return None;
        }
        let start = self
            .history
            .partition_point(|change| change.version <= version);
        Some(self.history.range(start..))
    }

    /// Forgets all changes: every watch has to list again.
    pub(crate) fn compact(&mut self) {
        self.history.clear();
        // Even a watch that has seen everything is thrown out.
        self.version += 1;
        self.oldest = self.version;
    }
}
