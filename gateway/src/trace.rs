//! What one request is called in the log and in its problem: the trace of whoever asks (W3C `traceparent`),
//! or a new one.

use axum::http::HeaderMap;
use data_encoding::HEXLOWER;

use crate::token::random;

tokio::task_local! {
    static CURRENT: String;
}

/// Runs `work` as part of a trace.
pub(crate) async fn within<T>(trace: String, work: impl Future<Output = T>) -> T {
    CURRENT.scope(trace, work).await
}

/// The trace that this is part of, within a request.
pub(crate) fn current() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// The trace id in a request's headers, or a new one.
pub(crate) fn of(headers: &HeaderMap) -> String {
    let given = headers
        .get("traceparent")
        .and_then(|value| value.to_str().ok())
        .and_then(trace_id);
    given.unwrap_or_else(|| HEXLOWER.encode(&random::<16>()))
}

/// `00-<trace id>-<span id>-<flags>`.
fn trace_id(traceparent: &str) -> Option<String> {
    let id = traceparent.split('-').nth(1)?;
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let valid = id.len() == 32 && id.bytes().all(hex) && id.bytes().any(|byte| byte != b'0');
    valid.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_well_formed_trace_is_taken_over() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let good = format!("00-{id}-00f067aa0ba902b7-01");
        assert_eq!(trace_id(&good).as_deref(), Some(id));
        for bad in [
            "",
            "00",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f-00f067aa0ba902b7-01",
        ] {
            assert_eq!(trace_id(bad), None, "{bad}");
        }
    }
}
