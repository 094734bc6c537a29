//! The audit sink's metrics.

use std::time::Duration;

use aegis_schemas::Stream;
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

/// Describes every metric of this crate.
pub(crate) fn describe() {
    describe_counter!(
        "aegis_audit_entries_total",
        Unit::Count,
        "entries that were added to the log"
    );
    describe_counter!(
        "aegis_audit_repeated_total",
        Unit::Count,
        "messages that were delivered again and are in the log already"
    );
    describe_counter!(
        "aegis_audit_quarantined_total",
        Unit::Count,
        "messages that nobody can read, or whose position held other bytes"
    );
    describe_histogram!(
        "aegis_audit_append_seconds",
        Unit::Seconds,
        "time to store one batch, commit included"
    );
    describe_gauge!("aegis_audit_size", Unit::Count, "entries in the log");
    describe_gauge!(
        "aegis_audit_signed_size",
        Unit::Count,
        "entries under the newest checkpoint"
    );
    describe_gauge!(
        "aegis_audit_lag_seconds",
        Unit::Seconds,
        "age of the oldest message of a stream that is not in the log"
    );
    describe_gauge!(
        "aegis_audit_stream_damaged",
        Unit::Count,
        "1 while a stream contradicts the record: make it anew with `aegis provision --new-epoch`"
    );
    describe_gauge!(
        "aegis_audit_stream_fill_ratio",
        Unit::Count,
        "how full a stream is, from 0 to 1"
    );
    describe_gauge!(
        "aegis_audit_is_sequencer",
        Unit::Count,
        "1 while this process writes the log"
    );
    describe_counter!(
        "aegis_audit_loki_pushes_total",
        Unit::Count,
        "pushes to Loki, by what became of them"
    );
    describe_counter!(
        "aegis_audit_loki_entries_total",
        Unit::Count,
        "entries that Loki took or refused for good"
    );
    describe_gauge!(
        "aegis_audit_loki_lag_entries",
        Unit::Count,
        "entries of the log that are not in Loki yet"
    );
    describe_gauge!(
        "aegis_audit_loki_lag_seconds",
        Unit::Seconds,
        "age of the oldest entry that is not in Loki yet"
    );
    // What alerts look at is there before it happens: a series that begins with 1 has not risen.
    counter!("aegis_audit_quarantined_total").absolute(0);
    sequencing(false);
}

/// A batch was stored.
pub(crate) fn appended(
    entries: usize,
    repeated: usize,
    quarantined: usize,
    size: u64,
    took: Duration,
) {
    counter!("aegis_audit_entries_total").increment(entries as u64);
    counter!("aegis_audit_repeated_total").increment(repeated as u64);
    counter!("aegis_audit_quarantined_total").increment(quarantined as u64);
    gauge!("aegis_audit_size").set(size as f64);
    histogram!("aegis_audit_append_seconds").record(took.as_secs_f64());
}

/// A checkpoint was stored.
pub(crate) fn signed(size: u64) {
    gauge!("aegis_audit_signed_size").set(size as f64);
}

/// How far behind the log is.
pub(crate) fn lag(stream: Stream, lag: Duration) {
    gauge!("aegis_audit_lag_seconds", "stream" => stream.name()).set(lag.as_secs_f64());
}

/// Whether a stream contradicts the record.
pub(crate) fn damaged(stream: Stream, damaged: bool) {
    let value = if damaged { 1.0 } else { 0.0 };
    gauge!("aegis_audit_stream_damaged", "stream" => stream.name()).set(value);
}

/// How full a stream is.
pub(crate) fn fill(stream: Stream, fill: f64) {
    gauge!("aegis_audit_stream_fill_ratio", "stream" => stream.name()).set(fill);
}

/// Whether this process writes the log.
pub(crate) fn sequencing(mine: bool) {
    gauge!("aegis_audit_is_sequencer").set(if mine { 1.0 } else { 0.0 });
}

/// What became of a push, and how many entries are settled by it.
pub(crate) fn loki_push(result: &'static str, entries: usize) {
    counter!("aegis_audit_loki_pushes_total", "result" => result).increment(1);
    if entries > 0 {
        counter!("aegis_audit_loki_entries_total", "result" => result).increment(entries as u64);
    }
}

/// There is a Loki to copy to; nothing was sent yet.
pub(crate) fn copying_to_loki() {
    for result in ["stored", "refused"] {
        counter!("aegis_audit_loki_entries_total", "result" => result).absolute(0);
    }
    copied_to_loki(0, Duration::ZERO);
}

/// How far behind the copy in Loki is.
pub(crate) fn copied_to_loki(entries: u64, lag: Duration) {
    gauge!("aegis_audit_loki_lag_entries").set(entries as f64);
    gauge!("aegis_audit_loki_lag_seconds").set(lag.as_secs_f64());
}
