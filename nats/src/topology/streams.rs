//! The five streams.

use std::collections::HashMap;
use std::time::Duration;

use aegis_schemas::Stream;
use async_nats::jetstream::stream::{
    Compression, Config, DiscardPolicy, RetentionPolicy, StorageType,
};

use super::Settings;

/// The largest message, headers included, in bytes.
pub const MAX_MESSAGE: usize = 256 * 1024;

/// The key of the stream's epoch in its metadata.
pub const EPOCH: &str = "aegis.epoch";

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Everything that is published on, by stream.
pub(super) const fn subjects(stream: Stream) -> &'static [&'static str] {
    match stream {
        Stream::Metrics => &["aegis.v1.metric.>"],
        Stream::Events => &[
            "aegis.v1.signal.>",
            "aegis.v1.anomaly.>",
            "aegis.v1.incident.>",
            "aegis.v1.assessment.>",
            "aegis.v1.decision.>",
            "aegis.v1.action.>",
            "aegis.v1.command.>",
            "aegis.v1.access.>",
        ],
        Stream::Intake => &["aegis.v1.intake.>"],
        Stream::Dlq => &["aegis.v1.dlq.>"],
        Stream::Advisories => &[
            "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>",
            "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>",
            "$JS.EVENT.ADVISORY.CONSUMER.CREATED.>",
            "$JS.EVENT.ADVISORY.CONSUMER.DELETED.>",
            "$JS.EVENT.ADVISORY.STREAM.CREATED.>",
            "$JS.EVENT.ADVISORY.STREAM.UPDATED.>",
            "$JS.EVENT.ADVISORY.STREAM.DELETED.>",
        ],
    }
}

/// Share of the storage in percent, how long messages are kept, how long ids are remembered.
const fn limits(stream: Stream) -> (u64, Duration, Duration) {
    match stream {
        Stream::Metrics => (55, DAY.saturating_mul(7), MINUTE.saturating_mul(2)),
        // A core that catches up says again what it said up to half an hour ago.
        Stream::Events => (30, DAY.saturating_mul(7), MINUTE.saturating_mul(30)),
        Stream::Intake => (5, DAY.saturating_mul(7), MINUTE.saturating_mul(2)),
        Stream::Dlq => (5, DAY.saturating_mul(30), MINUTE.saturating_mul(30)),
        Stream::Advisories => (1, DAY.saturating_mul(30), MINUTE.saturating_mul(2)),
    }
}

/// What `stream` shall be, in that epoch.
#[must_use]
pub fn declaration(stream: Stream, settings: &Settings, epoch: u16) -> Config {
    let (percent, max_age, duplicate_window) = limits(stream);
    Config {
        name: stream.name().to_owned(),
        subjects: subjects(stream).iter().map(ToString::to_string).collect(),
        metadata: HashMap::from([(EPOCH.to_owned(), epoch.to_string())]),
        max_bytes: share(settings, percent * 10),
        max_age,
        duplicate_window,
        allow_atomic_publish: matches!(stream, Stream::Metrics | Stream::Events),
        ..base(settings)
    }
}

/// What all streams have in common: full means refused, and nobody deletes.
pub(super) fn base(settings: &Settings) -> Config {
    Config {
        storage: StorageType::File,
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::New,
        compression: Some(Compression::S2),
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        max_message_size: i32::try_from(MAX_MESSAGE).expect("262144 fits"),
        num_replicas: settings.replicas,
        deny_delete: true,
        deny_purge: true,
        ..Config::default()
    }
}

/// That many thousandths of the storage.
pub(super) fn share(settings: &Settings, permille: u64) -> i64 {
    i64::try_from(settings.storage_bytes / 1000 * permille).unwrap_or(i64::MAX)
}
