//! Watches: the changes after a version, as lines of JSON.

use bytes::Bytes;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::error::Refusal;
use super::json;
use super::request::Call;
use super::resources::Resource;
use super::selector::Selector;
use super::store::Change;
use super::wire;

/// How far a quiet watch may fall behind before a bookmark moves it on.
const BOOKMARK_EVERY: u64 = 256;

/// Where one watch stands.
#[derive(Debug)]
pub(crate) struct Watch {
    resource: &'static Resource,
    namespace: String,
    selector: Selector,
    /// The last version that was looked at; `None` before the first batch of
    /// a watch that begins with what exists.
    position: Option<u64>,
    /// The last version that the client heard of.
    told: u64,
    bookmarks: bool,
    metadata_only: bool,
    ended: bool,
}

impl Watch {
    pub(crate) fn new(call: &Call, metadata_only: bool) -> Result<Self, Refusal> {
        let position = call.version()?.filter(|version| *version > 0);
        Ok(Self {
            resource: call.resource,
            namespace: call.namespace.clone(),
            selector: call.selector()?,
            position,
            told: position.unwrap_or(0),
            bookmarks: call.flag("allowWatchBookmarks"),
            metadata_only,
            ended: false,
        })
    }

    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    fn wants(&self, object: &Value) -> bool {
        (self.namespace.is_empty() || json::namespace(object) == self.namespace)
            && self.selector.matches(object)
    }

    fn line(&self, lines: &mut Vec<u8>, kind: &str, stored: &Value) {
        let mut object = wire::outward(self.resource, stored);
        if self.metadata_only {
            object = wire::metadata_only(&object);
        }
        write_line(lines, kind, &object);
    }

    /// Adds a change as this watch sees it through its selector.
    fn tell(&mut self, lines: &mut Vec<u8>, change: &Change) {
        let before = change.before.as_deref().filter(|old| self.wants(old));
        let now = !change.deleted && self.wants(&change.object);
        match (before, now) {
            (None, false) => return,
            (None, true) => self.line(lines, "ADDED", &change.object),
            (Some(_), true) => self.line(lines, "MODIFIED", &change.object),
            (Some(before), false) => {
                let mut last = before.clone();
                let version = change.version.to_string();
                json::set(&mut last, &["metadata", "resourceVersion"], version);
                self.line(lines, "DELETED", &last);
            }
        }
        self.told = change.version;
    }

    /// The last word of a watch whose time is up: where the next one may begin.
    pub(crate) fn farewell(&mut self) -> Bytes {
        self.ended = true;
        let mut lines = Vec::new();
        if let (true, Some(position)) = (self.bookmarks, self.position) {
            self.bookmark(&mut lines, position);
        }
        lines.into()
    }

    fn bookmark(&self, lines: &mut Vec<u8>, version: u64) {
        let bookmark = json!({
            "kind": self.resource.name,
            "apiVersion": self.resource.api_version(),
            "metadata": {"resourceVersion": version.to_string(), "creationTimestamp": null},
        });
        let bookmark = if self.metadata_only {
            wire::metadata_only(&bookmark)
        } else {
            bookmark
        };
        write_line(lines, "BOOKMARK", &bookmark);
    }
}

impl Cluster {
    /// What `watch` has not seen yet; empty when there is nothing.
    pub(crate) fn news(&self, watch: &mut Watch) -> Bytes {
        let mut lines = Vec::new();
        let version = self.store.version();
        let Some(position) = watch.position else {
            for (_, object) in self.store.all(watch.resource.kind) {
                if watch.wants(object) {
                    watch.line(&mut lines, "ADDED", object);
                }
            }
            watch.position = Some(version);
            watch.told = version;
            return lines.into();
        };
        let Some(changes) = self.store.since(position) else {
            let refusal = Refusal::expired(position, self.store.oldest());
            write_line(&mut lines, "ERROR", &refusal.status());
            watch.ended = true;
            return lines.into();
        };
        for change in changes.filter(|change| change.key.kind == watch.resource.kind) {
            watch.tell(&mut lines, change);
        }
        watch.position = Some(version);
        if watch.bookmarks && version - watch.told >= BOOKMARK_EVERY {
            watch.bookmark(&mut lines, version);
            watch.told = version;
        }
        lines.into()
    }
}

fn write_line(lines: &mut Vec<u8>, kind: &str, object: &Value) {
    let event = json!({ "type": kind, "object": object });
    serde_json::to_writer(&mut *lines, &event).expect("JSON values can be written to memory");
    lines.push(b'\n');
}
