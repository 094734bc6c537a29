//! A row of a view as PostgreSQL says it: text that is already JSON, and is passed on as it is.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

/// A JSON object, as text.
#[derive(Clone, Debug)]
pub(crate) struct Row(String);

impl Row {
    pub(super) const fn new(text: String) -> Self {
        Self(text)
    }

    /// What it says, as a `T`.
    ///
    /// # Errors
    ///
    /// When it is not one.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, sqlx::Error> {
        serde_json::from_str(&self.0).map_err(|error| sqlx::Error::Decode(error.into()))
    }
}

impl IntoResponse for Row {
    fn into_response(self) -> Response {
        json(self.0)
    }
}

/// The answer that lists them.
pub(crate) fn array(rows: &[Row]) -> Response {
    let size = rows.iter().map(|row| row.0.len() + 1).sum::<usize>() + 2;
    let mut text = String::with_capacity(size);
    text.push('[');
    for (n, row) in rows.iter().enumerate() {
        if n > 0 {
            text.push(',');
        }
        text.push_str(&row.0);
    }
    text.push(']');
    json(text)
}

fn json(text: String) -> Response {
    let kind = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}
