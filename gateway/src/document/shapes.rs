//! The schemas of what other crates define, and of the views' rows: written in `components.json`, since
//! those crates know nothing of OpenAPI.

use serde_json::{Map, Value, json};
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

const COMPONENTS: &str = include_str!("components.json");

macro_rules! shapes {
    ($($name:ident)*) => {$(
        #[doc = concat!("The schema `", stringify!($name), "` of `components.json`.")]
        pub(crate) enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                RefOr::Ref(Ref::from_schema_name(stringify!($name)))
            }
        }

        impl ToSchema for $name {}
    )*};
}

shapes! {
    Act Action Access Approval AuditEntry Decision Digest Entity EventId EvidenceSource FailureKind FeedbackVerdict Incident
    MetricBatch Mode Orders Problem Proof RawEntry Roles Scope Scopes Severity Signal Statistic StoryLine StreamedEvent Target
    Timestamp UserName
}

/// Puts the schemas, the shared answers and the security scheme into the document.
pub(super) fn fill(document: &mut Value) {
    let written: Map<String, Value> =
        serde_json::from_str(COMPONENTS).expect("components.json is checked by a test");
    let components = document
        .as_object_mut()
        .map(|document| document.entry("components").or_insert_with(|| json!({})));
    let Some(Value::Object(components)) = components else {
        return;
    };
    for (kind, named) in written {
        let into = components.entry(kind).or_insert_with(|| json!({}));
        if let (Value::Object(into), Value::Object(named)) = (into, named) {
            into.extend(named);
        }
    }
}
