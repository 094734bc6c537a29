//! The shell: connects the sources with the log.

use aegis_nats::lease::{Hold, Lease};
use aegis_nats::topology::{Durable, token};
use aegis_nats::{Bus, parallel};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::gate::{self, Gate};
use crate::outbox::Outbox;
use crate::shared::Shared;
use crate::sources::{backfill, heart, intake, receive, scrape, watch as kubernetes};
use crate::{Config, Error, metrics};

/// Runs all sources until `stop`.
///
/// # Errors
///
/// When the configuration makes no sense, the port is taken, or the bus refuses.
pub async fn run(bus: Bus, config: Config, stop: CancellationToken) -> Result<(), Error> {
    metrics::describe();
    let faults = config.faults();
    if !faults.is_empty() {
        return Err(Error::Config(faults.join("; ")));
    }
    let client = match config.watch {
        true => Some(kubernetes::client(config.kubeconfig.as_deref()).await?),
        false => None,
    };
    let http = reqwest::Client::builder().build()?;
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|source| Error::Listen {
            address: config.listen,
            source,
        })?;
    let (gate_keeper, gate) = Gate::new();
    let (activate, active) = watch::channel(None);
    let (make_ready, ready) = watch::channel(false);
    let (sync, synced) = watch::channel(client.is_none());
    let outbox = Outbox::new(&bus, config.cluster.as_str(), config.partitions);
    let shared = Shared::new(config, outbox, gate, active, ready);

    let mut tasks: JoinSet<Result<(), Error>> = JoinSet::new();
    spawn(
        &mut tasks,
        gate::keep(bus.clone(), gate_keeper, stop.clone()),
    );
    spawn(&mut tasks, heart::run(shared.clone(), stop.clone()));
    if let Some(client) = client {
        let watching = kubernetes::run(shared.clone(), client, sync, stop.clone());
        spawn(&mut tasks, watching);
    }
    for target in shared.config.scrape.clone() {
        let scraping = scrape::run(shared.clone(), target, http.clone(), stop.clone());
        spawn(&mut tasks, scraping);
    }
    tasks.spawn(receive::run(shared.clone(), listener, stop.clone()));
    tasks.spawn(take_turns(
        bus.clone(),
        shared.clone(),
        activate,
        stop.clone(),
    ));
    let handler = intake::Intake {
        shared: shared.clone(),
        stop: stop.clone(),
    };
    let (taking, until) = (bus.clone(), stop.clone());
    tasks.spawn(async move {
        parallel::run(&taking, Durable::ingest(), handler, until).await?;
        Ok(())
    });
    let until = stop.clone();
    tasks.spawn(async move {
        let warm = warm_up(&bus, &shared, &http, synced, &until);
        tokio::select! {
            () = until.cancelled() => return Ok(()),
            result = warm => result?,
        }
        make_ready.send_replace(true);
        tracing::info!(listen = %shared.config.listen, "ingest takes metrics");
        // The channel must live as long as somebody looks at it.
        until.cancelled().await;
        Ok(())
    });
    supervise(tasks, &stop).await
}

/// Waits for the objects, then for history.
async fn warm_up(
    bus: &Bus,
    shared: &Shared,
    http: &reqwest::Client,
    mut synced: watch::Receiver<bool>,
    stop: &CancellationToken,
) -> Result<(), Error> {
    // The sender goes only when the watch has ended, and then everything does.
    let _ = synced.wait_for(|synced| *synced).await;
    backfill::run(bus, shared, http, stop).await?;
    Ok(())
}

/// Of several processes of a cluster one is active: it scrapes, beats and says what the watch sees.
async fn take_turns(
    bus: Bus,
    shared: Shared,
    activate: watch::Sender<Option<Hold>>,
    stop: CancellationToken,
) -> Result<(), Error> {
    let name = format!("active-{}", token(shared.config.cluster.as_str()));
    // A free lease is given also to who is told to stop.
    while !stop.is_cancelled() {
        let Some(lease) = Lease::acquire(&bus, &name, &stop).await? else {
            break;
        };
        activate.send_replace(Some(lease.hold().clone()));
        metrics::active(true);
        tokio::select! {
            () = stop.cancelled() => {}
            () = lease.hold().ended() => {}
        }
        activate.send_replace(None);
        metrics::active(false);
        lease.release().await;
    }
    Ok(())
}

fn spawn(tasks: &mut JoinSet<Result<(), Error>>, task: impl Future<Output = ()> + Send + 'static) {
    tasks.spawn(async move {
        task.await;
        Ok(())
    });
}

/// The first to end stops the rest.
async fn supervise(
    mut tasks: JoinSet<Result<(), Error>>,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let mut result = Ok(());
    while let Some(ended) = tasks.join_next().await {
        stop.cancel();
        let ended = ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        if result.is_ok() {
            result = ended;
        }
    }
    result
}
