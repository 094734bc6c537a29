//! ingest's metrics.

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

/// Where samples and signals come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Scrape,
    RemoteWrite,
    Intake,
    Backfill,
}

impl From {
    const fn label(self) -> &'static str {
        match self {
            Self::Scrape => "scrape",
            Self::RemoteWrite => "remote_write",
            Self::Intake => "intake",
            Self::Backfill => "backfill",
        }
    }
}

/// Describes every metric of this crate.
pub(crate) fn describe() {
    describe_counter!(
        "aegis_ingest_samples_total",
        Unit::Count,
        "samples, by source and what became of them"
    );
    describe_counter!(
        "aegis_ingest_requests_total",
        Unit::Count,
        "remote write requests, by status"
    );
    describe_counter!(
        "aegis_ingest_scrapes_total",
        Unit::Count,
        "scrapes, by target and result"
    );
    describe_histogram!(
        "aegis_ingest_scrape_seconds",
        Unit::Seconds,
        "time from the request of a scrape to stored, by target"
    );
    describe_counter!(
        "aegis_ingest_signals_total",
        Unit::Count,
        "signals stored, by kind"
    );
    describe_counter!(
        "aegis_ingest_heartbeats_total",
        Unit::Count,
        "heartbeats, by result"
    );
    describe_counter!(
        "aegis_ingest_watch_errors_total",
        Unit::Count,
        "errors of the Kubernetes watch, each followed by another try, by kind"
    );
    describe_counter!(
        "aegis_ingest_unsayable_total",
        Unit::Count,
        "messages that were too large to be said"
    );
    describe_gauge!(
        "aegis_ingest_open",
        Unit::Count,
        "1 while samples are taken, 0 while a stream is full or the audit is behind"
    );
    describe_gauge!(
        "aegis_ingest_active",
        Unit::Count,
        "1 while this process watches and scrapes for the cluster"
    );
}

/// Samples were stored, refused or could not be mapped.
pub(crate) fn samples(from: From, result: &'static str, count: usize) {
    if count > 0 {
        counter!("aegis_ingest_samples_total", "source" => from.label(), "result" => result)
            .increment(count as u64);
    }
}

/// A remote write request was answered.
pub(crate) fn answered(status: u16) {
    counter!("aegis_ingest_requests_total", "status" => status.to_string()).increment(1);
}

/// A target was scraped. Names of targets come from the configuration.
pub(crate) fn scraped(target: &str, result: &'static str) {
    counter!("aegis_ingest_scrapes_total", "target" => target.to_owned(), "result" => result)
        .increment(1);
}

/// A target is to be scraped: its failures can be told from none.
pub(crate) fn target(name: &str) {
    let name = name.to_owned();
    counter!("aegis_ingest_scrapes_total", "target" => name, "result" => "failed").absolute(0);
}

/// A scrape was stored after that many seconds.
pub(crate) fn scrape_took(target: &str, seconds: f64) {
    histogram!("aegis_ingest_scrape_seconds", "target" => target.to_owned()).record(seconds);
}

/// A signal was stored.
pub(crate) fn signal(kind: &'static str) {
    counter!("aegis_ingest_signals_total", "kind" => kind).increment(1);
}

/// A heartbeat was said or not.
pub(crate) fn heartbeat(result: &'static str) {
    counter!("aegis_ingest_heartbeats_total", "result" => result).increment(1);
}

/// The watch of a kind failed and is tried again.
pub(crate) fn watch_failed(kind: &'static str) {
    counter!("aegis_ingest_watch_errors_total", "kind" => kind).increment(1);
}

/// A message was too large to be said.
pub(crate) fn unsayable() {
    counter!("aegis_ingest_unsayable_total").increment(1);
}

/// Whether samples are taken.
pub(crate) fn open(open: bool) {
    gauge!("aegis_ingest_open").set(f64::from(u8::from(open)));
}

/// Whether this process watches and scrapes.
pub(crate) fn active(active: bool) {
    gauge!("aegis_ingest_active").set(f64::from(u8::from(active)));
}
