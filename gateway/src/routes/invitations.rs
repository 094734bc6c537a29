//! Sign-up: an administrator invites, and whoever has the link chooses a password.

use std::sync::Arc;

use aegis_schemas::AccessOutcome;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::users::{check_name, check_roles, taken};
use crate::app::App;
use crate::auth::{Origin, Principal};
use crate::document as shape;
use crate::problem::Problem;
use crate::repeat::Secret;
use crate::routes::page::{Page, Part};
use crate::routes::{Body, Id};
use crate::store::{Accepted, Invitation};
use crate::token;

/// How long an invitation is good.
const HOURS: i32 = 72;

/// Invitations with what became of them.
#[utoipa::path(
    get, path = "/invitations", operation_id = "list_invitations", tag = "access",
    params(Part),
    responses((status = 200, description = "The invitations.", body = Vec<Invitation>))
)]
pub(super) async fn list(State(app): State<Arc<App>>, page: Page) -> Result<Response, Problem> {
    let found = app.store.invitations(page.after(), page.look_for()).await?;
    Ok(page.answer(found, |invitation| invitation.id.clone()))
}

/// Whom to invite.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Invite {
    /// What they will sign in with.
    #[schema(value_type = shape::UserName)]
    pub(crate) name: String,
    /// What they will be.
    #[schema(value_type = shape::Roles)]
    pub(crate) roles: Vec<String>,
}

/// An invitation with its secret, which is shown once.
#[derive(Serialize, ToSchema)]
pub(crate) struct Invited {
    /// The invitation.
    id: String,
    /// Where they choose a password. Whoever has it can: send it to nobody else.
    pub(crate) link: String,
    /// The secret in the link.
    token: String,
    /// Until when it is good.
    #[schema(value_type = shape::Timestamp)]
    expires: String,
}

/// Invites somebody: one link, good for 72 hours and for one user.
#[utoipa::path(
    post, path = "/invitations", operation_id = "invite", tag = "access",
    request_body = Invite,
    responses((status = 201, description = "The link is shown this once.", body = Invited))
)]
pub(super) async fn invite(
    State(app): State<Arc<App>>,
    who: Principal,
    Body(invite): Body<Invite>,
) -> Result<Response, Problem> {
    let invited = give(&app, &who, &invite).await?;
    let mut response = (StatusCode::CREATED, Json(invited)).into_response();
    response.extensions_mut().insert(Secret);
    Ok(response)
}

/// Makes an invitation by `who`.
pub(crate) async fn give(app: &App, who: &Principal, invite: &Invite) -> Result<Invited, Problem> {
    check_name(&invite.name)?;
    check_roles(&invite.roles)?;
    let (id, token) = (token::id(), token::refresh());
    let whom = (invite.name.as_str(), invite.roles.as_slice());
    let expires = app
        .store
        .invite(&id, &token, whom, &who.name, HOURS)
        .await?;
    let roles = invite.roles.join(", ");
    let what = format!("invited `{}` as [{roles}] with `{id}`", invite.name);
    app.note(who, AccessOutcome::Changed, &what);
    Ok(Invited {
        // Behind `#`, so that it reaches no log of a server.
        link: format!("{}/invitation#{token}", app.config.issuer),
        id,
        token,
        expires,
    })
}

/// Takes an invitation back.
#[utoipa::path(
    delete, path = "/invitations/{id}", operation_id = "revoke_invitation", tag = "access",
    params(("id" = String, Path, description = "The invitation.")),
    responses((status = 204, description = "Nobody can accept it."))
)]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    who: Principal,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    end(&app, &who, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes an invitation back, for `who`.
pub(crate) async fn end(app: &App, who: &Principal, id: &str) -> Result<(), Problem> {
    if !app.store.revoke_invitation(id).await? {
        return Err(Problem::not_found("open invitation"));
    }
    let what = format!("revoked the invitation `{id}`");
    app.note(who, AccessOutcome::Changed, &what);
    Ok(())
}

/// How somebody accepts.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Accept {
    /// The secret from the link.
    token: String,
    /// The password that they choose; at least 12 characters.
    #[schema(min_length = 12, max_length = 1024, format = "password")]
    password: String,
}

/// Who one is from now on.
#[derive(Serialize, ToSchema)]
pub(crate) struct Welcome {
    /// The name to sign in with.
    name: String,
}

/// Accepts an invitation: makes the user, who can sign in then.
#[utoipa::path(
    post, path = "/invitations/accept", operation_id = "accept_invitation", tag = "access", security(()),
    request_body = Accept,
    responses(
        (status = 201, description = "The user is there.", body = Welcome),
        (status = 401, description = "The invitation is unknown, used or over.", body = shape::Problem, content_type = "application/problem+json"),
        (status = 409, description = "There is a user of that name.", body = shape::Problem, content_type = "application/problem+json"),
        (status = 422, description = "The password is too short.", body = shape::Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn accept(
    State(app): State<Arc<App>>,
    origin: Origin,
    Body(accept): Body<Accept>,
) -> Result<(StatusCode, Json<Welcome>), Problem> {
    let void = || {
        let why = "the invitation is unknown, was used or is over; ask for a new one";
        origin.note(&app, None, AccessOutcome::Unauthenticated, why);
        Problem::unauthenticated(why)
    };
    if !app.store.is_invited(&accept.token).await? {
        return Err(void());
    }
    let hash = app.passwords.hash(accept.password).await?;
    match app.store.accept(&accept.token, &hash).await? {
        Accepted::User(name) => {
            let what = "accepted an invitation";
            origin.note(&app, Some(&name), AccessOutcome::Changed, what);
            Ok((StatusCode::CREATED, Json(Welcome { name })))
        }
        Accepted::Taken(name) => Err(taken(&name)),
        Accepted::Void => Err(void()),
    }
}
