//! Standing orders: modes, freezes, configurations.

use aegis_schemas::{CommandBody, ConfigurationKind, Digest, Mode, Scope, Timestamp};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Accepted, Answer, Asked, Wanted};
use crate::document as shape;
use crate::problem::Problem;
use crate::routes::Body;

/// A mode for a scope.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct SetMode {
    /// Where.
    #[schema(value_type = shape::Scope)]
    scope: Scope,
    /// How much Aegis may do by itself.
    #[schema(value_type = shape::Mode)]
    mode: Mode,
    /// Why.
    #[serde(default)]
    reason: String,
}

/// Sets how much Aegis may do by itself, and where.
#[utoipa::path(
    post, path = "/modes", operation_id = "set_mode", tag = "orders",
    params(Wanted), request_body = SetMode,
    responses((status = 202, description = "On the log.", body = Accepted))
)]
pub(in crate::routes) async fn mode(asked: Asked, Body(set): Body<SetMode>) -> Answer {
    let body = CommandBody::Mode {
        scope: set.scope,
        mode: set.mode,
    };
    asked.put(None, set.reason, body).await
}

/// A freeze of a scope.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Freeze {
    /// Where.
    #[schema(value_type = shape::Scope)]
    scope: Scope,
    /// Until when.
    #[schema(value_type = shape::Timestamp)]
    until: Timestamp,
    /// Why.
    #[serde(default)]
    reason: String,
}

/// Lets nothing be done in a scope until a time.
#[utoipa::path(
    post, path = "/freezes", operation_id = "begin_freeze", tag = "orders",
    params(Wanted), request_body = Freeze,
    responses((status = 202, description = "On the log.", body = Accepted))
)]
pub(in crate::routes) async fn freeze(asked: Asked, Body(freeze): Body<Freeze>) -> Answer {
    let body = CommandBody::Freeze {
        scope: freeze.scope,
        until: freeze.until,
    };
    asked.put(None, freeze.reason, body).await
}

/// The scope of a freeze that ends.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Unfreeze {
    /// Where.
    #[schema(value_type = shape::Scope)]
    scope: Scope,
    /// Why.
    #[serde(default)]
    reason: String,
}

/// Ends a freeze.
#[utoipa::path(
    delete, path = "/freezes", operation_id = "end_freeze", tag = "orders",
    params(Wanted), request_body = Unfreeze,
    responses((status = 202, description = "On the log.", body = Accepted))
)]
pub(in crate::routes) async fn unfreeze(asked: Asked, Body(ended): Body<Unfreeze>) -> Answer {
    let body = CommandBody::Unfreeze { scope: ended.scope };
    asked.put(None, ended.reason, body).await
}

/// What a configuration is for.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "only its schema is used")]
enum What {
    Policy,
    Incidents,
    Model,
}

/// A configuration to put into force.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Activation {
    /// What it is for.
    #[schema(value_type = What)]
    what: ConfigurationKind,
    /// The configuration itself.
    content: String,
    /// Why.
    #[serde(default)]
    reason: String,
}

/// Puts a policy set or a configuration into force: of `model` an empty one takes the model away. Policy refuses
/// a set that it cannot read; what the incident core cannot read is refused here.
#[utoipa::path(
    post, path = "/configurations", operation_id = "activate_configuration", tag = "orders",
    params(Wanted), request_body = Activation,
    responses((status = 202, description = "On the log.", body = Accepted))
)]
pub(in crate::routes) async fn activate(
    asked: Asked,
    Body(activation): Body<Activation>,
) -> Answer {
    let checked = asked
        .app
        .cores
        .check_configuration(activation.what, &activation.content);
    checked.map_err(Problem::unprocessable)?;
    let body = CommandBody::Activate {
        what: activation.what,
        digest: Digest::of(activation.content.as_bytes()),
        content: activation.content,
    };
    asked.put(None, activation.reason, body).await
}
