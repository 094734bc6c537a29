//! Users, for administrators. Every change is noted in the audit log.

use std::sync::Arc;

use aegis_schemas::AccessOutcome;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;

use crate::app::App;
use crate::auth::{ADMIN, AUDITOR, Principal, ROLES};
use crate::password;
use crate::problem::Problem;
use crate::routes::Body;
use crate::store::User;

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    who: Principal,
) -> Result<Json<Vec<User>>, Problem> {
    who.demand(&app, &[ADMIN, AUDITOR])?;
    Ok(Json(app.store.users().await?))
}

/// A user to add.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUser {
    name: String,
    password: String,
    roles: Vec<String>,
}

pub(crate) async fn add(
    State(app): State<Arc<App>>,
    who: Principal,
    Body(user): Body<NewUser>,
) -> Result<StatusCode, Problem> {
    who.demand(&app, &[ADMIN])?;
    check_name(&user.name)?;
    check_roles(&user.roles)?;
    let hash = hash(user.password).await?;
    if !app.store.add_user(&user.name, &hash, &user.roles).await? {
        return Err(Problem::conflict(format!("user `{}` exists", user.name)));
    }
    let what = format!("added `{}` with [{}]", user.name, user.roles.join(", "));
    app.note(&who, AccessOutcome::Changed, &what);
    Ok(StatusCode::CREATED)
}

/// What changes of a user.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserChange {
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    roles: Option<Vec<String>>,
    #[serde(default)]
    disabled: Option<bool>,
}

pub(crate) async fn change(
    State(app): State<Arc<App>>,
    who: Principal,
    Path(name): Path<String>,
    Body(change): Body<UserChange>,
) -> Result<StatusCode, Problem> {
    who.demand(&app, &[ADMIN])?;
    if let Some(roles) = &change.roles {
        check_roles(roles)?;
    }
    let mut what = Vec::new();
    if change.password.is_some() {
        what.push("password".to_owned());
    }
    what.extend(
        change
            .roles
            .as_ref()
            .map(|roles| format!("roles [{}]", roles.join(", "))),
    );
    what.extend(
        change
            .disabled
            .map(|disabled| format!("disabled {disabled}")),
    );
    let hash = match change.password {
        Some(password) => Some(hash(password).await?),
        None => None,
    };
    let known = app
        .store
        .change_user(
            &name,
            hash.as_deref(),
            change.roles.as_deref(),
            change.disabled,
        )
        .await?;
    if !known {
        return Err(Problem::not_found("user"));
    }
    app.note(
        &who,
        AccessOutcome::Changed,
        &format!("changed `{name}`: {}", what.join(", ")),
    );
    Ok(StatusCode::NO_CONTENT)
}

async fn hash(password: String) -> Result<String, Problem> {
    tokio::task::spawn_blocking(move || password::hash(&password))
        .await
        .map_err(|error| Problem::unavailable(error.to_string()))?
        .map_err(|error| Problem::invalid(error.to_string()))
}

fn check_name(name: &str) -> Result<(), Problem> {
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

pub(crate) fn check_roles(roles: &[String]) -> Result<(), Problem> {
    match roles
        .iter()
        .find(|role| !ROLES.contains(&role.as_str()) && *role != "service")
    {
        Some(unknown) => Err(Problem::invalid(format!(
            "`{unknown}` is not a role; roles are {}, service",
            ROLES.join(", ")
        ))),
        None if roles.is_empty() => Err(Problem::invalid("a user needs a role")),
        None => Ok(()),
    }
}
