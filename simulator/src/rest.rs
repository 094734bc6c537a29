//! JSON requests through a Kubernetes client: what the model needs of an API server.

use std::fmt;

use http::{Method, Request};
use kube::Client;
use serde_json::Value;

use crate::Error;

/// A user of the API.
#[derive(Clone)]
pub(crate) struct Caller(pub(crate) Client);

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Caller")
    }
}

const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// Reads an object or a list.
pub(crate) async fn get(caller: &Caller, path: &str) -> Result<Value, Error> {
    send(caller, Method::GET, path, "", None).await
}

/// Creates an object; one that is there already is left as it is.
pub(crate) async fn create(caller: &Caller, path: &str, body: &Value) -> Result<(), Error> {
    match send(caller, Method::POST, path, "application/json", Some(body)).await {
        Err(error) if code(&error) != Some(409) => Err(error),
        _ => Ok(()),
    }
}

/// Strategic merge patch; `false` when the object is gone.
pub(crate) async fn patch(caller: &Caller, path: &str, body: &Value) -> Result<bool, Error> {
    found(send(caller, Method::PATCH, path, STRATEGIC, Some(body)).await)
}

/// Deletes an object at once; `false` when it is gone already.
pub(crate) async fn delete_now(caller: &Caller, path: &str) -> Result<bool, Error> {
    let path = format!("{path}?gracePeriodSeconds=0");
    found(send(caller, Method::DELETE, &path, "", None).await)
}

fn found(answer: Result<Value, Error>) -> Result<bool, Error> {
    match answer {
        Ok(_) => Ok(true),
        Err(error) if code(&error) == Some(404) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn send(
    caller: &Caller,
    method: Method,
    path: &str,
    content: &str,
    body: Option<&Value>,
) -> Result<Value, Error> {
    let bytes = body.map(Value::to_string).unwrap_or_default().into_bytes();
    let mut request = Request::builder().method(method).uri(path);
    if !content.is_empty() {
        request = request.header(http::header::CONTENT_TYPE, content);
    }
    let request = request.body(bytes).map_err(kube::Error::HttpError)?;
    caller.0.request(request).await.map_err(Error::Kubernetes)
}

fn code(error: &Error) -> Option<u16> {
    match error {
        Error::Kubernetes(kube::Error::Api(status)) => Some(status.code),
        _ => None,
    }
}
