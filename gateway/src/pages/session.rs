//! Signing in and out with a browser: by password, or by a link that works once.

use std::collections::BTreeMap;
use std::sync::Arc;

use aegis_schemas::AccessOutcome;
use askama::Template;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::oops::Oops;
use super::visitor::{Sent, form, set_cookie};
use super::{Page, assets, show};
use crate::app::App;
use crate::auth::Origin;
use crate::problem::Problem;
use crate::store::session_token;
use crate::token;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    css: String,
    script: String,
    icon: String,
    cluster: String,
    next: &'a str,
    name: &'a str,
    wrong: Option<&'a str>,
    link: bool,
}

impl<'a> SignIn<'a> {
    fn new(app: &App) -> Self {
        Self {
            css: assets::path("app.css"),
            script: assets::path("app.js"),
            icon: assets::path("icon.svg"),
            cluster: app.config.cluster.to_string(),
            next: "/",
            name: "",
            wrong: None,
            link: false,
        }
    }
}

/// Where to go afterwards.
#[derive(Deserialize)]
pub(super) struct Next {
    #[serde(default)]
    next: String,
}

pub(super) async fn page(State(app): State<Arc<App>>, Query(wanted): Query<Next>) -> Page {
    show(&SignIn {
        next: local(&wanted.next),
        ..SignIn::new(&app)
    })
}

pub(super) async fn sign_in(
    State(app): State<Arc<App>>,
    origin: Origin,
    request: Request,
) -> Result<Response, Oops> {
    app.welcome(&origin)?;
    let fields = form(request).await?;
    let field = |name: &str| fields.get(name).map_or("", String::as_str);
    let (name, next) = (field("name"), local(field("next")));
    match app.check_password(&origin, name, field("password")).await {
        Ok(()) => signed_in(&app, &origin, name, next).await,
        // A person who mistyped gets the form again, not a page that says 401.
        Err(problem) if problem.status() == 401 => {
            let again = SignIn {
                next,
                name,
                wrong: Some("wrong name or password"),
                ..SignIn::new(&app)
            };
            let Html(text) = show(&again)?;
            Ok((axum::http::StatusCode::UNAUTHORIZED, Html(text)).into_response())
        }
        Err(problem) => Err(problem.into()),
    }
}

/// A link alone signs nobody in: programs that look at links in messages would use it up.
pub(super) async fn link(State(app): State<Arc<App>>) -> Page {
    show(&SignIn {
        link: true,
        ..SignIn::new(&app)
    })
}

pub(super) async fn follow(
    State(app): State<Arc<App>>,
    origin: Origin,
    Path(secret): Path<String>,
    request: Request,
) -> Result<Response, Oops> {
    app.welcome(&origin)?;
    let _: BTreeMap<String, String> = form(request).await?;
    let Some(name) = app.store.use_sign_in_link(&secret).await? else {
        let why = "the link was used, has expired or was never given";
        origin.note(&app, None, AccessOutcome::Unauthenticated, why);
        let advice = format!("{why}; ask for another, or sign in with your password");
        return Err(Problem::unauthenticated(advice).into());
    };
    signed_in(&app, &origin, &name, "/").await
}

pub(super) async fn sign_out(State(app): State<Arc<App>>, sent: Sent) -> Result<Response, Oops> {
    let who = sent.visitor.who;
    app.store.revoke_family(&who.family).await?;
    app.note(&who, AccessOutcome::SignedOut, "");
    Ok(with_session(&app, Redirect::to("/sign-in"), ""))
}

async fn signed_in(app: &App, origin: &Origin, name: &str, next: &str) -> Result<Response, Oops> {
    let secret = token::refresh();
    let kept = session_token(&secret);
    app.store.start_family(name, &kept, &app.config).await?;
    origin.note(app, Some(name), AccessOutcome::SignedIn, "");
    Ok(with_session(app, Redirect::to(next), &secret))
}

fn with_session(app: &App, to: Redirect, secret: &str) -> Response {
    let secure = app.config.issuer.starts_with("https://");
    let cookie = set_cookie(secret, app.config.refresh_absolute, secure);
    let mut response = to.into_response();
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

/// A path of our own, never another site.
fn local(next: &str) -> &str {
    // Browsers leave tabs and line ends out of an address, and take a backslash for a slash.
    let ours = next.starts_with('/')
        && !next.starts_with("//")
        && next
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if ours { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn a_sign_in_leads_to_no_other_site() {
        for (next, to) in [
            ("/incidents?state=open", "/incidents?state=open"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("/\t/evil.example", "/"),
            ("/ x", "/"),
            ("https://evil.example", "/"),
            ("", "/"),
        ] {
            assert_eq!(local(next), to, "{next}");
        }
    }
}
