//! Acts that people want or want taken back, and what they think of an incident.

use aegis_schemas::{Action, CommandBody, DecisionId, FeedbackVerdict, IncidentId, Target};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Accepted, Answer, Asked, Wanted, Why};
use crate::document as shape;
use crate::routes::{Body, Id};

/// An act that somebody wants.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Request {
    /// What.
    #[schema(value_type = shape::Action)]
    action: Action,
    /// To what.
    #[schema(value_type = shape::Target)]
    target: Target,
    /// Why.
    #[serde(default)]
    reason: String,
}

/// Asks for an act. The guards hold for people too.
#[utoipa::path(
    post, path = "/requests", operation_id = "request_act", tag = "acts",
    params(Wanted), request_body = Request,
    responses((status = 202, description = "On the log.", body = Accepted))
)]
pub(in crate::routes) async fn request(asked: Asked, Body(request): Body<Request>) -> Answer {
    let body = CommandBody::Request {
        action: request.action,
        target: request.target.clone(),
    };
    asked.put(Some(&request.target), request.reason, body).await
}

/// Takes an act back.
#[utoipa::path(
    post, path = "/decisions/{id}/undo", operation_id = "undo_act", tag = "acts",
    params(("id" = shape::EventId, Path, description = "The decision whose act is taken back."), Wanted),
    request_body = Why,
    responses((status = 202, description = "On the log.", body = Accepted))
)]
pub(in crate::routes) async fn undo(asked: Asked, id: Id, Body(why): Body<Why>) -> Answer {
    let decision: DecisionId = id.parse()?;
    let body = CommandBody::Undo { decision };
    asked.put(None, why.reason, body).await
}

/// What somebody thinks of an incident.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Opinion {
    /// Right, for the wrong cause, no problem at all, or no opinion any more.
    #[schema(value_type = shape::FeedbackVerdict)]
    verdict: FeedbackVerdict,
    /// Why.
    #[serde(default)]
    reason: String,
}

/// Says what one thinks of an incident: right, wrong cause, not a problem.
#[utoipa::path(
    post, path = "/incidents/{id}/feedback", operation_id = "give_feedback", tag = "incidents",
    params(("id" = shape::EventId, Path, description = "The incident."), Wanted),
    request_body = Opinion,
    responses((status = 202, description = "On the log.", body = Accepted))
)]
pub(in crate::routes) async fn feedback(
    asked: Asked,
    id: Id,
    Body(opinion): Body<Opinion>,
) -> Answer {
    let body = CommandBody::Feedback {
        incident: id.parse::<IncidentId>()?,
        verdict: opinion.verdict,
    };
    asked.put(None, opinion.reason, body).await
}
