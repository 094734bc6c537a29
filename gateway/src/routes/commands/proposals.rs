//! Yes and no to what policy asks.

use aegis_schemas::{CommandBody, Digest};

use super::{Accepted, Answer, Asked, Wanted, Why};
use crate::document as shape;
use crate::problem::Problem;
use crate::routes::{Body, Id};

/// Says yes to one proposal. Policy looks again before it signs.
#[utoipa::path(
    post, path = "/approvals/{digest}/approve", operation_id = "approve_proposal", tag = "acts",
    params(("digest" = shape::Digest, Path, description = "The proposal."), Wanted),
    request_body = Why,
    responses((status = 202, description = "On the log.", body = Accepted))
)]
pub(in crate::routes) async fn approve(asked: Asked, id: Id, Body(why): Body<Why>) -> Answer {
    let proposal: Digest = id.parse()?;
    let body = CommandBody::Approve { proposal };
    asked.put(None, why.reason, body).await
}

/// Says no to one proposal, and why.
#[utoipa::path(
    post, path = "/approvals/{digest}/reject", operation_id = "reject_proposal", tag = "acts",
    params(("digest" = shape::Digest, Path, description = "The proposal."), Wanted),
    request_body = Why,
    responses((status = 202, description = "On the log.", body = Accepted))
)]
pub(in crate::routes) async fn reject(asked: Asked, id: Id, Body(why): Body<Why>) -> Answer {
    let proposal: Digest = id.parse()?;
    if why.reason.trim().is_empty() {
        return Err(Problem::unprocessable("a rejection needs a `reason`"));
    }
    let body = CommandBody::Reject { proposal };
    asked.put(None, why.reason, body).await
}
