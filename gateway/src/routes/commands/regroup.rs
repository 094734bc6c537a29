//! What people say of which troubles are one.

use aegis_schemas::{CommandBody, Entity, IncidentId};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Accepted, Answer, Asked, Wanted};
use crate::document as shape;
use crate::routes::{Body, Id};

/// Where an incident belongs.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Merge {
    /// The incident that goes on, with the entities of both.
    #[schema(value_type = shape::EventId)]
    into: IncidentId,
    /// Why.
    #[serde(default)]
    reason: String,
}

/// Says that an incident is one trouble with another: it ends, and its entities are the other's. Both must be
/// open, or nothing comes of it.
#[utoipa::path(
    post, path = "/incidents/{id}/merge", operation_id = "merge_incidents", tag = "incidents",
    params(("id" = shape::EventId, Path, description = "The incident that ends."), Wanted),
    request_body = Merge,
    responses((status = 202, description = "On the log.", body = Accepted))
)]
pub(in crate::routes) async fn merge(asked: Asked, id: Id, Body(merge): Body<Merge>) -> Answer {
    let body = CommandBody::Merge {
        incident: id.parse()?,
        into: merge.into,
    };
    asked.put(None, merge.reason, body).await
}

/// What has a trouble of its own.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Split {
    /// An affected entity that is not what the incident is about.
    #[schema(value_type = shape::Entity)]
    entity: Entity,
    /// Why.
    #[serde(default)]
    reason: String,
}

/// Says that an affected entity has a trouble of its own: it leaves the incident, with what it explains, and
/// gets another. While either is open they are not grouped again. Nothing comes of it if the entity is not
/// affected by now.
#[utoipa::path(
    post, path = "/incidents/{id}/split", operation_id = "split_incident", tag = "incidents",
    params(("id" = shape::EventId, Path, description = "The incident that the entity leaves."), Wanted),
    request_body = Split,
    responses((status = 202, description = "On the log.", body = Accepted))
)]
pub(in crate::routes) async fn split(asked: Asked, id: Id, Body(split): Body<Split>) -> Answer {
    let body = CommandBody::Split {
        incident: id.parse()?,
        entity: split.entity,
    };
    asked.put(None, split.reason, body).await
}
