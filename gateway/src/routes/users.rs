//! Users, for administrators. Every change is noted in the audit log.

use std::sync::Arc;

use aegis_schemas::AccessOutcome;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Principal, ROLES};
use crate::document as shape;
use crate::problem::Problem;
use crate::routes::page::{Page, Part};
use crate::routes::{Body, Id};
use crate::store::User;

/// Who may sign in, by name.
#[utoipa::path(
    get, path = "/users", operation_id = "list_users", tag = "access",
    params(Part),
    responses((status = 200, description = "The users.", body = Vec<User>))
)]
pub(super) async fn list(State(app): State<Arc<App>>, page: Page) -> Result<Response, Problem> {
    let users = app.store.users(page.after(), page.look_for()).await?;
    Ok(page.answer(users, |user| user.name.clone()))
}

/// A user to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUser {
    /// What they sign in with.
    #[schema(value_type = shape::UserName)]
    name: String,
    /// At least 12 characters.
    #[schema(min_length = 12, max_length = 1024, format = "password")]
    password: String,
    /// What they are.
    #[schema(value_type = shape::Roles)]
    roles: Vec<String>,
}

/// Adds a user. An invitation is better: then nobody but them knows the password.
#[utoipa::path(
    post, path = "/users", operation_id = "add_user", tag = "access",
    request_body = NewUser,
    responses((status = 201, description = "Added."))
)]
pub(super) async fn add(
    State(app): State<Arc<App>>,
    who: Principal,
    Body(user): Body<NewUser>,
) -> Result<StatusCode, Problem> {
    check_name(&user.name)?;
    check_roles(&user.roles)?;
    let hash = app.passwords.hash(user.password).await?;
    if !app.store.add_user(&user.name, &hash, &user.roles).await? {
        return Err(taken(&user.name));
    }
    let what = format!("added `{}` with [{}]", user.name, user.roles.join(", "));
    app.note(&who, AccessOutcome::Changed, &what);
    Ok(StatusCode::CREATED)
}

/// What changes of a user.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserChange {
    /// A new password; ends their sign-ins.
    #[serde(default)]
    #[schema(min_length = 12, max_length = 1024, format = "password")]
    pub(crate) password: Option<String>,
    /// What they are from now on.
    #[serde(default)]
    #[schema(value_type = Option<shape::Roles>)]
    pub(crate) roles: Option<Vec<String>>,
    /// Whether they may not sign in; ends their sign-ins.
    #[serde(default)]
    pub(crate) disabled: Option<bool>,
}

impl UserChange {
    /// In words, for the record.
    fn describe(&self) -> String {
        let password = self.password.as_ref().map(|_| "password".to_owned());
        let roles = self.roles.as_ref();
        let roles = roles.map(|roles| format!("roles [{}]", roles.join(", ")));
        let disabled = self.disabled.map(|disabled| format!("disabled {disabled}"));
        let what: Vec<String> = [password, roles, disabled].into_iter().flatten().collect();
        what.join(", ")
    }
}

/// Changes a user's password, roles, or whether they may sign in. Takes effect at once.
#[utoipa::path(
    patch, path = "/users/{name}", operation_id = "change_user", tag = "access",
    params(("name" = shape::UserName, Path, description = "The user.")),
    request_body = UserChange,
    responses((status = 204, description = "Changed."))
)]
pub(super) async fn change(
    State(app): State<Arc<App>>,
    who: Principal,
    Id(name): Id,
    Body(change): Body<UserChange>,
) -> Result<StatusCode, Problem> {
    apply(&app, &who, &name, change).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes a user, for `who`.
pub(crate) async fn apply(
    app: &App,
    who: &Principal,
    name: &str,
    change: UserChange,
) -> Result<(), Problem> {
    if let Some(roles) = &change.roles {
        check_roles(roles)?;
    }
    let what = change.describe();
    let hash = match change.password {
        Some(password) => Some(app.passwords.hash(password).await?),
        None => None,
    };
    let (roles, disabled) = (change.roles.as_deref(), change.disabled);
    let known = app
        .store
        .change_user(name, hash.as_deref(), roles, disabled)
        .await?;
    if !known {
        return Err(Problem::not_found("user"));
    }
    let what = format!("changed `{name}`: {what}");
    app.note(who, AccessOutcome::Changed, &what);
    Ok(())
}

/// There is a user of that name.
pub(super) fn taken(name: &str) -> Problem {
    Problem::conflict(format!("user `{name}` exists"))
}

pub(super) fn check_name(name: &str) -> Result<(), Problem> {
    let valid = (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte));
    if valid {
        Ok(())
    } else {
        Err(Problem::invalid(
            "a user's name is 1 to 64 letters, digits, `-`, `_`, `.` and `@`",
        ))
    }
}

pub(super) fn check_roles(roles: &[String]) -> Result<(), Problem> {
    match roles.iter().find(|role| !ROLES.contains(&role.as_str())) {
        Some(unknown) => Err(Problem::invalid(format!(
            "`{unknown}` is not a role; roles are {}",
            ROLES.join(", ")
        ))),
        None if !(1..=ROLES.len()).contains(&roles.len()) => {
            Err(Problem::invalid("a user has 1 to 4 roles"))
        }
        None => Ok(()),
    }
}
