//! Collects the process' metrics for Prometheus.

use std::time::Duration;

use metrics::{Unit, describe_gauge, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Buckets for durations in seconds: from a publish to a slow rollout.
const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];
/// How often histograms are compacted.
const UPKEEP: Duration = Duration::from_secs(5);

/// Metrics that cannot be collected.
#[derive(Debug, thiserror::Error)]
#[error("cannot collect metrics: {0}")]
pub struct Error(#[from] BuildError);

/// Installs the recorder of this process; answers the handle that renders it.
///
/// # Errors
///
/// When another recorder is installed.
pub fn install() -> Result<PrometheusHandle, Error> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .upkeep_timeout(UPKEEP)
        .install_recorder()?;
    describe_gauge!(
        "aegis_build_info",
        Unit::Count,
        "always 1; the version is a label"
    );
    gauge!("aegis_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(handle)
}

/// Compacts histograms until `stop`; without it they grow while nobody scrapes.
pub async fn upkeep(handle: PrometheusHandle, stop: tokio_util::sync::CancellationToken) {
    let mut ticks = tokio::time::interval(UPKEEP);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        handle.run_upkeep();
    }
}
