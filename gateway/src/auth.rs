//! Who asks, from the access token or API key of a request, and whether they may ask that.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aegis_schemas::{AccessOutcome, Actor};
use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath};
use axum::http::{Method, request::Parts};

use crate::access::Happened;
use crate::app::App;
use crate::problem::Problem;
use crate::token;

/// Every role that somebody may have.
pub(crate) const ROLES: [&str; 4] = ["admin", "operator", "auditor", "service"];

/// Who asks, and for what.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    pub(crate) name: String,
    pub(crate) roles: BTreeSet<String>,
    /// The sign-in that their token comes from; empty with an API key.
    pub(crate) family: String,
    /// The scopes of the API key that they use instead of a sign-in.
    pub(crate) scopes: Option<BTreeSet<String>>,
    /// How long ago they signed in.
    pub(crate) signed_in: Duration,
    /// Method and route, without ids.
    pub(crate) operation: String,
    pub(crate) address: String,
}

impl Principal {
    /// Lets only those pass who may ask for `operation`, an id in the API's document; a refusal is noted in
    /// the audit log.
    pub(crate) fn demand(&self, app: &App, operation: &str) -> Result<(), Problem> {
        let scopes = self.scopes.as_ref();
        let permits = app
            .permits
            .check(&self.roles, scopes, operation, self.signed_in);
        permits.map_err(|why| {
            let reason = format!(
                "`{}` has the roles [{}]; `{operation}` takes one of [{}]: {why}",
                self.name,
                self.roles.iter().cloned().collect::<Vec<_>>().join(", "),
                app.document.roles(operation).join(", "),
            );
            app.note(self, AccessOutcome::Forbidden, &reason);
            Problem::forbidden(reason)
        })
    }

    /// Whether they have a role.
    pub(crate) fn is(&self, role: &str) -> bool {
        self.roles.contains(role)
    }

    /// As events name them.
    pub(crate) fn actor(&self) -> Actor {
        Actor {
            name: self.name.clone(),
            roles: self.roles.clone(),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = Problem;

    /// Whom the gate let in.
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let admitted = parts.extensions.get::<Self>().cloned();
        admitted.ok_or_else(|| Problem::unauthenticated("this takes a sign-in"))
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
        // The router answers a HEAD with the handler of GET.
        let method = match &parts.method {
            head if *head == Method::HEAD => &Method::GET,
            method => method,
        };
        Self {
            operation: format!("{method} {route}"),
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

    async fn from_request_parts(parts: &mut Parts, _app: &Arc<App>) -> Result<Self, Problem> {
        Ok(Self::of(parts))
    }
}

/// What is limited by address: an IPv4 address, or the /64 of an IPv6 one, which one customer has whole.
pub(crate) fn network(address: &str) -> String {
    match address
        .parse::<IpAddr>()
        .map(|address| address.to_canonical())
    {
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        Ok(IpAddr::V4(address)) => address.to_string(),
        Err(_) => address.to_owned(),
    }
}

/// Somebody whose token or key is good.
struct Known {
    name: String,
    roles: BTreeSet<String>,
    family: String,
    scopes: Option<BTreeSet<String>>,
    signed_in: Duration,
}

impl App {
    /// Who a browser's session secret says it is, while its sign-in stands.
    pub(crate) async fn admit_session(
        &self,
        origin: &Origin,
        secret: &str,
    ) -> Result<Option<Principal>, Problem> {
        let found = self.store.session(secret, &self.config).await?;
        let Some((name, family, standing)) = found else {
            return Ok(None);
        };
        self.count(origin, &name)?;
        Ok(Some(Principal {
            name,
            roles: standing.roles,
            family,
            scopes: None,
            signed_in: standing.signed_in,
            operation: origin.operation.clone(),
            address: origin.address.clone(),
        }))
    }

    /// Takes a request of nobody known from an address, unless it asks too often.
    pub(crate) fn welcome(&self, origin: &Origin) -> Result<(), Problem> {
        let taken = self
            .limits
            .address
            .take(&network(&origin.address), Instant::now());
        taken.map_err(|after| {
            origin.note(self, None, AccessOutcome::RateLimited, "too many requests");
            Problem::too_many(after)
        })
    }

    /// Who the access token or API key of a request says it is, while it stands; a refusal is noted in the
    /// audit log.
    pub(crate) async fn admit(
        &self,
        origin: &Origin,
        token: Option<&str>,
    ) -> Result<Principal, Problem> {
        let known = match token {
            Some(token) if token::is_key(token) => self.by_key(origin, token).await?,
            Some(token) => self.by_sign_in(origin, token).await?,
            None => Err("no access token"),
        };
        match known {
            Ok(known) => Ok(Principal {
                name: known.name,
                roles: known.roles,
                family: known.family,
                scopes: known.scopes,
                signed_in: known.signed_in,
                operation: origin.operation.clone(),
                address: origin.address.clone(),
            }),
            Err(why) => {
                self.welcome(origin)?;
                origin.note(self, None, AccessOutcome::Unauthenticated, why);
                Err(Problem::unauthenticated(format!(
                    "{why}; sign in with `aegis login`"
                )))
            }
        }
    }

    async fn by_sign_in(
        &self,
        origin: &Origin,
        token: &str,
    ) -> Result<Result<Known, &'static str>, Problem> {
        let Some(claims) = self.tokens.check(token) else {
            return Ok(Err("the access token is invalid or has expired"));
        };
        self.count(origin, &claims.sub)?;
        // What this gateway changes holds at once, what another one changes within two seconds.
        let standing = self.store.standing(&claims.sub, &claims.family).await?;
        let Some(standing) = standing else {
            return Ok(Err("the sign-in was revoked"));
        };
        Ok(Ok(Known {
            name: claims.sub,
            roles: standing.roles,
            family: claims.family,
            scopes: None,
            signed_in: standing.signed_in,
        }))
    }

    async fn by_key(
        &self,
        origin: &Origin,
        key: &str,
    ) -> Result<Result<Known, &'static str>, Problem> {
        let (print, now) = (token::fingerprint(key), Instant::now());
        // Who tries keys out keeps no connection to the database busy; whose key was good goes on, though
        // somebody else behind the same address tries them out.
        let spent = || self.limits.address.is_spent(&network(&origin.address), now);
        if self.good_keys.get(&print, now).is_none() && spent() {
            self.welcome(origin)?;
        }
        let Some(owner) = self.store.owner_of(key).await? else {
            self.good_keys.forget(&print);
            return Ok(Err("the API key is unknown, revoked or has expired"));
        };
        self.good_keys.put(print, (), now);
        self.count(origin, &owner.name)?;
        Ok(Ok(Known {
            name: owner.name,
            roles: owner.roles,
            family: String::new(),
            scopes: Some(owner.scopes),
            signed_in: Duration::ZERO,
        }))
    }

    /// Counts a request of somebody known.
    fn count(&self, origin: &Origin, name: &str) -> Result<(), Problem> {
        self.limits
            .user
            .take(name, Instant::now())
            .map_err(|after| {
                let why = "too many requests";
                origin.note(self, Some(name), AccessOutcome::RateLimited, why);
                Problem::too_many(after)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::network;

    #[test]
    fn one_customer_is_one_network() {
        for (address, limited) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
            ("unknown", "unknown"),
        ] {
            assert_eq!(network(address), limited);
        }
    }
}
