//! An object as it is now.

use aegis_schemas::DecisionId;
use kube::core::DynamicObject;
use serde_json::Value;

use super::{DECISION_ID, FENCE};

/// An object as it is now.
#[derive(Clone, Debug)]
pub struct Live {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// `metadata.generation`; 0 where there is none.
    pub generation: i64,
    /// The decision that wrote it last.
    pub decision: Option<DecisionId>,
    /// The fence of that decision; 0 when there is none that can be read.
    pub fence: u64,
    /// Whether it is being deleted.
    pub terminating: bool,
    pub(crate) object: DynamicObject,
}

impl Live {
    /// What an object says of itself.
    #[must_use]
    pub fn of(object: DynamicObject) -> Self {
        let metadata = &object.metadata;
        let annotation = |name: &str| metadata.annotations.as_ref()?.get(name);
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
            generation: metadata.generation.unwrap_or(0),
            decision: annotation(DECISION_ID).and_then(|text| text.parse().ok()),
            fence: annotation(FENCE)
                .and_then(|text| text.parse().ok())
                .unwrap_or(0),
            terminating: metadata.deletion_timestamp.is_some(),
            object,
        }
    }

    /// What stands at `pointer` (`/spec/replicas`) outside the metadata.
    pub(crate) fn field(&self, pointer: &str) -> Option<&Value> {
        self.object.data.pointer(pointer)
    }

    /// Its controller: kind, name and UID.
    pub(crate) fn controller(&self) -> Option<(&str, &str, &str)> {
        controller(&self.object)
    }
}

/// The controller of an object: kind, name and UID.
pub(crate) fn controller(object: &DynamicObject) -> Option<(&str, &str, &str)> {
    let owners = object.metadata.owner_references.as_ref()?;
    let owner = owners.iter().find(|owner| owner.controller == Some(true))?;
    Some((&owner.kind, &owner.name, &owner.uid))
}
