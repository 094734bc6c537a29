//! What people ask for: each request becomes a command on the log, and policy decides.
//!
//! With `?wait=SECONDS` the answer waits for that decision, so that whoever asked learns what came of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aegis_nats::kv::{Halt, HaltState};
use aegis_schemas::{
    Action, CommandBody, ConfigurationKind, DecisionId, Digest, EventId, FeedbackVerdict,
    IncidentId, Mode, Scope, Stream, Target, Timestamp, Warrant,
};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::App;
use crate::auth::{ADMIN, OPERATOR, Principal};
use crate::problem::Problem;
use crate::routes::Body;

/// The longest that an answer waits for policy.
const MAX_WAIT: Duration = Duration::from_secs(20);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How the answer is wanted.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Wanted {
    /// How many seconds to wait for what policy says.
    wait: u64,
}

/// Why, in the words of who asks.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Why {
    reason: String,
}

/// A command that is on the log.
#[derive(Serialize)]
pub(crate) struct Accepted {
    /// The command's event.
    command: EventId,
    /// Its sequence in the log.
    sequence: u64,
    /// What policy said, if it was waited for and came in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Value>,
}

type Answer = Result<(StatusCode, Json<Accepted>), Problem>;

/// One command with all that is needed to put it on the log.
struct Asked<'a> {
    app: &'a App,
    who: &'a Principal,
    headers: &'a HeaderMap,
    wait: u64,
}

impl Asked<'_> {
    async fn put(&self, target: Option<&Target>, reason: String, body: CommandBody) -> Answer {
        let key = self
            .headers
            .get("idempotency-key")
            .and_then(|value| value.to_str().ok());
        let about = target.map(|target| &target.workload);
        let (command, stored) = self.app.command(self.who, about, reason, body, key).await?;
        let decision = self.decision(command).await?;
        let accepted = Accepted {
            command,
            sequence: stored.seq,
            decision,
        };
        Ok((StatusCode::ACCEPTED, Json(accepted)))
    }

    async fn decision(&self, command: EventId) -> Result<Option<Value>, Problem> {
        let until = Instant::now() + Duration::from_secs(self.wait).min(MAX_WAIT);
        while Instant::now() < until {
            if let Some(decision) = self.app.store.decision_of(command).await? {
                return Ok(Some(decision));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(None)
    }
}

macro_rules! asked {
    ($app:ident, $who:ident, $headers:ident, $wanted:ident, $roles:expr) => {{
        $who.demand(&$app, $roles)?;
        Asked {
            app: &$app,
            who: &$who,
            headers: &$headers,
            wait: $wanted.wait,
        }
    }};
}

fn parse<T: std::str::FromStr>(raw: &str) -> Result<T, Problem>
where
    T::Err: std::fmt::Display,
{
    raw.parse()
        .map_err(|error: T::Err| Problem::invalid(error.to_string()))
}

pub(crate) async fn approve(
    State(app): State<Arc<App>>,
    who: Principal,
    Path(digest): Path<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
    Body(why): Body<Why>,
) -> Answer {
    let asked = asked!(app, who, headers, wanted, &[ADMIN, OPERATOR]);
    let proposal: Digest = parse(&digest)?;
    asked
        .put(None, why.reason, CommandBody::Approve { proposal })
        .await
}

pub(crate) async fn reject(
    State(app): State<Arc<App>>,
    who: Principal,
    Path(digest): Path<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
    Body(why): Body<Why>,
) -> Answer {
    let asked = asked!(app, who, headers, wanted, &[ADMIN, OPERATOR]);
    if why.reason.trim().is_empty() {
        return Err(Problem::invalid("a rejection needs a `reason`"));
    }
    let proposal: Digest = parse(&digest)?;
    asked
        .put(None, why.reason, CommandBody::Reject { proposal })
        .await
}

/// An act that somebody wants.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    action: Action,
    target: Target,
    #[serde(default)]
    reason: String,
}

pub(crate) async fn request(
    State(app): State<Arc<App>>,
    who: Principal,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
    Body(request): Body<Request>,
) -> Answer {
    let asked = asked!(app, who, headers, wanted, &[ADMIN, OPERATOR]);
    let body = CommandBody::Request {
        action: request.action,
        target: request.target.clone(),
    };
    asked.put(Some(&request.target), request.reason, body).await
}

pub(crate) async fn undo(
    State(app): State<Arc<App>>,
    who: Principal,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
    Body(why): Body<Why>,
) -> Answer {
    let asked = asked!(app, who, headers, wanted, &[ADMIN, OPERATOR]);
    let decision: DecisionId = parse(&id)?;
    asked
        .put(None, why.reason, CommandBody::Undo { decision })
        .await
}

/// What somebody thinks of an incident.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Opinion {
    verdict: FeedbackVerdict,
    #[serde(default)]
    reason: String,
}

pub(crate) async fn feedback(
    State(app): State<Arc<App>>,
    who: Principal,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
    Body(opinion): Body<Opinion>,
) -> Answer {
    let asked = asked!(app, who, headers, wanted, &[ADMIN, OPERATOR]);
    let incident: IncidentId = parse(&id)?;
    let verdict = opinion.verdict;
    asked
        .put(
            None,
            opinion.reason,
            CommandBody::Feedback { incident, verdict },
        )
        .await
}

/// A mode for a scope.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetMode {
    scope: Scope,
    mode: Mode,
    #[serde(default)]
    reason: String,
}

pub(crate) async fn mode(
    State(app): State<Arc<App>>,
    who: Principal,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
    Body(set): Body<SetMode>,
) -> Answer {
    let asked = asked!(app, who, headers, wanted, &[ADMIN]);
    let body = CommandBody::Mode {
        scope: set.scope,
        mode: set.mode,
    };
    asked.put(None, set.reason, body).await
}

/// A freeze of a scope; `until` is not needed to end one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetFreeze {
    scope: Scope,
    #[serde(default)]
    until: Option<Timestamp>,
    #[serde(default)]
    reason: String,
}

pub(crate) async fn freeze(
    State(app): State<Arc<App>>,
    who: Principal,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
    Body(set): Body<SetFreeze>,
) -> Answer {
    let asked = asked!(app, who, headers, wanted, &[ADMIN, OPERATOR]);
    let until = set
        .until
        .ok_or_else(|| Problem::invalid("a freeze needs `until`, an RFC 3339 time"))?;
    let scope = set.scope;
    asked
        .put(None, set.reason, CommandBody::Freeze { scope, until })
        .await
}

pub(crate) async fn unfreeze(
    State(app): State<Arc<App>>,
    who: Principal,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
    Body(set): Body<SetFreeze>,
) -> Answer {
    let asked = asked!(app, who, headers, wanted, &[ADMIN, OPERATOR]);
    let scope = set.scope;
    asked
        .put(None, set.reason, CommandBody::Unfreeze { scope })
        .await
}

/// A configuration to put into force.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Activation {
    what: ConfigurationKind,
    content: String,
    #[serde(default)]
    reason: String,
}

pub(crate) async fn activate(
    State(app): State<Arc<App>>,
    who: Principal,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
    Body(activation): Body<Activation>,
) -> Answer {
    let asked = asked!(app, who, headers, wanted, &[ADMIN]);
    let body = CommandBody::Activate {
        what: activation.what,
        digest: Digest::of(activation.content.as_bytes()),
        content: activation.content,
    };
    asked.put(None, activation.reason, body).await
}

/// Stops everything: the command makes policy deny, the key makes the executor refuse. The key is written
/// even when the log does not take the command, since stopping needs no log.
pub(crate) async fn kill_switch(
    State(app): State<Arc<App>>,
    who: Principal,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
    Body(why): Body<Why>,
) -> Answer {
    let asked = asked!(app, who, headers, wanted, &[ADMIN, OPERATOR]);
    let cluster = app.config.cluster.clone();
    let halt = Halt::new(&app.bus);
    let engaged = halt.engage(&cluster).await.map_err(not_set)?;
    let answer = asked
        .put(
            None,
            why.reason,
            CommandBody::KillSwitch {
                cluster: cluster.clone(),
            },
        )
        .await?;
    // What was decided before the command stays void when work is resumed; what is decided after is not.
    let fence = fence_of(&app, answer.1.sequence).await?;
    let settled = halt.settle(&cluster, engaged, fence).await;
    settled.map_err(not_set)?;
    Ok(answer)
}

pub(crate) async fn resume(
    State(app): State<Arc<App>>,
    who: Principal,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
    Body(why): Body<Why>,
) -> Answer {
    let asked = asked!(app, who, headers, wanted, &[ADMIN]);
    let cluster = app.config.cluster.clone();
    let halt = Halt::new(&app.bus);
    let standing = halt
        .standing(&cluster)
        .await
        .map_err(|error| Problem::unavailable(error.to_string()))?
        .filter(|standing| standing.state.on)
        .ok_or_else(|| Problem::conflict("the kill switch is not on"))?;
    let answer = asked
        .put(
            None,
            why.reason,
            CommandBody::Resume {
                cluster: cluster.clone(),
            },
        )
        .await?;
    // A crash between the two writes of the kill switch left every decision void for ever.
    let fence = match standing.state {
        HaltState::ALL_VOID => fence_of(&app, answer.1.sequence).await?,
        state => state.fence,
    };
    let released = halt.release(&cluster, standing.revision, fence).await;
    released.map_err(|error| match error {
        aegis_nats::Error::Conflict(_) => Problem::conflict(
            "somebody used the kill switch meanwhile, so it stays on; if work shall go on, resume again",
        ),
        error => not_set(error),
    })?;
    Ok(answer)
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
