//! Every metric of the bus.

use std::time::Instant;

use ::metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use aegis_schemas::Stream;

const PUBLISHED: &str = "aegis_nats_published_total";
const PUBLISH_RETRIES: &str = "aegis_nats_publish_retries_total";
const PUBLISH_SECONDS: &str = "aegis_nats_publish_seconds";
const BATCHES: &str = "aegis_nats_batches_total";
const HANDLED: &str = "aegis_nats_handled_total";
const DEAD_LETTERS: &str = "aegis_nats_dead_letters_total";
const REBUILDS: &str = "aegis_nats_receive_rebuilds_total";
const RESETS: &str = "aegis_nats_resets_total";
const SINK_RETRIES: &str = "aegis_nats_sink_retries_total";
const SNAPSHOTS: &str = "aegis_nats_snapshots_total";
const SNAPSHOT_BYTES: &str = "aegis_nats_snapshot_bytes";
const LEASE_HELD: &str = "aegis_nats_lease_held";
const DISCONNECTS: &str = "aegis_nats_disconnects_total";
const SERVER_ERRORS: &str = "aegis_nats_server_errors_total";
const SLOW_CONSUMERS: &str = "aegis_nats_slow_consumers_total";
const HANDLE_SECONDS: &str = "aegis_nats_handle_seconds";
const HANDLED_SEQ: &str = "aegis_nats_handled_sequence";

/// Describes every metric to the recorder; once, after it is installed.
pub fn describe() {
    describe_counter!(
        PUBLISHED,
        Unit::Count,
        "Messages stored, by stream; `duplicate` were there before"
    );
    describe_counter!(
        PUBLISH_RETRIES,
        Unit::Count,
        "Publishes that had to be tried again, by reason"
    );
    describe_histogram!(
        PUBLISH_SECONDS,
        Unit::Seconds,
        "From publish to stored, by stream"
    );
    describe_counter!(BATCHES, Unit::Count, "Atomic batches, by result");
    describe_counter!(
        HANDLED,
        Unit::Count,
        "Messages handled, by consumer and result"
    );
    describe_histogram!(
        HANDLE_SECONDS,
        Unit::Seconds,
        "From receiving a message, or a batch for a sink, to its effect being stored, by consumer"
    );
    describe_counter!(
        DEAD_LETTERS,
        Unit::Count,
        "Messages refused to the dead letters, by consumer"
    );
    describe_counter!(
        REBUILDS,
        Unit::Count,
        "Times that receiving had to be set up anew, by consumer"
    );
    describe_counter!(
        RESETS,
        Unit::Count,
        "Times that a core went back to its last handled message, by consumer"
    );
    describe_counter!(
        SINK_RETRIES,
        Unit::Count,
        "Batches that the sink failed to store at first, by consumer"
    );
    describe_counter!(SNAPSHOTS, Unit::Count, "Snapshots, by producer and result");
    describe_gauge!(
        SNAPSHOT_BYTES,
        Unit::Bytes,
        "Size of the last snapshot, compressed, by producer"
    );
    describe_gauge!(
        LEASE_HELD,
        Unit::Count,
        "1 while this process holds the lease"
    );
    describe_counter!(DISCONNECTS, Unit::Count, "Lost connections to NATS");
    describe_counter!(
        SERVER_ERRORS,
        Unit::Count,
        "Errors that the server reported, such as permission violations"
    );
    describe_counter!(
        SLOW_CONSUMERS,
        Unit::Count,
        "Times that messages were dropped because they were not taken in time"
    );
    describe_gauge!(
        HANDLED_SEQ,
        Unit::Count,
        "Stream sequence of the last message handled, by consumer"
    );
    for reason in ["full", "unavailable"] {
        counter!(PUBLISH_RETRIES, "reason" => reason).absolute(0);
    }
}

/// A consumer is read. What alerts look at is there before it happens: a series that begins with 1 has not
/// risen.
pub(crate) fn reading(consumer: &str) {
    counter!(DEAD_LETTERS, "consumer" => consumer.to_owned()).absolute(0);
    counter!(REBUILDS, "consumer" => consumer.to_owned()).absolute(0);
}

pub(crate) fn published(stream: Stream, duplicate: bool, seconds: f64) {
    let label = if duplicate { "true" } else { "false" };
    counter!(PUBLISHED, "stream" => stream.name(), "duplicate" => label).increment(1);
    histogram!(PUBLISH_SECONDS, "stream" => stream.name()).record(seconds);
}

pub(crate) fn publish_retried(reason: &'static str) {
    counter!(PUBLISH_RETRIES, "reason" => reason).increment(1);
}

pub(crate) fn batch(result: &'static str) {
    counter!(BATCHES, "result" => result).increment(1);
}

pub(crate) fn handled(consumer: &str, seq: u64, result: &'static str) {
    counter!(HANDLED, "consumer" => consumer.to_owned(), "result" => result).increment(1);
    gauge!(HANDLED_SEQ, "consumer" => consumer.to_owned()).set(seq as f64);
}

/// Records how long it lives.
pub(crate) struct Handling {
    consumer: String,
    begun: Instant,
}

/// Something is being handled until the answer is dropped.
pub(crate) fn handling(consumer: &str) -> Handling {
    Handling {
        consumer: consumer.to_owned(),
        begun: Instant::now(),
    }
}

impl Drop for Handling {
    fn drop(&mut self) {
        let consumer = std::mem::take(&mut self.consumer);
        histogram!(HANDLE_SECONDS, "consumer" => consumer).record(self.begun.elapsed());
    }
}

pub(crate) fn dead_letter(consumer: &str) {
    counter!(DEAD_LETTERS, "consumer" => consumer.to_owned()).increment(1);
}

pub(crate) fn rebuilt(consumer: &str) {
    counter!(REBUILDS, "consumer" => consumer.to_owned()).increment(1);
}

pub(crate) fn reset(consumer: &str) {
    counter!(RESETS, "consumer" => consumer.to_owned()).increment(1);
}

pub(crate) fn sink_retried(consumer: &str) {
    counter!(SINK_RETRIES, "consumer" => consumer.to_owned()).increment(1);
}

pub(crate) fn snapshot(producer: &str, result: &'static str, bytes: usize) {
    counter!(SNAPSHOTS, "producer" => producer.to_owned(), "result" => result).increment(1);
    gauge!(SNAPSHOT_BYTES, "producer" => producer.to_owned()).set(bytes as f64);
}

pub(crate) fn lease_held(name: &str, held: bool) {
    gauge!(LEASE_HELD, "lease" => name.to_owned()).set(f64::from(u8::from(held)));
}

pub(crate) fn disconnected() {
    counter!(DISCONNECTS).increment(1);
}

pub(crate) fn server_error() {
    counter!(SERVER_ERRORS).increment(1);
}

pub(crate) fn slow_consumer() {
    counter!(SLOW_CONSUMERS).increment(1);
}
