//! The parts of a request as handlers take them; what is wrong with one is said as a problem.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::{StatusCode, request::Parts};
use serde::de::DeserializeOwned;

use super::MAX_BODY;
use crate::problem::Problem;

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(Problem::not_json()),
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(Problem::body_too_large(MAX_BODY))
            }
            Err(rejection) => Err(Problem::invalid(rejection.body_text())),
        }
    }
}

/// The query.
pub(crate) struct Sought<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Sought<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // PostgreSQL's text holds no NUL.
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(Problem::invalid("the query holds a NUL character"));
        }
        let query = Query::<T>::from_request_parts(parts, state).await;
        query
            .map(|Query(sought)| Self(sought))
            .map_err(|rejection| Problem::invalid(rejection.body_text()))
    }
}

/// The one name in the path.
pub(crate) struct Id(pub(crate) String);

impl Id {
    /// What it names.
    pub(crate) fn parse<T: std::str::FromStr>(&self) -> Result<T, Problem>
    where
        T::Err: std::fmt::Display,
    {
        let parsed = self.0.parse();
        parsed.map_err(|error: T::Err| Problem::invalid(error.to_string()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(id)) if !id.contains('\0') => Ok(Self(id)),
            Ok(_) => Err(Problem::invalid("the path holds a NUL character")),
            Err(rejection) => Err(Problem::invalid(rejection.body_text())),
        }
    }
}
