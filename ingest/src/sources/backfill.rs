//! History from a Prometheus-compatible server, once per log, before the first live sample.
//!
//! That it was read (or given up) is noted in `aegis_state` with the epoch of AEGIS_METRICS, so a restart
//! does not read it again and a log that is made anew gets it again.

use std::collections::BTreeMap;
use std::time::Duration;

use aegis_nats::kv::Notes;
use aegis_nats::retry::Backoff;
use aegis_nats::{Bus, PublishError};
use aegis_schemas::{Stream, Timestamp};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::fetch;
use crate::metrics::{self, From};
use crate::sample::kind_by_name;
use crate::shared::{Shared, now};
use crate::{Backfill, Sample};

const SOURCE: &str = "backfill";
/// The largest answer that is read.
const MAX_ANSWER: usize = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a query is tried before history is given up.
const TRIES: u32 = 8;
/// How many samples of each series are asked for at once.
const STEPS: u32 = 60;
/// How often others look whether the active process is through.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Matrix>,
}

#[derive(Deserialize)]
struct Matrix {
    metric: BTreeMap<String, String>,
    values: Vec<(f64, String)>,
}

/// Returns when history is in, was in before, or was given up.
pub(crate) async fn run(
    bus: &Bus,
    shared: &Shared,
    http: &reqwest::Client,
    stop: &CancellationToken,
) -> Result<(), aegis_nats::Error> {
    let backfill = &shared.config.backfill;
    let Some(url) = &backfill.prometheus_url else {
        return Ok(());
    };
    if !backfill.is_wanted() {
        return Ok(());
    }
    let notes = Notes::new(bus);
    let cluster = aegis_nats::topology::token(shared.config.cluster.as_str());
    let name = format!("backfill-{cluster}");
    while !stop.is_cancelled() {
        match is_noted(bus, &notes, &name).await {
            Ok(true) => return Ok(()),
            Ok(false) if shared.is_active() => {
                match read(shared, backfill, url, http).await {
                    Ok(samples) => tracing::info!(samples, "history is in"),
                    Err(error) => {
                        tracing::error!(error, url, "history cannot be read; going on without it");
                    }
                }
                return note(bus, &notes, &name).await;
            }
            Ok(false) => {}
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, "cannot ask whether history is in");
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

async fn is_noted(bus: &Bus, notes: &Notes, name: &str) -> Result<bool, aegis_nats::Error> {
    let epoch = bus.stream_info(Stream::Metrics).await?.epoch;
    let noted = notes.read(name).await?;
    Ok(noted.is_some_and(|noted| noted == epoch.to_string().as_bytes()))
}

async fn note(bus: &Bus, notes: &Notes, name: &str) -> Result<(), aegis_nats::Error> {
    let mut backoff = Backoff::standard();
    loop {
        let noted = async {
            let epoch = bus.stream_info(Stream::Metrics).await?.epoch;
            notes.write(name, epoch.to_string().into()).await
        };
        match noted.await {
            Err(error) if error.is_transient() => tokio::time::sleep(backoff.delay()).await,
            result => return result,
        }
    }
}

/// Reads history in the order of time, a piece of all metrics after the other.
async fn read(
    shared: &Shared,
    backfill: &Backfill,
    url: &str,
    http: &reqwest::Client,
) -> Result<usize, String> {
    let end = now();
    let mut from = end - backfill.window;
    let mut count = 0;
    while from < end {
        // Both ends of a query are in its answer: the next piece begins one step later.
        let to = (from + backfill.step * (STEPS - 1)).min(end);
        let mut samples = Vec::new();
        for metric in &backfill.metrics {
            samples.extend(query(backfill, url, http, metric, (from, to)).await?);
        }
        count += samples.len();
        metrics::samples(From::Backfill, "taken", samples.len());
        let (batches, _) = shared.map(From::Backfill, SOURCE, samples, end);
        let stored = shared.outbox.batches(batches, end, None).await;
        stored.map_err(|error: PublishError| error.to_string())?;
        from = to + backfill.step;
    }
    Ok(count)
}

async fn query(
    backfill: &Backfill,
    url: &str,
    http: &reqwest::Client,
    metric: &str,
    (from, to): (Timestamp, Timestamp),
) -> Result<Vec<Sample>, String> {
    let url = format!(
        "{}/api/v1/query_range?query={metric}&start={:.3}&end={:.3}&step={:.3}",
        url.trim_end_matches('/'),
        from.as_seconds(),
        to.as_seconds(),
        backfill.step.as_secs_f64(),
    );
    let mut backoff = Backoff::standard();
    let mut tries = 0;
    loop {
        let answer = fetch::text(http.get(&url), PATIENCE, MAX_ANSWER).await;
        let error = match answer {
            Ok(text) => match serde_json::from_str::<Answer>(&text) {
                Ok(answer) => return Ok(unfold(metric, answer)),
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        tries += 1;
        if tries == TRIES {
            return Err(format!("`{metric}`: {error}"));
        }
        tracing::warn!(error, metric, "cannot read history, trying again");
        tokio::time::sleep(backoff.delay()).await;
    }
}

fn unfold(metric: &str, answer: Answer) -> Vec<Sample> {
    let mut samples = Vec::new();
    for series in answer.data.result {
        let mut labels = series.metric;
        let name = labels
            .remove("__name__")
            .unwrap_or_else(|| metric.to_owned());
        for (seconds, value) in series.values {
            let Ok(value) = value.parse() else { continue };
            samples.push(Sample {
                kind: kind_by_name(&name),
                name: name.clone(),
                labels: labels.clone(),
                value,
                time: Timestamp::from_millis((seconds * 1_000.0).round() as i64),
            });
        }
    }
    samples
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn a_matrix_becomes_samples() {
        let text = r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"__name__":"http_requests_total","pod":"cart-1","code":"200"},
             "values":[[1700000000,"12"],[1700000015.5,"+Inf"]]}]}}"#;
        let samples = unfold("x", serde_json::from_str(text).unwrap());
        assert_eq!(samples.len(), 2);
        assert_eq!(samples[0].name, "http_requests_total");
        assert_eq!(samples[0].labels["code"], "200");
        assert_eq!(samples[1].time, Timestamp::from_millis(1_700_000_015_500));
        assert!(samples[1].value.is_infinite());
    }
}
