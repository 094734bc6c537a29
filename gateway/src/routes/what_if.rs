//! What nothing comes of: whether an act would be allowed, and what the detector would find in samples.

use std::sync::Arc;

use aegis_schemas::MetricBatch;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::cores::{Checked, Detection, Evaluation, Question, Silence};
use crate::document as shape;
use crate::problem::Problem;
use crate::routes::Body;

impl From<Silence> for Problem {
    fn from(silence: Silence) -> Self {
        match silence {
            Silence::NotFound(why) => Self::missing(why),
            Silence::Unavailable(why) => Self::unavailable(why),
        }
    }
}

/// May X do Y to Z, and why? Nothing is done, and nothing is put on the log.
#[utoipa::path(
    post, path = "/evaluate", operation_id = "evaluate", tag = "acts",
    request_body = Question,
    responses(
        (status = 200, description = "What policy would say, and what was not looked at.", body = Evaluation),
        (status = 404, description = "Policy has said nothing of that cluster.", body = shape::Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn evaluate(
    State(app): State<Arc<App>>,
    Body(question): Body<Question>,
) -> Result<Json<Evaluation>, Problem> {
    Ok(Json(app.cores.evaluate(question).await?))
}

/// A policy set that somebody thinks of.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Draft {
    /// Its files as one text, each under a line `=== NAME ===`.
    content: String,
}

/// Checks a policy set as it would be before it took effect. Nothing is done, and nothing is put on the log.
#[utoipa::path(
    post, path = "/policies/check", operation_id = "check_policies", tag = "orders",
    request_body = Draft,
    responses((status = 200, description = "Whether it is valid, or what is wrong in which line.", body = Checked))
)]
pub(super) async fn check_policies(
    State(app): State<Arc<App>>,
    Body(draft): Body<Draft>,
) -> Result<Json<Checked>, Problem> {
    let checked = app.drafts.check(&app.cores, draft.content).await?;
    Ok(Json(checked))
}

/// What the detector would find in these samples, if it knew no others. Nothing is stored.
#[utoipa::path(
    post, path = "/detect", operation_id = "detect", tag = "publish",
    request_body = shape::MetricBatch,
    responses((status = 200, description = "The anomalies.", body = Detection))
)]
pub(super) async fn detect(
    State(app): State<Arc<App>>,
    Body(batch): Body<MetricBatch>,
) -> Result<Json<Detection>, Problem> {
    if let Some(why) = batch.refused_from_outside() {
        return Err(Problem::unprocessable(why));
    }
    let cores = Arc::clone(&app.cores);
    let detected = tokio::task::spawn_blocking(move || cores.detect(batch)).await;
    detected
        .map(Json)
        .map_err(|error| Problem::unavailable(error.to_string()))
}
