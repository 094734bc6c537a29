//! What the gateway answers in a second, beside handlers that do the same with nothing around it.

mod asker;
mod stored;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use aegis_nats::{Bus, Service};
use aegis_schemas::Cluster;
use anyhow::{Result, ensure};
use clap::Args;
use reqwest::Client;
use serde::Serialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::asker::Asker;
use self::stored::incident_id;
use super::cluster::Cluster as Simulated;
use super::latency::{quantiles, say};
use crate::config::Config;
use crate::init;
use crate::local::children::Running;
use crate::local::now;
use crate::local::place::Place;
use crate::local::ports::{Ports, free};
use crate::local::stage::Stage;
use crate::local::tool::Tool;
use crate::run::{connect, until_input_ends, wait_for_signal};

/// Measures the gateway.
#[derive(Debug, Args)]
pub struct Gateway {
    /// How many incidents are stored.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..))]
    incidents: u32,
    /// How long each route is asked, seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// How many listen to events at once.
    #[arg(long, default_value_t = 1_000)]
    listeners: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Where it keeps everything while it runs.
    #[arg(long, default_value = "target/bench")]
    dir: PathBuf,
}

/// Serves the floor: a process of its own, as the gateway is.
#[derive(Debug, Args)]
pub struct Bare {
    #[arg(long)]
    listen: SocketAddr,
}

impl Bare {
    pub(super) async fn run(self, config: &Config) -> Result<()> {
        ensure!(
            self.listen.ip().is_loopback(),
            "nobody is asked who they are here: `--listen` takes an address of this host only"
        );
        let bus = connect(config, Service::Gateway).await?;
        let stop = CancellationToken::new();
        // The benchmark may be killed.
        until_input_ends(stop.clone());
        let file = &config.gateway.database_url_file;
        aegis_gateway::serve_bare(&bus, file, self.listen, stop).await?;
        Ok(())
    }
}

/// What one route answers.
#[derive(Clone, Debug, Serialize)]
struct Route {
    requests_per_s: f64,
    p99_ms: f64,
    /// What the bare handler answers; none where there is no such handler.
    #[serde(skip_serializing_if = "Option::is_none")]
    bare_requests_per_s: Option<f64>,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
struct Report {
    incidents: u32,
    routes: BTreeMap<&'static str, Route>,
    listeners: usize,
    /// From the publish of an incident until the last listener has heard of it.
    last_heard_ms: f64,
}

impl Gateway {
    /// Does it.
    pub(super) async fn run(self) -> Result<()> {
        let place = Place::take(&self.dir)?;
        let stop = CancellationToken::new();
        let mut stage = Stage::default();
        let ended = tokio::select! {
            ended = self.measure(&place, &mut stage, &stop) => ended,
            () = wait_for_signal() => Err(anyhow::anyhow!("stopped by a signal")),
        };
        stop.cancel();
        stage.close().await;
        drop(place);
        let report = ended?;
        crate::local::place::clean(&self.dir)?;
        if self.json {
            println!("{}", serde_json::to_string(&report)?);
            return Ok(());
        }
        println!(
            "{:18} {:>11} {:>9} {:>11} {:>7}",
            "", "requests/s", "p99", "bare", "share"
        );
        for (name, route) in &report.routes {
            let bare = route.bare_requests_per_s;
            println!(
                "{name:18} {:>11.0} {:>6.1} ms {:>11} {:>7}",
                route.requests_per_s,
                route.p99_ms,
                bare.map_or_else(String::new, |bare| format!("{bare:.0}")),
                bare.map_or_else(String::new, |bare| format!(
                    "{:.0} %",
                    route.requests_per_s / bare * 100.0
                )),
            );
        }
        println!(
            "{} listeners: the last heard of an incident after {:.0} ms",
            report.listeners, report.last_heard_ms
        );
        Ok(())
    }

    async fn measure(
        &self,
        place: &Place,
        stage: &mut Stage,
        stop: &CancellationToken,
    ) -> Result<Report> {
        let ports = Ports::from(0)?;
        let tool = Tool::new(place.config(), place.session())?;
        say("servers, the audit sink and the gateway");
        // Provisioning asks the cluster who it is.
        let simulated = Simulated::start(ports.kubernetes, stop).await?;
        simulated.kubeconfigs(&place.kubeconfigs())?;
        simulated.populate(1).await?;
        let config = install(place, &ports)?;
        stage.open(place, &ports, &tool, None).await?;
        tool.run(&["provision"], "").await?;
        stage
            .run(place, &ports, &tool, &["audit-sink", "gateway"])
            .await?;
        let floor = free()?.local_addr()?;
        let mut command = tool.command(&["bench", "bare", "--listen", &floor.to_string()]);
        let bare = Running::start("bare", &place.logs(), &mut command)?;

        say(&format!("{} incidents", self.incidents));
        stored::store_objects(&connect(&config, Service::Ingest).await?).await?;
        let bus = connect(&config, Service::Detector).await?;
        stored::store(&bus, self.incidents).await?;
        let asker = Asker::sign_in(&tool, &format!("http://{}", ports.gateway)).await?;
        asker.until_stored(self.incidents).await?;

        let floor = format!("http://{floor}");
        let work = self.all_routes(&asker, &floor, &bus);
        let report = tokio::select! {
            report = work => report,
            death = stage.death() => Err(death),
        };
        bare.stop().await;
        report
    }

    async fn all_routes(&self, asker: &Asker, floor: &str, bus: &Bus) -> Result<Report> {
        let whole = Duration::from_secs(self.seconds);
        let api = |base: &str| format!("{base}/api/v1");
        let (ours, bare) = (api(&asker.home), api(floor));
        let mut routes = BTreeMap::new();
        for (name, path) in [
            ("list incidents", "/incidents".to_owned()),
            ("one incident", format!("/incidents/{}", incident_id(7))),
        ] {
            say(name);
            let get = |base: &str| {
                let url = format!("{base}{path}");
                move |client: &Client, _: usize| client.get(&url)
            };
            let (floor_bytes, our_bytes) = (
                asker.bytes(&format!("{bare}{path}")).await?,
                asker.bytes(&format!("{ours}{path}")).await?,
            );
            ensure!(
                floor_bytes == our_bytes,
                "the bare handler of {path} answers something else"
            );
            let beside = asker.ask(whole, get(&bare)).await?;
            let measured = asker.ask(whole, get(&ours)).await?;
            routes.insert(name, measured.beside(&beside));
        }
        say("publish metrics");
        let post = |base: &str| {
            let url = format!("{base}/metrics");
            move |client: &Client, n: usize| client.post(&url).json(&batch(n))
        };
        let beside = asker.ask(whole, post(&bare)).await?;
        let measured = asker.ask(whole, post(&ours)).await?;
        routes.insert("publish metrics", measured.beside(&beside));
        for (name, path) in [
            ("page: incidents", "/incidents?state=".to_owned()),
            ("page: one", format!("/incidents/{}", incident_id(7))),
        ] {
            say(name);
            let url = format!("{}{path}", asker.home);
            let measured = asker.ask(whole, move |client: &Client, _| client.get(&url));
            routes.insert(name, measured.await?.alone());
        }
        say(&format!("{} listeners", self.listeners));
        Ok(Report {
            incidents: self.incidents,
            routes,
            listeners: self.listeners,
            last_heard_ms: asker.last_heard(self.listeners, bus).await?,
        })
    }
}

/// Requests a second, and how long they took.
struct Measured {
    per_s: f64,
    p99_ms: f64,
}

impl Measured {
    fn beside(&self, bare: &Self) -> Route {
        Route {
            bare_requests_per_s: Some(bare.per_s.round()),
            ..self.alone()
        }
    }

    fn alone(&self) -> Route {
        Route {
            requests_per_s: self.per_s.round(),
            p99_ms: self.p99_ms,
            bare_requests_per_s: None,
        }
    }
}

/// The shipped configuration, but for the limits: few people ask more than many would.
fn install(place: &Place, ports: &Ports) -> Result<Config> {
    let cluster = Cluster::parse("bench").expect("a valid name, written here");
    let mut wanted = init::installation(&cluster);
    wanted.bus.url = format!("nats://{}", ports.nats);
    wanted.admin.listen = ports.admin;
    wanted.gateway.listen = ports.gateway;
    wanted.gateway.issuer = format!("http://{}", ports.gateway);
    let kubeconfig = |user: &str| Some(place.kubeconfigs().join(format!("{user}.kubeconfig")));
    wanted.executor.kubeconfig = kubeconfig("aegis-executor");
    wanted.ingest.kubeconfig = kubeconfig("aegis-ingest");
    wanted.gateway.per_user = u32::MAX;
    wanted.gateway.per_address = u32::MAX;
    wanted.gateway.streams_per_user = usize::MAX >> 1;
    wanted.gateway.sign_ins_per_address = u32::MAX;
    init::make(&place.installation(), &wanted, ports.nats)?;
    Config::load(&place.config())
}

/// A batch that no other is.
fn batch(n: usize) -> Value {
    let entity =
        json!({"cluster": "bench", "namespace": "shop", "kind": "deployment", "name": "cart"});
    json!({
        "entity": entity,
        "source": "bench",
        "times": [now().to_string()],
        "series": [{"metric": "http_requests_total", "labels": {"code": "200"}, "kind": "counter", "values": [n]}],
    })
}
