//! Who asks, from the access token of a request, and whether their role may ask that.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use aegis_schemas::AccessOutcome;
use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath};
use axum::http::{header, request::Parts};

use crate::access::Happened;
use crate::app::App;
use crate::problem::Problem;

/// Everything, users included.
pub(crate) const ADMIN: &str = "admin";
/// Approves, rejects, requests, takes back, freezes, stops.
pub(crate) const OPERATOR: &str = "operator";
/// Reads.
pub(crate) const AUDITOR: &str = "auditor";
/// Every role that a user may have.
pub(crate) const ROLES: [&str; 3] = [ADMIN, OPERATOR, AUDITOR];

/// Who asks, and for what.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    pub(crate) name: String,
    pub(crate) roles: BTreeSet<String>,
    /// The sign-in that their token comes from.
    pub(crate) family: String,
    /// Method and route, without ids.
    pub(crate) operation: String,
    pub(crate) address: String,
}

impl Principal {
    /// Lets only these roles pass; a refusal is noted in the audit log.
    pub(crate) fn demand(&self, app: &App, allowed: &[&str]) -> Result<(), Problem> {
        if allowed.iter().any(|role| self.roles.contains(*role)) {
            return Ok(());
        }
        let reason = format!(
            "`{}` has the roles [{}]; this takes one of [{}]",
            self.name,
            self.roles.iter().cloned().collect::<Vec<_>>().join(", "),
            allowed.join(", ")
        );
        app.note(self, AccessOutcome::Forbidden, &reason);
        Err(Problem::forbidden(reason))
    }
}

/// Where a request comes from and what it asks, known before who asks.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) operation: String,
    pub(crate) address: String,
}

impl Origin {
    pub(crate) fn of(parts: &Parts) -> Self {
        let route = parts
            .extensions
            .get::<MatchedPath>()
            .map_or("unknown", MatchedPath::as_str);
        let address = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map_or_else(|| "unknown".to_owned(), |info| info.0.ip().to_string());
        Self {
            operation: format!("{} {route}", parts.method),
            address,
        }
    }

    /// Notes a request of nobody known, or of somebody who says to be `actor`.
    pub(crate) fn note(
        &self,
        app: &App,
        actor: Option<&str>,
        outcome: AccessOutcome,
        reason: &str,
    ) {
        app.access.note(Happened {
            // What a stranger writes into the audit log is cut short.
            actor: actor.map(|name| name.chars().take(64).collect()),
            outcome,
            operation: self.operation.clone(),
            reason: reason.to_owned(),
            address: self.address.clone(),
        });
    }
}

impl FromRequestParts<Arc<App>> for Origin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let origin = Self::of(parts);
        app.limits
            .address
            .take(&origin.address, Instant::now())
            .map_err(|after| {
                origin.note(app, None, AccessOutcome::RateLimited, "too many requests");
                Problem::too_many(after)
            })?;
        Ok(origin)
    }
}

impl FromRequestParts<Arc<App>> for Principal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let origin = Origin::of(parts);
        let token = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        app.admit(&origin, token).await
    }
}

impl App {
    /// Who the access token of a request says it is, while its sign-in stands; a refusal is noted in the
    /// audit log.
    pub(crate) async fn admit(
        &self,
        origin: &Origin,
        token: Option<&str>,
    ) -> Result<Principal, Problem> {
        let refuse = |why: &str| {
            origin.note(self, None, AccessOutcome::Unauthenticated, why);
            Problem::unauthenticated(format!("{why}; sign in with `aegis login`"))
        };
        let token = token.ok_or_else(|| refuse("no access token"))?;
        let claims = self
            .tokens
            .check(token)
            .ok_or_else(|| refuse("the access token is invalid or has expired"))?;
        self.limits
            .user
            .take(&claims.sub, Instant::now())
            .map_err(|after| {
                let why = "too many requests";
                origin.note(self, Some(&claims.sub), AccessOutcome::RateLimited, why);
                Problem::too_many(after)
            })?;
        // Roles are read anew each time, so that taking one away works at once.
        let roles = self
            .store
            .roles(&claims.sub, &claims.family)
            .await?
            .ok_or_else(|| refuse("the sign-in was revoked"))?;
        Ok(Principal {
            name: claims.sub,
            roles,
            family: claims.family,
            operation: origin.operation.clone(),
            address: origin.address.clone(),
        })
    }
}
