//! What people ask for: each request becomes a command on the log, and policy decides.
//!
//! With `?wait=SECONDS` the answer waits for that decision, so that whoever asked learns what came of it.

pub(super) mod acts;
pub(super) mod halt;
pub(super) mod orders;
pub(super) mod proposals;
pub(super) mod regroup;

use std::sync::Arc;
use std::time::Duration;

use aegis_nats::Stored;
use aegis_schemas::{Cluster, CommandBody, EventId, Target};
use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::{StatusCode, request::Parts};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::Sought;
use crate::app::App;
use crate::auth::Principal;
use crate::document as shape;
use crate::problem::Problem;
use crate::repeat;

/// The longest that an answer waits for policy.
const MAX_WAIT: Duration = Duration::from_secs(20);

/// How the answer is wanted.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// How many seconds to wait for what policy says.
    #[param(minimum = 0, maximum = 20)]
    wait: u64,
}

/// Why, in the words of who asks.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({"reason": "known bad release"}))]
pub(super) struct Why {
    /// For the record.
    reason: String,
}

/// A command that is on the log.
#[derive(Serialize, ToSchema)]
pub(super) struct Accepted {
    /// The command's event.
    #[schema(value_type = shape::EventId)]
    command: EventId,
    /// Its sequence in the log.
    sequence: u64,
    /// What policy said, if it was waited for and came in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<shape::Decision>)]
    decision: Option<Value>,
}

type Answer = Result<(StatusCode, Json<Accepted>), Problem>;

/// Who asks for a command, and how the answer is wanted.
pub(super) struct Asked {
    app: Arc<App>,
    who: Principal,
    /// Makes a repeated request the same command, even if the answer to the first was lost.
    key: Option<String>,
    wait: Duration,
}

impl FromRequestParts<Arc<App>> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let Sought(wanted) = Sought::<Wanted>::from_request_parts(parts, app).await?;
        let wait = Duration::from_secs(wanted.wait);
        if wait > MAX_WAIT {
            let most = MAX_WAIT.as_secs();
            return Err(Problem::invalid(format!("`wait` is 0 to {most} seconds")));
        }
        Ok(Self {
            app: Arc::clone(app),
            who: Principal::from_request_parts(parts, app).await?,
            key: repeat::key(&parts.headers)?,
            wait,
        })
    }
}

impl Asked {
    async fn put(&self, target: Option<&Target>, reason: String, body: CommandBody) -> Answer {
        let ours = &self.app.config.cluster;
        if let Some(other) = cluster(&body).filter(|cluster| *cluster != ours) {
            // No core would ever answer it.
            return Err(Problem::unprocessable(format!(
                "this gateway takes commands for the cluster `{ours}`, not for `{other}`"
            )));
        }
        let about = target.map(|target| &target.workload);
        let key = self.key.as_deref();
        let put = self.app.command(&self.who, about, reason, body, key);
        self.answer(put.await?).await
    }

    /// What is answered once a command is on the log.
    async fn answer(&self, (command, stored): (EventId, Stored)) -> Answer {
        let accepted = Accepted {
            command,
            sequence: stored.seq,
            decision: self.app.decision_within(command, self.wait).await?,
        };
        Ok((StatusCode::ACCEPTED, Json(accepted)))
    }
}

/// The cluster that a command names.
const fn cluster(body: &CommandBody) -> Option<&Cluster> {
    match body {
        CommandBody::Request { target, .. } => Some(&target.workload.cluster),
        CommandBody::Mode { scope, .. }
        | CommandBody::Freeze { scope, .. }
        | CommandBody::Unfreeze { scope } => Some(&scope.cluster),
        CommandBody::KillSwitch { cluster } | CommandBody::Resume { cluster } => Some(cluster),
        CommandBody::Split { entity, .. } => Some(&entity.cluster),
        CommandBody::Approve { .. }
        | CommandBody::Reject { .. }
        | CommandBody::Undo { .. }
        | CommandBody::Feedback { .. }
        | CommandBody::Merge { .. }
        | CommandBody::Activate { .. } => None,
    }
}
