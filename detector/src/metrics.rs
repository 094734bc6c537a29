//! The detector's metrics.

use aegis_schemas::{
    AnomalyPhase, AssessmentVerdict, Event, IncidentPhase, codec, pipeline::Output,
};
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

use crate::incidents::Stats;
use crate::scorer;

/// Describes every metric of this crate.
pub(crate) fn describe() {
    describe_counter!(
        "aegis_detector_anomalies_total",
        Unit::Count,
        "anomalies said, by phase"
    );
    describe_counter!(
        "aegis_detector_incidents_total",
        Unit::Count,
        "incidents said, by phase and kind"
    );
    describe_counter!(
        "aegis_detector_assessments_total",
        Unit::Count,
        "acts judged, by verdict"
    );
    describe_gauge!(
        "aegis_detector_open_incidents",
        Unit::Count,
        "incidents that are open"
    );
    describe_gauge!(
        "aegis_detector_acts_under_assessment",
        Unit::Count,
        "acts that are being judged"
    );
    describe_gauge!(
        "aegis_detector_invalid_configurations",
        Unit::Count,
        "configurations on the log that were refused"
    );
    describe_gauge!(
        "aegis_detector_idle_regroupings",
        Unit::Count,
        "merges and splits that people asked for and that fitted nothing"
    );
    describe_gauge!(
        "aegis_detector_scored_entities",
        Unit::Count,
        "workloads that the scorer remembers"
    );
    describe_gauge!(
        "aegis_detector_scored_series",
        Unit::Count,
        "series that the scorer remembers"
    );
    describe_gauge!(
        "aegis_detector_open_episodes",
        Unit::Count,
        "episodes that are open"
    );
    describe_gauge!(
        "aegis_detector_entities_full_of_certificates",
        Unit::Count,
        "entities with more certificates than are remembered, or nearly so"
    );
    describe_gauge!(
        "aegis_detector_scored_rows",
        Unit::Count,
        "rows scored since the start"
    );
    describe_gauge!(
        "aegis_detector_late_rows",
        Unit::Count,
        "rows dropped because they were late or doubled"
    );
    describe_gauge!(
        "aegis_detector_future_rows",
        Unit::Count,
        "rows dropped because they were ahead of the log"
    );
    describe_gauge!(
        "aegis_detector_faulty_batches",
        Unit::Count,
        "batches refused for unequal columns or falling times"
    );
    describe_gauge!(
        "aegis_detector_evicted_entities",
        Unit::Count,
        "workloads forgotten to make room"
    );
    describe_gauge!(
        "aegis_detector_unsayable_messages",
        Unit::Count,
        "messages that were too large to be said"
    );
    // What alerts look at is there before it happens: a series that begins with 1 has not risen.
    for verdict in [
        AssessmentVerdict::Verified,
        AssessmentVerdict::Ineffective,
        AssessmentVerdict::Regressed,
    ] {
        judged(verdict, 0);
    }
    for phase in [
        AnomalyPhase::Opened,
        AnomalyPhase::Grew,
        AnomalyPhase::Closed,
    ] {
        anomalies(phase, 0);
    }
}

/// How the scorer of `partition` stands.
pub(crate) fn scorer(partition: u16, stats: &scorer::Stats) {
    let gauges = [
        ("aegis_detector_scored_entities", stats.entities as f64),
        ("aegis_detector_scored_series", stats.series as f64),
        ("aegis_detector_open_episodes", stats.open as f64),
        (
            "aegis_detector_entities_full_of_certificates",
            stats.full as f64,
        ),
        ("aegis_detector_scored_rows", stats.rows as f64),
        ("aegis_detector_late_rows", stats.late as f64),
        ("aegis_detector_future_rows", stats.future as f64),
        ("aegis_detector_faulty_batches", stats.faulty as f64),
        ("aegis_detector_evicted_entities", stats.evicted as f64),
    ];
    for (name, value) in gauges {
        gauge!(name, "partition" => partition.to_string()).set(value);
    }
}

/// A core said something.
pub(crate) fn said(outputs: &[Output]) {
    for output in outputs {
        match Event::decode(output.kind.as_str(), &output.body) {
            Ok(Event::Anomaly(anomaly)) => anomalies(anomaly.phase, 1),
            Ok(Event::Incident(incident)) => {
                let phase = match incident.phase {
                    IncidentPhase::Opened => "opened",
                    IncidentPhase::Updated => "updated",
                    IncidentPhase::Resolved => "resolved",
                };
                counter!("aegis_detector_incidents_total", "phase" => phase, "kind" => incident.kind.as_str()).increment(1);
            }
            Ok(Event::Assessment(assessment)) => judged(assessment.verdict, 1),
            Ok(_) => {}
            Err(error) => own_output_unreadable(&error),
        }
    }
}

fn anomalies(phase: AnomalyPhase, said: u64) {
    let phase = match phase {
        AnomalyPhase::Opened => "opened",
        AnomalyPhase::Grew => "grew",
        AnomalyPhase::Closed => "closed",
    };
    counter!("aegis_detector_anomalies_total", "phase" => phase).increment(said);
}

fn judged(verdict: AssessmentVerdict, acts: u64) {
    counter!("aegis_detector_assessments_total", "verdict" => verdict.as_str()).increment(acts);
}

fn own_output_unreadable(error: &codec::Error) {
    tracing::error!(%error, "an output of our own cannot be read back");
}

/// How the incident core stands.
pub(crate) fn incidents(stats: &Stats) {
    gauge!("aegis_detector_open_incidents").set(stats.open as f64);
    gauge!("aegis_detector_acts_under_assessment").set(stats.acts as f64);
    gauge!("aegis_detector_invalid_configurations").set(stats.invalid_configurations as f64);
    gauge!("aegis_detector_idle_regroupings").set(stats.idle_regroupings as f64);
    gauge!("aegis_detector_unsayable_messages").set(stats.unsayable as f64);
}
