//! API keys, for programs. A key never does more than its owner's roles of now, nor than its scopes.

use std::sync::Arc;

use aegis_schemas::AccessOutcome;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Principal;
use crate::document as shape;
use crate::problem::Problem;
use crate::repeat::Secret;
use crate::routes::page::{Page, Part};
use crate::routes::{Body, Id};
use crate::store::{Key, NewKey};
use crate::token;

/// The groups of operations that a key may be for.
const SCOPES: [&str; 3] = ["read", "publish", "ask"];
/// How long a key lives unless said otherwise, and at most, days.
const DAYS: u16 = 90;
const MAX_DAYS: u16 = 365;
/// The longest label.
const MAX_LABEL: usize = 100;

/// One's own keys; for administrators everybody's.
#[utoipa::path(
    get, path = "/keys", operation_id = "list_keys", tag = "access",
    params(Part),
    responses((status = 200, description = "The keys, without their secrets.", body = Vec<Key>))
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    who: Principal,
    page: Page,
) -> Result<Response, Problem> {
    let keys = app.store.keys(whose(&who), page.after(), page.look_for());
    Ok(page.answer(keys.await?, |key| key.id.clone()))
}

/// A key to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// What it is for, for people.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = "^[ -~]+$",
        example = "billing exporter"
    )]
    pub(crate) label: String,
    /// What it may do.
    #[schema(value_type = shape::Scopes)]
    pub(crate) scopes: Vec<String>,
    /// How many days it lives.
    #[serde(default = "days")]
    #[schema(minimum = 1, maximum = 365, default = 90)]
    pub(crate) days: u16,
}

const fn days() -> u16 {
    DAYS
}

impl Wanted {
    fn check(&self) -> Result<(), Problem> {
        let label = self.label.as_bytes();
        if !(1..=MAX_LABEL).contains(&label.len())
            || !label.iter().all(|byte| (b' '..=b'~').contains(byte))
        {
            return Err(Problem::invalid(format!(
                "`label` is 1 to {MAX_LABEL} printable ASCII characters"
            )));
        }
        let known = |scope: &String| SCOPES.contains(&scope.as_str());
        if !(1..=SCOPES.len()).contains(&self.scopes.len()) || !self.scopes.iter().all(known) {
            return Err(Problem::invalid(format!(
                "`scopes` are some of {}",
                SCOPES.join(", ")
            )));
        }
        if !(1..=MAX_DAYS).contains(&self.days) {
            return Err(Problem::invalid(format!("`days` is 1 to {MAX_DAYS}")));
        }
        Ok(())
    }
}

/// A key with its secret, which is shown once.
#[derive(Serialize, ToSchema)]
pub(crate) struct Made {
    /// The key's id.
    id: String,
    /// The key: for `Authorization: Bearer`.
    pub(crate) key: String,
    /// Until when it is good.
    #[schema(value_type = shape::Timestamp)]
    expires: String,
}

/// Makes a key of one's own.
#[utoipa::path(
    post, path = "/keys", operation_id = "create_key", tag = "access",
    request_body = Wanted,
    responses((status = 201, description = "The key is shown this once.", body = Made))
)]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    who: Principal,
    Body(wanted): Body<Wanted>,
) -> Result<Response, Problem> {
    let made = make(&app, &who, &wanted).await?;
    let mut response = (StatusCode::CREATED, Json(made)).into_response();
    response.extensions_mut().insert(Secret);
    Ok(response)
}

/// Makes a key of `who`.
pub(crate) async fn make(app: &App, who: &Principal, wanted: &Wanted) -> Result<Made, Problem> {
    wanted.check()?;
    let (id, key) = token::key();
    let new = NewKey {
        id: &id,
        secret: &key,
        owner: &who.name,
        label: &wanted.label,
        scopes: &wanted.scopes,
        days: i32::from(wanted.days),
    };
    let expires = app.store.add_key(&new).await?;
    let scopes = wanted.scopes.join(", ");
    let what = format!("made the API key `{id}` for [{scopes}]");
    app.note(who, AccessOutcome::Changed, &what);
    Ok(Made { id, key, expires })
}

/// Ends one of one's own keys; administrators end anybody's.
#[utoipa::path(
    delete, path = "/keys/{id}", operation_id = "revoke_key", tag = "access",
    params(("id" = String, Path, description = "The key.")),
    responses((status = 204, description = "It is worth nothing now."))
)]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    who: Principal,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    end(&app, &who, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a key that `who` may end.
pub(crate) async fn end(app: &App, who: &Principal, id: &str) -> Result<(), Problem> {
    // Somebody else's key is none, so that nobody learns which there are.
    if !app.store.revoke_key(id, whose(who)).await? {
        return Err(Problem::not_found("key"));
    }
    let what = format!("revoked the API key `{id}`");
    app.note(who, AccessOutcome::Changed, &what);
    Ok(())
}

/// Whose keys somebody may see and end: their own, or everybody's.
pub(crate) fn whose(who: &Principal) -> Option<&str> {
    (!who.is("admin")).then_some(who.name.as_str())
}
