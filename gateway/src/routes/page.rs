//! Lists, all in one way: an array, and in the header `Link` (RFC 8288) where it goes on. A cursor is
//! opaque to whoever gets it.

use axum::Json;
use axum::extract::{FromRequestParts, OriginalUri};
use axum::http::{HeaderValue, header, request::Parts};
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::IntoParams;

use crate::problem::Problem;
use crate::store::{Found, array};

/// How many rows are answered unless said otherwise, and at most.
const ROWS: u16 = 50;
const MAX_ROWS: u16 = 500;

/// Which part of a list is wanted.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Part {
    /// At most so many rows.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u16>,
    /// Where to go on: from the header `Link` of the answer before.
    #[param(pattern = "^[A-Za-z0-9_-]{1,512}$")]
    cursor: Option<String>,
}

/// A part of a list as it is answered.
pub(crate) struct Page {
    path: String,
    query: String,
    rows: usize,
    after: Option<String>,
}

impl Page {
    /// How many rows to look for: one more than wanted tells whether it goes on.
    pub(crate) fn look_for(&self) -> i64 {
        i64::try_from(self.rows + 1).unwrap_or(i64::MAX)
    }

    /// What the cursor says, as [`Page::answer`] was told.
    pub(crate) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// As [`Page::after`], for lists that are in the order of an index.
    pub(crate) fn before_index(&self) -> Result<Option<String>, Problem> {
        let index = self.after().map(str::parse::<i64>).transpose();
        let index = index.map_err(|_| no_cursor())?;
        Ok(index.map(|index| index.to_string()))
    }

    /// The answer; `place` says where a row stands in the list.
    pub(crate) fn answer<T: Serialize>(
        &self,
        mut rows: Vec<T>,
        place: impl Fn(&T) -> String,
    ) -> Response {
        let more = rows.len() > self.rows;
        rows.truncate(self.rows);
        let next = rows.last().filter(|_| more).map(place);
        self.linked(Json(rows).into_response(), next)
    }

    /// As [`Page::answer`], of rows that are JSON already.
    pub(crate) fn pass_on(
        &self,
        rows: &[Found],
        place: impl Fn(&Value) -> String,
    ) -> Result<Response, Problem> {
        let wanted = &rows[..rows.len().min(self.rows)];
        let last = wanted.last().filter(|_| rows.len() > wanted.len());
        let next = last.map(Found::read::<Value>).transpose()?;
        Ok(self.linked(array(wanted), next.as_ref().map(place)))
    }

    fn linked(&self, mut response: Response, next: Option<String>) -> Response {
        let link = next.map(|place| {
            let cursor = format!("cursor={}", BASE64URL_NOPAD.encode(place.as_bytes()));
            let rest = self
                .query
                .split('&')
                .filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
            let query: Vec<&str> = rest.chain([cursor.as_str()]).collect();
            format!("<{}?{}>; rel=\"next\"", self.path, query.join("&"))
        });
        if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}

/// A cursor that we did not give.
pub(crate) fn no_cursor() -> Problem {
    Problem::unprocessable("`cursor` is not one of this list; take it from the header `Link`")
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let super::Sought(part) = super::Sought::<Part>::from_request_parts(parts, state).await?;
        let rows = part.limit.unwrap_or(ROWS);
        if !(1..=MAX_ROWS).contains(&rows) {
            return Err(Problem::invalid(format!("`limit` is 1 to {MAX_ROWS}")));
        }
        let decoded = part.cursor.map(|cursor| {
            let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
            String::from_utf8(bytes)
                .ok()
                .filter(|text| !text.is_empty() && !text.contains('\0'))
        });
        let after = match decoded {
            Some(None) => return Err(no_cursor()),
            Some(after) => after,
            None => None,
        };
        let uri = OriginalUri::from_request_parts(parts, state)
            .await
            .map_or_else(|_| parts.uri.clone(), |OriginalUri(uri)| uri);
        Ok(Self {
            path: uri.path().to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
            rows: usize::from(rows),
            after,
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    async fn page(uri: &str) -> Result<Page, Problem> {
        let (mut parts, ()) = Request::builder()
            .uri(uri)
            .body(())
            .expect("a literal URI")
            .into_parts();
        Page::from_request_parts(&mut parts, &()).await
    }

    fn link(response: &Response) -> Option<&str> {
        response.headers().get(header::LINK)?.to_str().ok()
    }

    #[tokio::test]
    async fn a_list_says_where_it_goes_on_and_what_else_was_asked() {
        let first = page("/things?state=open&limit=2").await.expect("valid");
        assert_eq!((first.look_for(), first.after()), (3, None));
        let all = first.answer(vec![9, 8], ToString::to_string);
        assert_eq!(link(&all), None);
        let some = first.answer(vec![9, 8, 7], ToString::to_string);
        let next = link(&some).expect("it goes on");
        assert_eq!(next, "</things?state=open&limit=2&cursor=OA>; rel=\"next\"");
        let second = page("/things?limit=2&cursor=OA").await.expect("valid");
        assert_eq!(
            second.before_index().expect("an index").as_deref(),
            Some("8")
        );
        for wrong in [
            "limit=0",
            "limit=501",
            "limit=x",
            "cursor=!",
            "cursor=AA",
            "cursor=",
        ] {
            assert!(page(&format!("/things?{wrong}")).await.is_err(), "{wrong}");
        }
        let named = page("/things?cursor=YW5u").await.expect("valid");
        assert!(named.before_index().is_err(), "not of an index");
    }
}
