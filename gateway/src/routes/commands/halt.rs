//! The kill switch.

use aegis_nats::Stored;
use aegis_nats::kv::{Halt, HaltState};
use aegis_schemas::{CommandBody, EventId, Stream, Warrant};

use super::{Accepted, Answer, Asked, Wanted, Why};
use crate::app::App;
use crate::auth::Principal;
use crate::problem::Problem;
use crate::routes::Body;

/// Stops all acts: the command makes policy deny, the key makes the executor refuse. The key is written
/// even when the log does not take the command, since stopping needs no log.
#[utoipa::path(
    post, path = "/kill-switch", operation_id = "stop_acts", tag = "orders",
    params(Wanted), request_body = Why,
    responses((status = 202, description = "Stopped, and on the log.", body = Accepted))
)]
pub(in crate::routes) async fn stop(asked: Asked, Body(why): Body<Why>) -> Answer {
    let done = engage(&asked.app, &asked.who, why.reason, asked.key.as_deref()).await?;
    asked.answer(done).await
}

/// Lets Aegis act again. What was decided before stays void.
#[utoipa::path(
    delete, path = "/kill-switch", operation_id = "resume_acts", tag = "orders",
    params(Wanted), request_body = Why,
    responses((status = 202, description = "Resumed, and on the log.", body = Accepted))
)]
pub(in crate::routes) async fn resume(asked: Asked, Body(why): Body<Why>) -> Answer {
    let done = release(&asked.app, &asked.who, why.reason, asked.key.as_deref()).await?;
    asked.answer(done).await
}

/// Stops all acts.
pub(crate) async fn engage(
    app: &App,
    who: &Principal,
    reason: String,
    key: Option<&str>,
) -> Result<(EventId, Stored), Problem> {
    let cluster = app.config.cluster.clone();
    let halt = Halt::new(&app.bus);
    let engaged = halt.engage(&cluster).await.map_err(not_set)?;
    let body = CommandBody::KillSwitch {
        cluster: cluster.clone(),
    };
    let (command, stored) = app.command(who, None, reason, body, key).await?;
    // What was decided before the command stays void when work is resumed; what is decided after is not.
    let fence = fence_of(app, stored.seq).await?;
    let settled = halt.settle(&cluster, engaged, fence).await;
    settled.map_err(not_set)?;
    Ok((command, stored))
}

/// Lets Aegis act again.
pub(crate) async fn release(
    app: &App,
    who: &Principal,
    reason: String,
    key: Option<&str>,
) -> Result<(EventId, Stored), Problem> {
    let cluster = app.config.cluster.clone();
    let halt = Halt::new(&app.bus);
    let standing = halt
        .standing(&cluster)
        .await
        .map_err(|error| Problem::unavailable(error.to_string()))?
        .filter(|standing| standing.state.on)
        .ok_or_else(|| Problem::conflict("the kill switch is not on"))?;
    let body = CommandBody::Resume {
        cluster: cluster.clone(),
    };
    let (command, stored) = app.command(who, None, reason, body, key).await?;
    // A crash between the two writes of the kill switch left every decision void for ever.
    let fence = match standing.state {
        HaltState::ALL_VOID => fence_of(app, stored.seq).await?,
        state => state.fence,
    };
    let released = halt.release(&cluster, standing.revision, fence).await;
    released.map_err(|error| match error {
        aegis_nats::Error::Conflict(_) => Problem::conflict(
            "somebody used the kill switch meanwhile, so it stays on; if work shall go on, resume again",
        ),
        error => not_set(error),
    })?;
    Ok((command, stored))
}

/// The fence of the decision that the command at `sequence` would be.
async fn fence_of(app: &App, sequence: u64) -> Result<u64, Problem> {
    let info = app
        .bus
        .stream_info(Stream::Events)
        .await
        .map_err(|error| Problem::unavailable(error.to_string()))?;
    Ok(Warrant::fence(info.epoch, sequence))
}

#[allow(clippy::needless_pass_by_value, reason = "it is mapped over errors")]
fn not_set(error: aegis_nats::Error) -> Problem {
    Problem::unavailable(format!(
        "the kill switch cannot be set: {error}; `kubectl annotate namespace aegis aegis.dev/halt=true` stops the executor without NATS"
    ))
}
