//! Signing in, staying signed in, signing out.

use std::sync::Arc;
use std::time::Instant;

use aegis_schemas::AccessOutcome;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::auth::{Origin, Principal};
use crate::problem::Problem;
use crate::routes::Body;
use crate::store::Rotation;
use crate::token;

/// Who signs in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    name: String,
    password: String,
}

/// A refresh token that is used.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refresh {
    refresh_token: String,
}

/// What a sign-in gives (RFC 6749, section 5.1).
#[derive(Serialize)]
pub(crate) struct Granted {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    refresh_token: String,
}

pub(crate) async fn sign_in(
    State(app): State<Arc<App>>,
    origin: Origin,
    Body(credentials): Body<Credentials>,
) -> Result<Json<Granted>, Problem> {
    let name = credentials.name;
    let now = Instant::now();
    let limited = app
        .limits
        .sign_in_address
        .take(&origin.address, now)
        .and_then(|()| app.limits.sign_in_account.take(&name, now));
    if let Err(after) = limited {
        origin.note(
            &app,
            Some(&name),
            AccessOutcome::RateLimited,
            "too many sign-ins",
        );
        return Err(Problem::too_many(after));
    }
    let hash = app.store.password_hash(&name).await?;
    if !app.passwords.verify(credentials.password, hash).await {
        let why = "wrong name or password";
        origin.note(&app, Some(&name), AccessOutcome::Unauthenticated, why);
        return Err(Problem::unauthenticated(why));
    }
    let refresh_token = token::refresh();
    let family = app
        .store
        .start_family(&name, &refresh_token, &app.config)
        .await?;
    origin.note(&app, Some(&name), AccessOutcome::SignedIn, "");
    Ok(granted(&app, &name, &family, refresh_token))
}

/// A refresh token works once. Used twice, one of the two users is a thief: the whole family ends.
pub(crate) async fn refresh(
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

pub(crate) async fn sign_out(
    State(app): State<Arc<App>>,
    who: Principal,
) -> Result<StatusCode, Problem> {
    app.store.revoke_family(&who.family).await?;
    app.note(&who, AccessOutcome::SignedOut, "");
    Ok(StatusCode::NO_CONTENT)
}

/// Who the token says one is.
#[derive(Serialize)]
pub(crate) struct Me {
    name: String,
    roles: Vec<String>,
}

pub(crate) async fn me(who: Principal) -> Json<Me> {
    Json(Me {
        name: who.name,
        roles: who.roles.into_iter().collect(),
    })
}

fn granted(app: &App, user: &str, family: &str, refresh_token: String) -> Json<Granted> {
    let (access_token, expires_in) = app.tokens.issue(user, family);
    Json(Granted {
        access_token,
        token_type: "Bearer",
        expires_in,
        refresh_token,
    })
}
