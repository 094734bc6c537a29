//! The metrics of notify.

use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use crate::alarm::Part;
use crate::channel::Answer;

/// Describes every metric of this crate.
pub(crate) fn describe() {
    describe_counter!(
        "aegis_notify_requests_total",
        Unit::Count,
        "requests to receivers, by channel and result: taken, later, gone, never"
    );
    describe_histogram!(
        "aegis_notify_request_seconds",
        Unit::Seconds,
        "time that a receiver takes to answer, by channel"
    );
    describe_histogram!(
        "aegis_notify_told_seconds",
        Unit::Seconds,
        "time from an event in the stream to a receiver that took it, by channel"
    );
    describe_counter!(
        "aegis_notify_given_up_total",
        Unit::Count,
        "messages that a receiver refused or did not take in time, by channel: nobody was told"
    );
    describe_gauge!(
        "aegis_notify_silent",
        Unit::Count,
        "parts of Aegis that were not heard of for too long: heartbeats of clusters, services"
    );
    describe_counter!(
        "aegis_notify_pings_total",
        Unit::Count,
        "signs of life to the dead man's switch, by result: taken, failed, withheld"
    );
}

/// A channel is there: what nothing was said of yet is 0, so that the first time is seen as a rise.
pub(crate) fn begin(channel: &'static str) {
    counter!("aegis_notify_requests_total", "channel" => channel, "result" => "taken").increment(0);
    counter!("aegis_notify_given_up_total", "channel" => channel).increment(0);
}

/// A receiver answered, or did not.
pub(crate) fn answered(channel: &'static str, answer: &Answer, took: Duration) {
    let result = match answer {
        Answer::Taken(_) => "taken",
        Answer::Later { .. } => "later",
        Answer::Gone => "gone",
        Answer::Never(_) => "never",
    };
    counter!("aegis_notify_requests_total", "channel" => channel, "result" => result).increment(1);
    histogram!("aegis_notify_request_seconds", "channel" => channel).record(took.as_secs_f64());
}

/// A receiver took a message.
pub(crate) fn told(channel: &'static str, after: Duration) {
    histogram!("aegis_notify_told_seconds", "channel" => channel).record(after.as_secs_f64());
}

/// A receiver will not get a message.
pub(crate) fn given_up(channel: &'static str) {
    counter!("aegis_notify_given_up_total", "channel" => channel).increment(1);
}

/// Whether a part is silent.
pub(crate) fn silent(part: &Part, silent: bool) {
    let kind = match part {
        Part::Heartbeat(_) => "heartbeat",
        Part::Stage(_) => "stage",
    };
    gauge!("aegis_notify_silent", "kind" => kind, "of" => part.of()).set(if silent {
        1.0
    } else {
        0.0
    });
}

/// A sign of life.
pub(crate) fn ping(result: &'static str) {
    counter!("aegis_notify_pings_total", "result" => result).increment(1);
}
