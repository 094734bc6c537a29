//! `aegis run`: the services, each with its own user of the bus, all under one supervisor: the first to
//! end stops the rest.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aegis_nats::kv::HealthBoard;
use aegis_nats::{Bus, Service, check, pulse};
use aegis_observability::{Component, Health, Traces, admin, logs, recorder};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::cores::Cores;

/// How long a service may take to end after it was told to.
const GRACE: Duration = Duration::from_secs(10);
/// How long a service waits for NATS at its start.
const CONNECT: Duration = Duration::from_secs(30);

/// How often is looked for what a service waits for.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Role {
    /// Sources in, metrics and signals out.
    Ingest,
    /// Metrics and signals in, anomalies and incidents out.
    Detector,
    /// Incidents and commands in, signed decisions out.
    Policy,
    /// Decisions in, acts on Kubernetes and outcomes out.
    Executor,
    /// Every event in, the audit log out.
    AuditSink,
    /// People in.
    Gateway,
    /// Events in, people told.
    Notify,
    /// All of them in one process; notify when `notify.routes` says who is told.
    All,
}

impl Role {
    const EACH: [Self; 7] = [
        Self::AuditSink,
        Self::Ingest,
        Self::Detector,
        Self::Policy,
        Self::Executor,
        Self::Gateway,
        Self::Notify,
    ];

    const fn service(self) -> Option<Service> {
        match self {
            Self::Ingest => Some(Service::Ingest),
            Self::Detector => Some(Service::Detector),
            Self::Policy => Some(Service::Policy),
            Self::Executor => Some(Service::Executor),
            Self::AuditSink => Some(Service::AuditSink),
            Self::Gateway => Some(Service::Gateway),
            Self::Notify => Some(Service::Notify),
            Self::All => None,
        }
    }
}

/// What to run.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  aegis run all\n  aegis run policy --admin 127.0.0.1:9465\n  aegis run ingest detector"
)]
pub struct Run {
    /// Which services.
    #[arg(required = true, value_enum)]
    roles: Vec<Role>,
    /// Where metrics and health are answered, instead of `admin.listen`.
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<SocketAddr>,
    /// End when standard input ends: for a parent that may die.
    #[arg(long)]
    lifeline: bool,
}

impl Run {
    /// What the process is called in traces.
    fn service_name(&self) -> String {
        match self.roles.as_slice() {
            [role] if *role != Role::All => {
                let role = role.to_possible_value();
                role.map_or_else(String::new, |role| format!("aegis-{}", role.get_name()))
            }
            _ => "aegis".to_owned(),
        }
    }
}

/// Runs services until a signal or until one of them ends.
///
/// # Errors
///
/// When one of them cannot start or fails.
pub async fn run(config: &Config, wanted: &Run) -> Result<()> {
    config.validate()?;
    let traces = Traces::open(
        config.telemetry.otlp_endpoint.as_deref(),
        &wanted.service_name(),
    )?;
    logs::init(config.log.format, &config.log.filter, traces.as_ref())?;
    let stop = CancellationToken::new();
    tokio::spawn(signals(stop.clone()));
    if wanted.lifeline {
        until_input_ends(stop.clone());
    }

    let metrics = recorder::install()?;
    aegis_nats::metrics::describe();
    let health = Health::new();
    let listen = wanted.admin.unwrap_or(config.admin.listen);
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("cannot listen on `{listen}` for metrics and health; choose another with --admin")
    })?;
    tracing::info!(listen = %listener.local_addr()?, "metrics and health");
    tokio::spawn(recorder::upkeep(metrics.clone(), stop.clone()));
    tokio::spawn(admin::serve(
        listener,
        metrics,
        health.clone(),
        stop.clone(),
    ));

    let roles = roles(config, &wanted.roles);
    let mut tasks = JoinSet::new();
    for role in roles {
        let Some(service) = role.service() else {
            continue;
        };
        let component = health.component(service.as_str());
        let bus = connect(config, service.clone()).await?;
        check::check(&bus, &config.topology)
            .await
            .map_err(|faults| {
                anyhow::anyhow!(
                    "NATS is not as it should be; run `aegis provision`:\n  {}",
                    faults.join("\n  ")
                )
            })?;
        let (config, stop) = (config.clone(), stop.clone());
        tasks.spawn(async move {
            if role == Role::Executor {
                component.not_ready("no audit, no action: waiting for the audit sink");
                audit_is_well(&bus, &config, &stop).await;
            }
            let serving = serve(role, bus.clone(), &config, &component, stop.clone());
            // The audit sink says more than how far it is behind, by itself.
            let ended = if role == Role::AuditSink {
                serving.await
            } else {
                beside(
                    serving,
                    pulse::run(&bus, &config.topology, pulse::EVERY, stop.clone()),
                )
                .await
            };
            component.not_ready(match &ended {
                Ok(()) => "stopped".to_owned(),
                Err(error) => format!("{error:#}"),
            });
            // The first to end stops the rest.
            stop.cancel();
            let _ = bus.drain().await;
            ended.with_context(|| format!("{service} failed"))
        });
    }
    let ended = supervise(tasks, &stop).await;
    if let Some(traces) = traces {
        tokio::task::spawn_blocking(|| traces.finish()).await?;
    }
    ended
}

/// What `work` ends with; `aside` goes on as long as it does.
async fn beside<T>(work: impl Future<Output = T>, aside: impl Future<Output = ()>) -> T {
    tokio::pin!(work, aside);
    tokio::select! {
        ended = &mut work => ended,
        () = aside => work.await,
    }
}

/// The services that are meant: all are those that have something to do.
fn roles(config: &Config, wanted: &[Role]) -> BTreeSet<Role> {
    let mut roles: BTreeSet<Role> = wanted.iter().copied().collect();
    if roles.remove(&Role::All) {
        let idle = |role: &Role| *role == Role::Notify && !config.notify.is_wanted();
        roles.extend(Role::EACH.into_iter().filter(|role| !idle(role)));
    }
    roles
}

async fn serve(
    role: Role,
    bus: Bus,
    config: &Config,
    component: &Component,
    stop: CancellationToken,
) -> Result<()> {
    // People are sent to a gateway that is ready: it says so once it listens.
    if role != Role::Gateway {
        component.ready();
    }
    match role {
        Role::Ingest => aegis_ingest::run(bus, config.ingest.clone(), stop).await?,
        Role::Detector => aegis_detector::run(bus, config.detector.clone(), stop).await?,
        Role::Policy => aegis_policy::run(bus, config.policy.clone(), stop).await?,
        Role::Executor => aegis_executor::run(bus, config.executor.clone(), stop).await?,
        Role::AuditSink => aegis_audit_sink::run(bus, config.audit.clone(), stop).await?,
        Role::Gateway => {
            let cores = Arc::new(Cores::new(config));
            let ready = || component.ready();
            aegis_gateway::run(bus, config.gateway.clone(), cores, ready, stop).await?;
        }
        Role::Notify => {
            let clusters = config.topology.clusters.clone();
            aegis_notify::run(bus, config.notify.clone(), clusters, stop).await?;
        }
        Role::All => {}
    }
    Ok(())
}

/// Waits until the audit sink has said how it is. The executor would refuse, and a decision that is refused
/// is void: who starts first shall not matter.
async fn audit_is_well(bus: &Bus, config: &Config, stop: &CancellationToken) {
    let board = HealthBoard::new(bus);
    let silence = config.executor.limits.audit_max_silence;
    while !stop.is_cancelled() {
        match board.audit().await {
            Ok(Some(seen)) if seen.age < silence => return,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "cannot ask how the audit sink is"),
        }
        let _ = stop
            .run_until_cancelled(tokio::time::sleep(LOOK_EVERY))
            .await;
    }
}

/// Waits for all; after `stop` for a while only.
async fn supervise(mut tasks: JoinSet<Result<()>>, stop: &CancellationToken) -> Result<()> {
    let mut first_error = None;
    let mut note = |ended: Result<Result<()>, tokio::task::JoinError>| {
        let result = ended.unwrap_or_else(|panic| Err(panic.into()));
        if let Err(error) = result {
            tracing::error!(error = format!("{error:#}"), "a service failed");
            first_error.get_or_insert(error);
        }
    };
    loop {
        tokio::select! {
            ended = tasks.join_next() => match ended {
                Some(ended) => note(ended),
                None => break,
            },
            () = stop.cancelled() => break,
        }
    }
    let rest = async {
        while let Some(ended) = tasks.join_next().await {
            note(ended);
        }
    };
    if tokio::time::timeout(GRACE, rest).await.is_err() {
        bail!("services did not stop within {} s", GRACE.as_secs());
    }
    first_error.map_or(Ok(()), Err)
}

/// The file with the key of `service`.
#[must_use]
pub fn seed_file(config: &Config, service: &Service) -> std::path::PathBuf {
    config.bus.keys_dir.join(format!("{service}.seed"))
}

/// A connection as `service`.
///
/// # Errors
///
/// When its key is missing or NATS does not answer.
pub async fn connect(config: &Config, service: Service) -> Result<Bus> {
    let file = seed_file(config, &service);
    let seed = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read the key of {service}, `{}`", file.display()))?;
    let options = aegis_nats::Options {
        url: config.bus.url.clone(),
        service,
        seed: Zeroizing::new(seed.trim().to_owned()),
        connect_timeout: CONNECT,
    };
    Bus::connect_with(options, config.bus.tls())
        .await
        .with_context(|| format!("cannot use NATS at `{}`", config.bus.url))
}

/// Cancels `stop` when standard input closes: the parent is gone. On a thread of its own, which nobody
/// waits for: reading standard input cannot be cancelled.
pub fn until_input_ends(stop: CancellationToken) {
    use std::io::Read as _;
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut sink = [0; 64];
        while matches!(input.read(&mut sink), Ok(read) if read > 0) {}
        stop.cancel();
    });
}

/// The first signal asks everybody to end, the second one ends at once.
pub async fn signals(stop: CancellationToken) {
    wait_for_signal().await;
    tracing::info!("stopping");
    stop.cancel();
    wait_for_signal().await;
    std::process::exit(130);
}

/// Ctrl-C, or the signal that process managers send.
pub async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
