//! Signing in, staying signed in, signing out.

use std::sync::Arc;
use std::time::Instant;

use aegis_schemas::AccessOutcome;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Origin, Principal, network};
use crate::document as shape;
use crate::problem::Problem;
use crate::routes::Body;
use crate::store::Rotation;
use crate::token;

/// The longest name of a user, bytes.
const MAX_NAME: usize = 64;

/// Who signs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    /// The name.
    #[schema(example = "ann")]
    name: String,
    /// The password.
    #[schema(format = "password")]
    password: String,
}

/// A refresh token that is used.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refresh {
    /// The newest refresh token of the sign-in.
    refresh_token: String,
}

/// What a sign-in gives (RFC 6749, section 5.1).
#[derive(Serialize, ToSchema)]
pub(crate) struct Granted {
    /// For `Authorization: Bearer`.
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// How long the access token lives, seconds.
    expires_in: u64,
    /// Works once, and gives the next pair.
    refresh_token: String,
}

/// Signs in with name and password.
#[utoipa::path(
    post, path = "/session", operation_id = "sign_in", tag = "access", security(()),
    request_body = Credentials,
    responses(
        (status = 200, description = "Signed in.", body = Granted),
        (status = 401, description = "Wrong name or password.", body = shape::Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn sign_in(
    State(app): State<Arc<App>>,
    origin: Origin,
    Body(credentials): Body<Credentials>,
) -> Result<Json<Granted>, Problem> {
    let name = credentials.name;
    app.check_password(&origin, &name, &credentials.password)
        .await?;
    let refresh_token = token::refresh();
    let family = app
        .store
        .start_family(&name, &refresh_token, &app.config)
        .await?;
    origin.note(&app, Some(&name), AccessOutcome::SignedIn, "");
    Ok(granted(&app, &name, &family, refresh_token))
}

impl App {
    /// Whether somebody has that name and password; 401 if not, 429 when it is tried too often.
    pub(crate) async fn check_password(
        &self,
        origin: &Origin,
        name: &str,
        password: &str,
    ) -> Result<(), Problem> {
        if name.len() > MAX_NAME {
            // Nobody is called so, and limits are kept by name.
            self.welcome(origin)?;
            return Err(Problem::unauthenticated("wrong name or password"));
        }
        let now = Instant::now();
        let limited = self
            .limits
            .sign_in_address
            .take(&network(&origin.address), now)
            .and_then(|()| self.limits.sign_in_account.take(name, now));
        if let Err(after) = limited {
            let why = "too many sign-ins";
            origin.note(self, Some(name), AccessOutcome::RateLimited, why);
            return Err(Problem::too_many(after));
        }
        let hash = self.store.password_hash(name).await?;
        if !self.passwords.verify(password.to_owned(), hash).await {
            let why = "wrong name or password";
            origin.note(self, Some(name), AccessOutcome::Unauthenticated, why);
            return Err(Problem::unauthenticated(why));
        }
        Ok(())
    }
}

/// A refresh token works once. Used twice, one of the two users is a thief: the whole family ends.
#[utoipa::path(
    post, path = "/session/refresh", operation_id = "refresh", tag = "access", security(()),
    request_body = Refresh,
    responses(
        (status = 200, description = "The next pair of tokens.", body = Granted),
        (status = 401, description = "The token is unknown, was used or has expired.", body = shape::Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn refresh(
    State(app): State<Arc<App>>,
    origin: Origin,
    Body(body): Body<Refresh>,
) -> Result<Json<Granted>, Problem> {
    let next = token::refresh();
    match app
        .store
        .rotate(&body.refresh_token, &next, &app.config)
        .await?
    {
        Rotation::Rotated { user, family } => Ok(granted(&app, &user, &family, next)),
        Rotation::Reused { user } => {
            let why = "a refresh token was used twice; all of its sign-in is revoked";
            origin.note(&app, Some(&user), AccessOutcome::TokenReused, why);
            Err(Problem::unauthenticated(why))
        }
        Rotation::Unknown => {
            let why = "the refresh token is unknown or has expired";
            origin.note(&app, None, AccessOutcome::Unauthenticated, why);
            Err(Problem::unauthenticated(why))
        }
    }
}

/// Ends the sign-in with all of its tokens.
#[utoipa::path(
    delete, path = "/session", operation_id = "sign_out", tag = "access",
    responses((status = 204, description = "Signed out."))
)]
pub(super) async fn sign_out(
    State(app): State<Arc<App>>,
    who: Principal,
) -> Result<StatusCode, Problem> {
    app.store.revoke_family(&who.family).await?;
    app.note(&who, AccessOutcome::SignedOut, "");
    Ok(StatusCode::NO_CONTENT)
}

/// Who the token says one is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    /// The name.
    name: String,
    /// The roles of now.
    #[schema(value_type = shape::Roles)]
    roles: Vec<String>,
    /// What the API key is for; none with a sign-in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<shape::Scopes>)]
    scopes: Option<Vec<String>>,
}

/// Who the token or key says one is.
#[utoipa::path(
    get, path = "/whoami", operation_id = "whoami", tag = "access",
    responses((status = 200, description = "Who one is.", body = Me))
)]
pub(super) async fn me(who: Principal) -> Json<Me> {
    Json(Me {
        name: who.name,
        roles: who.roles.into_iter().collect(),
        scopes: who.scopes.map(|scopes| scopes.into_iter().collect()),
    })
}

/// A pair of tokens for somebody who is signed in.
fn granted(app: &App, user: &str, family: &str, refresh_token: String) -> Json<Granted> {
    let (access_token, expires_in) = app.tokens.issue(user, family);
    Json(Granted {
        access_token,
        token_type: "Bearer",
        expires_in,
        refresh_token,
    })
}
