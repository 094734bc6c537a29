//! A page over HTTP, of a bounded size.

use std::time::Duration;

use futures::StreamExt;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error("answered {0}")]
    Status(reqwest::StatusCode),
    #[error("the page is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the page is not UTF-8")]
    Encoding,
}

/// The text at a URL.
pub(crate) async fn text(
    request: reqwest::RequestBuilder,
    within: Duration,
    most: usize,
) -> Result<String, Error> {
    let answer = request.timeout(within).send().await?;
    if !answer.status().is_success() {
        return Err(Error::Status(answer.status()));
    }
    let mut body = Vec::new();
    let mut chunks = answer.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        if body.len() + chunk.len() > most {
            return Err(Error::TooLarge(most));
        }
        body.extend_from_slice(&chunk);
    }
    String::from_utf8(body).map_err(|_| Error::Encoding)
}
