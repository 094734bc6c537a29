//! The shells of both cores: a partition of AEGIS_METRICS for each scorer, AEGIS_EVENTS for the incidents.

use aegis_nats::topology::Durable;
use aegis_nats::{Bus, in_order};
use aegis_schemas::Event;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::scorer::Scorer;
use crate::{Config, Error, incidents, metrics};

/// Runs the scorer of each configured partition and the incident core until `stop`.
///
/// # Errors
///
/// When the scorer's configuration makes no sense, or one of the cores cannot go on.
pub async fn run(bus: Bus, config: Config, stop: CancellationToken) -> Result<(), Error> {
    metrics::describe();
    config
        .scorer
        .validate()
        .map_err(|error| Error::Config(error.to_string()))?;
    let mut cores = JoinSet::new();
    for partition in config.partitions {
        let scorer = Scorer::new(partition, config.scorer.clone());
        let options = in_order::Options::new(Durable::scorer(partition));
        let (bus, stop) = (bus.clone(), stop.clone());
        cores.spawn(async move {
            let observe =
                |scorer: &Scorer, input: &aegis_schemas::pipeline::Input, outputs: &[_]| {
                    metrics::said(outputs);
                    if matches!(input.event, Event::Signal(_)) {
                        metrics::scorer(partition, &scorer.stats());
                    }
                };
            in_order::run(&bus, scorer, options, observe, stop).await
        });
    }
    let options = in_order::Options::new(Durable::incidents(&config.cluster));
    let core = incidents::Core::new(config.cluster, incidents::Config::default());
    let until = stop.clone();
    cores.spawn(async move {
        let observe =
            |core: &incidents::Core, input: &aegis_schemas::pipeline::Input, outputs: &[_]| {
                metrics::said(outputs);
                if matches!(input.event, Event::Signal(_)) {
                    metrics::incidents(&core.stats());
                }
            };
        in_order::run(&bus, core, options, observe, until).await
    });
    // The first to end stops the rest.
    let mut result = Ok(());
    while let Some(ended) = cores.join_next().await {
        stop.cancel();
        let ended = ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        if result.is_ok() {
            result = ended.map_err(Error::Bus);
        }
    }
    result
}
