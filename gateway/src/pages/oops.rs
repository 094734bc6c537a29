//! What a visitor sees when a page cannot be shown.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};

use crate::problem::Problem;

/// Why there is no page.
#[derive(Debug)]
pub(crate) enum Oops {
    /// Nobody is signed in; afterwards they come back to this path.
    SignIn(String),
    /// As the API would say it.
    Problem(Problem),
}

impl From<Problem> for Oops {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<sqlx::Error> for Oops {
    fn from(error: sqlx::Error) -> Self {
        Self::Problem(error.into())
    }
}

#[derive(Template)]
#[template(path = "oops.html")]
struct Shown<'a> {
    title: &'a str,
    status: u16,
    detail: &'a str,
}

impl IntoResponse for Oops {
    fn into_response(self) -> Response {
        match self {
            Self::SignIn(next) if next == "/" => Redirect::to("/sign-in").into_response(),
            Self::SignIn(next) => {
                let next: String = super::encoded(&next);
                Redirect::to(&format!("/sign-in?next={next}")).into_response()
            }
            Self::Problem(problem) => {
                let status = StatusCode::from_u16(problem.status())
                    .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let shown = Shown {
                    title: status.canonical_reason().unwrap_or("Error"),
                    status: problem.status(),
                    detail: problem.detail(),
                };
                let mut page = match shown.render() {
                    Ok(text) => (status, Html(text)).into_response(),
                    Err(_) => status.into_response(),
                };
                let retry_after = problem.into_response();
                // 429 and 503 say when to come back.
                if let Some(after) = retry_after.headers().get("retry-after") {
                    page.headers_mut().insert("retry-after", after.clone());
                }
                page
            }
        }
    }
}
