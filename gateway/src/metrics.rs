//! The gateway's metrics.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

/// Describes every metric of this crate.
pub(crate) fn describe() {
    describe_counter!(
        "aegis_gateway_requests_total",
        Unit::Count,
        "requests by operation and status"
    );
    describe_histogram!(
        "aegis_gateway_request_seconds",
        Unit::Seconds,
        "time to answer, by operation"
    );
    describe_counter!(
        "aegis_gateway_access_dropped_total",
        Unit::Count,
        "accesses that could not be noted in the audit log"
    );
}

/// A request was answered. `operation` is a route, never a path with ids in it.
pub(crate) fn answered(operation: &str, status: u16, took: Duration) {
    let operation = operation.to_owned();
    counter!("aegis_gateway_requests_total", "operation" => operation.clone(), "status" => status.to_string()).increment(1);
    histogram!("aegis_gateway_request_seconds", "operation" => operation)
        .record(took.as_secs_f64());
}

/// An access could not be noted.
pub(crate) fn access_dropped() {
    counter!("aegis_gateway_access_dropped_total").increment(1);
}
