//! Pages of targets, by this process while it is the active one of its cluster.

use std::time::Duration;

use aegis_schemas::Timestamp;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::fetch;
use crate::metrics::{self, From};
use crate::shared::{Shared, now};
use crate::{Sample, Target, exposition};

/// The largest page that is read.
const MAX_PAGE: usize = 32 << 20;
/// How long a target may take, unless its interval is shorter.
const PATIENCE: Duration = Duration::from_secs(10);

/// Scrapes one target until `stop`.
pub(crate) async fn run(
    shared: Shared,
    target: Target,
    http: reqwest::Client,
    stop: CancellationToken,
) {
    metrics::target(&target.name);
    let mut ticks = tokio::time::interval(target.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut well = true;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if !shared.is_active() {
            continue;
        }
        if shared.refuses().is_some() {
            metrics::scraped(&target.name, "paused");
            continue;
        }
        // The wait for the bus inside is without end: what was read is not dropped.
        let result = tokio::select! {
            () = stop.cancelled() => return,
            result = once(&shared, &target, &http) => result,
        };
        match result {
            Ok(scraped) => {
                metrics::scraped(&target.name, scraped.label());
                if !well {
                    tracing::info!(target = target.name, "the target answers again");
                }
                well = true;
            }
            Err(error) => {
                metrics::scraped(&target.name, "failed");
                // Once for each outage: the metric counts them all.
                if well {
                    tracing::warn!(
                        error,
                        target = target.name,
                        url = target.url,
                        "cannot scrape"
                    );
                }
                well = false;
            }
        }
    }
}

/// What became of a page.
enum Scraped {
    Stored,
    Dropped,
}

impl Scraped {
    const fn label(&self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Dropped => "dropped",
        }
    }
}

/// Scrapes one page.
async fn once(shared: &Shared, target: &Target, http: &reqwest::Client) -> Result<Scraped, String> {
    let begun = Instant::now();
    let at = now();
    let request = http
        .get(&target.url)
        .header("accept", "text/plain;version=0.0.4");
    let page = fetch::text(request, target.interval.min(PATIENCE), MAX_PAGE)
        .await
        .map_err(|error| error.to_string())?;
    let exposed = exposition::parse(&page).map_err(|error| error.to_string())?;
    let oldest = at - shared.config.max_sample_age;
    let newest = at + shared.config.max_sample_ahead;
    let all = exposed.len();
    let samples: Vec<Sample> = exposed
        .into_iter()
        .map(|exposed| sample(target, at, exposed))
        .filter(|sample| (oldest..=newest).contains(&sample.time))
        .collect();
    metrics::samples(From::Scrape, "stale", all - samples.len());
    let count = samples.len();
    let source = format!("scrape/{}", target.name);
    // A page may take long, or this process have stood still: another one scrapes by now.
    if !shared.is_active() {
        return Ok(Scraped::Dropped);
    }
    let (batches, calls) = shared.map(From::Scrape, &source, samples, at);
    let stored = async {
        shared.outbox.batches(batches, at, None).await?;
        shared.outbox.signals(&calls, None).await
    };
    stored.await.map_err(|error| error.to_string())?;
    shared.lives.delivered(&source, at);
    metrics::samples(From::Scrape, "taken", count);
    metrics::scrape_took(&target.name, begun.elapsed().as_secs_f64());
    Ok(Scraped::Stored)
}

fn sample(target: &Target, at: Timestamp, exposed: exposition::Exposed) -> Sample {
    let mut labels = exposed.labels;
    for (name, value) in &target.labels {
        labels.entry(name.clone()).or_insert_with(|| value.clone());
    }
    Sample {
        name: exposed.name,
        labels,
        kind: exposed.kind,
        value: exposed.value,
        time: exposed.time.unwrap_or(at),
    }
}
