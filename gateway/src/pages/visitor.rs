//! Who looks at a page: a session cookie, its sign-in, and the proof that a form came from our own page.
//!
//! The cookie holds a random secret that is kept as a hash beside the refresh tokens, so what ends a
//! sign-in ends it too. It is read by no script and sent by no other site; a form carries a hash of it
//! besides, which no other site knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use aegis_schemas::AccessOutcome;
use axum::Form;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{HeaderMap, header, request::Parts};
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};

use super::oops::Oops;
use crate::app::App;
use crate::auth::{Origin, Principal};
use crate::problem::Problem;

/// The session cookie's name.
const COOKIE: &str = "aegis_session";

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub(crate) who: Principal,
    /// What their forms carry.
    pub(super) csrf: String,
}

impl Visitor {
    /// Whether one of their roles is among these.
    pub(super) fn has(&self, roles: &[&str]) -> bool {
        roles.iter().any(|role| self.who.roles.contains(*role))
    }
}

impl FromRequestParts<Arc<App>> for Visitor {
    type Rejection = Oops;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Oops> {
        let origin = Origin::of(parts);
        let next = parts
            .uri
            .path_and_query()
            .map_or("/", |path| path.as_str())
            .to_owned();
        let secret = cookie(&parts.headers).ok_or_else(|| Oops::SignIn(next.clone()))?;
        let Some(who) = app.admit_session(&origin, secret).await? else {
            // A guess counts as one, and is on record.
            app.welcome(&origin)?;
            let why = "the session is unknown or over";
            origin.note(app, None, AccessOutcome::Unauthenticated, why);
            return Err(Oops::SignIn(next));
        };
        Ok(Self {
            who,
            csrf: proof(secret),
        })
    }
}

/// The fields of a form that one of our pages sent.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) visitor: Visitor,
    fields: BTreeMap<String, String>,
}

impl Sent {
    /// What a field holds, without space around it; nothing when it is empty.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let value = self.fields.get(name)?.trim();
        (!value.is_empty()).then_some(value)
    }

    /// As [`Sent::field`], empty when there is none.
    pub(super) fn text(&self, name: &str) -> String {
        self.field(name).unwrap_or_default().to_owned()
    }

    /// The text of a field as it was written; browsers end its lines with two characters.
    pub(super) fn written(&self, name: &str) -> String {
        let value = self.fields.get(name).map_or("", String::as_str);
        value.replace("\r\n", "\n")
    }

    /// A field that must be there.
    pub(super) fn needed(&self, name: &str) -> Result<&str, Problem> {
        self.field(name)
            .ok_or_else(|| Problem::invalid(format!("`{name}` is missing")))
    }
}

impl FromRequest<Arc<App>> for Sent {
    type Rejection = Oops;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Oops> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, app).await?;
        let fields = form(Request::from_parts(parts, body)).await?;
        if fields.get("csrf") != Some(&visitor.csrf) {
            let why = "the form is not from this sign-in: go back, load the page again and repeat";
            app.note(&visitor.who, AccessOutcome::Forbidden, why);
            return Err(Problem::forbidden(why).into());
        }
        Ok(Self { visitor, fields })
    }
}

/// The fields of a form from our own site, whoever sent it.
pub(super) async fn form(request: Request) -> Result<BTreeMap<String, String>, Problem> {
    let site = request
        .headers()
        .get("sec-fetch-site")
        .and_then(|value| value.to_str().ok());
    if !matches!(site, None | Some("same-origin" | "none")) {
        return Err(Problem::forbidden("the form was sent by another site"));
    }
    let Form(fields) = Form::<BTreeMap<String, String>>::from_request(request, &())
        .await
        .map_err(|error| Problem::invalid(error.body_text()))?;
    Ok(fields)
}

/// The header that gives a browser its session, or with an empty secret takes it away.
pub(super) fn set_cookie(secret: &str, lives: std::time::Duration, secure: bool) -> String {
    let age = if secret.is_empty() {
        0
    } else {
        lives.as_secs()
    };
    let secure = if secure { "; Secure" } else { "" };
    format!("{COOKIE}={secret}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}")
}

/// The secret in the session cookie.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, value)| *name == COOKIE && !value.is_empty())
        .map(|(_, value)| value)
}

/// What a form carries: a hash that only whoever set the cookie can make.
fn proof(secret: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"aegis form\0");
    hash.update(secret.as_bytes());
    BASE64URL_NOPAD.encode(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn the_session_is_found_among_other_cookies() {
        for (sent, found) in [
            ("aegis_session=abc", Some("abc")),
            ("theme=dark; aegis_session=abc; x=y", Some("abc")),
            ("aegis_session=", None),
            ("not_aegis_session=abc", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_static(sent));
            assert_eq!(cookie(&headers), found, "{sent}");
        }
        assert_ne!(proof("a"), proof("b"));
    }
}
