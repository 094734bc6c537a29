//! The parts of a request as handlers take them; what is wrong with one is said as a problem.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::{HeaderMap, header, request::Parts};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::MAX_BODY;
use crate::problem::Problem;

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::not_json());
        }
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|_| Problem::body_too_large(MAX_BODY))?;
        let read = Json::<T>::from_bytes(&bytes).or_else(|error| {
            let whole = whole_numbers(&bytes).ok_or(error)?;
            Json::<T>::from_bytes(&whole)
        });
        match read {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(Problem::invalid(rejection.body_text())),
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// To JSON `3.0` is the number `3`, to serde it is none of the integers. The body with such numbers written
/// as integers; none if that changes nothing.
fn whole_numbers(body: &[u8]) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(body).ok()?;
    write_whole(&mut value).then(|| value.to_string().into_bytes())
}

/// Whether a number was written anew.
fn write_whole(value: &mut Value) -> bool {
    match value {
        Value::Number(number) => {
            let float = number.as_f64().filter(|_| number.is_f64());
            // Above 2^53 a float does not tell which integer was meant.
            let whole = float.filter(|float| float.fract() == 0.0 && float.abs() < 9e15);
            if let Some(whole) = whole {
                *value = Value::from(whole as i64);
            }
            whole.is_some()
        }
        Value::Array(items) => items
            .iter_mut()
            .fold(false, |anew, item| write_whole(item) | anew),
        Value::Object(fields) => fields
            .values_mut()
            .fold(false, |anew, field| write_whole(field) | anew),
        _ => false,
    }
}

/// The query.
pub(crate) struct Sought<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Sought<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // PostgreSQL's text holds no NUL.
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(Problem::unprocessable("the query holds a NUL character"));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_is_an_integer_however_it_is_written() {
        let whole = |body: &str| whole_numbers(body.as_bytes());
        let anew = whole(r#"{"a":[3.0,0.5],"b":{"c":-2.0}}"#).expect("changed");
        assert_eq!(anew, br#"{"a":[3,0.5],"b":{"c":-2}}"#);
        for same in ["{\"a\":3}", "0.5", "1e300", "{"] {
            assert_eq!(whole(same), None, "{same}");
        }
    }
}
