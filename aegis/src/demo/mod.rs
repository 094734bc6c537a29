//! `aegis demo`: real servers, every service, a simulated cluster, faults from a seed; and the story of
//! each incident, told from the audit log.

mod check;
mod narrator;
pub mod profile;
mod story;

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aegis_audit_sink::read::Reader;
use aegis_schemas::Timestamp;
use anyhow::{Context, Result, bail};
use clap::Args;

use self::check::Report;
use self::narrator::Narrator;
use self::story::Story;
use crate::exit::Ended;
use crate::local::children;
use crate::local::now;
use crate::local::place::{self, Place};
use crate::local::ports::Ports;
use crate::local::stage::{Play, Stage};
use crate::local::tool::Tool;
use crate::run::wait_for_signal;

/// The user that the demo signs in for whoever watches it.
const OPERATOR: &str = "operator";
/// How long the kernel may take to forget a process that ended.
const REAPED: Duration = Duration::from_secs(3);

/// Breaks things in a simulated cluster and heals them.
#[derive(Debug, Args)]
#[command(
    after_help = "Needs nats-server and PostgreSQL: on PATH, or named by AEGIS_NATS_SERVER and AEGIS_POSTGRES_BIN;\n`cargo xtask demo` gets both.\n\nExamples:\n  aegis demo\n  aegis demo --seed 7 --scenario memory-leak\n  aegis demo --scenario my-scenario.toml --port 9000\n  aegis demo --check\n  aegis demo --clean"
)]
pub struct Demo {
    /// A scenario file, or the name of one that is built in (`aegis simulate --list`).
    #[arg(long, default_value = "demo")]
    scenario: String,
    /// What all randomness of the cluster comes from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Run without a terminal, approve by command, and end when both incidents are healed and the audit log
    /// is proven. The last line is JSON.
    #[arg(long, conflicts_with = "clean")]
    check: bool,
    /// Remove everything that the demo made.
    #[arg(long)]
    clean: bool,
    /// Break things in a real cluster instead, which `cargo xtask demo --kubernetes` starts: the folder of
    /// its kubeconfig files and its audit log.
    #[arg(long, value_name = "FOLDER")]
    cluster: Option<PathBuf>,
    /// Where it keeps everything.
    #[arg(long, env = "AEGIS_DEMO_DIR", default_value = "target/demo")]
    dir: PathBuf,
    /// The first of seven ports, which is the dashboard's; 0 takes any that are free. Without it the
    /// dashboard is at 3000 and the others begin at 7711.
    #[arg(long)]
    port: Option<u16>,
    /// Do not open the dashboard in a browser.
    #[arg(long)]
    no_open: bool,
}

impl Demo {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When something does not start, ends, or does not happen in time.
    pub async fn run(self) -> Result<()> {
        if self.clean {
            return place::clean(&self.dir);
        }
        let began = now();
        let place = Place::take(&self.dir)?;
        // Who was there before, such as a shell in that folder, is nothing that the demo started.
        let before = children::of_folder(place.path());
        let mut stage = Stage::default();
        let mut report = Report::default();
        let ended = tokio::select! {
            ended = self.play(&place, &mut stage, &mut report, began) => ended,
            () = wait_for_signal() => stopped(self.check),
        };
        report.rss_mb = stage.resident_mb().map(|mb| (mb * 10.0).round() / 10.0);
        eprintln!("stopping everything");
        stage.close().await;
        report.processes_left = left(&place, &before).await;
        let ended = match report.processes_left {
            0 => ended,
            left => ended.and_then(|()| bail!("{left} processes of the demo are still there")),
        };
        if !self.check {
            return ended;
        }
        // The last line is the JSON, so what went wrong is said before it.
        if let Err(error) = &ended {
            eprintln!("error: {error:#}");
        }
        println!("{}", serde_json::to_string(&report)?);
        ended.map_err(|_| Ended::Told.into())
    }

    async fn play(
        &self,
        place: &Place,
        stage: &mut Stage,
        report: &mut Report,
        began: Timestamp,
    ) -> Result<()> {
        let ports = self.port.map_or_else(Ports::usual, Ports::from)?;
        let tool = Tool::new(place.config(), place.session())?;
        println!("scenario {}, seed {}", self.scenario, self.seed);
        println!("{}", profile::shown());
        let config = profile::install(place, &ports)?;
        let play = Play {
            scenario: scenario(&self.scenario)?,
            seed: self.seed,
            cluster: self.cluster.clone(),
        };
        let cluster = self.cluster.as_ref().map_or("simulated", |_| "real");
        step(
            &format!("nats-server, PostgreSQL, the workloads in a {cluster} cluster"),
            stage.open(place, &ports, &tool, Some(&play)),
        )
        .await?;
        step("provision", tool.run(&["provision"], "")).await?;
        step("services", stage.run(place, &ports, &tool, &["all"])).await?;
        introduce(&ports, &tool, place);

        let urls = place.installation().join(&config.audit.database_url_file);
        let reader = Reader::connect_file(&urls).await?;
        let narrator = Narrator::new(began, color(), tool.with_config(), tool.approve());
        let mut story = Story::new(reader, narrator);
        // The story does not wait for the sign-in, which takes a while: passwords are hashed slowly.
        let told = async {
            tokio::try_join!(
                self.welcome(&tool, &ports),
                self.watch(&mut story, report, &tool, began)
            )
        };
        tokio::select! {
            ended = told => ended.map(drop),
            death = stage.death() => Err(death),
        }
    }

    async fn welcome(&self, tool: &Tool, ports: &Ports) -> Result<()> {
        let link = sign_in(tool, ports).await?;
        println!("\ndashboard: {link}  (signs you in once)\n");
        if !self.check && !self.no_open && std::io::stdout().is_terminal() && has_screen() {
            // Whoever has no browser here has the link.
            let _ = open::that_detached(&link);
        }
        Ok(())
    }

    async fn watch(
        &self,
        story: &mut Story,
        report: &mut Report,
        tool: &Tool,
        began: Timestamp,
    ) -> Result<()> {
        if !self.check {
            loop {
                story.go_on().await?;
            }
        }
        let left = check::WITHIN.saturating_sub(now().since(began));
        match tokio::time::timeout(left, report.follow(story, tool, began)).await {
            Ok(ended) => ended,
            Err(_) => report.too_late(),
        }
    }
}

/// A signal ends the demo as it should, but leaves a check without its result.
fn stopped(check: bool) -> Result<()> {
    if check {
        bail!("stopped by a signal before the check was done");
    }
    Ok(())
}

async fn step<T>(name: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    let begun = Instant::now();
    let done = work.await.with_context(|| format!("cannot start {name}"))?;
    eprintln!("  {:>5.1} s  {name}", begun.elapsed().as_secs_f64());
    Ok(done)
}

/// A scenario that is named by its file is found from where the demo was called.
fn scenario(named: &str) -> Result<String> {
    if !profile::is_file(named) {
        return Ok(named.to_owned());
    }
    let file =
        std::fs::canonicalize(named).with_context(|| format!("there is no scenario `{named}`"))?;
    Ok(file.display().to_string())
}

/// Somebody with a password that nobody needs to know, signed in with the command that people use, and a
/// link for their browser.
async fn sign_in(tool: &Tool, ports: &Ports) -> Result<String> {
    let password = data_encoding::BASE64URL_NOPAD.encode(&crate::keys::random::<24>()?);
    let roles = ["--role", "operator", "--role", "admin"];
    tool.run(
        &[&["users", "add", OPERATOR], roles.as_slice()].concat(),
        &password,
    )
    .await?;
    let url = format!("http://{}", ports.gateway);
    tool.run(&["login", "--url", &url, "--name", OPERATOR], &password)
        .await?;
    let link = tool
        .run(&["users", "link", OPERATOR, "--lives", "1h"], "")
        .await?;
    Ok(link.trim().to_owned())
}

fn introduce(ports: &Ports, tool: &Tool, place: &Place) {
    let session = format!("AEGIS_SESSION={}", place.session().display());
    println!(
        "\nrunning: gateway http://{}  metrics http://{}/metrics",
        ports.gateway, ports.admin
    );
    println!("  {session} {} incidents ls", tool.name());
    println!("  {} audit verify", tool.with_config());
    println!(
        "  KUBECONFIG={} kubectl get pods -A",
        place.kubeconfigs().join("admin.kubeconfig").display()
    );
    println!("  Ctrl-C stops everything\n");
}

/// Whether a browser could be seen: elsewhere one would open in the terminal.
fn has_screen() -> bool {
    cfg!(any(target_os = "macos", target_os = "windows"))
        || ["DISPLAY", "WAYLAND_DISPLAY"]
            .iter()
            .any(|name| std::env::var_os(name).is_some())
}

fn color() -> bool {
    let dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() && !dumb
}

/// How many processes that belong to the folder are still there.
async fn left(place: &Place, before: &BTreeSet<u32>) -> usize {
    let begun = Instant::now();
    loop {
        let count = children::of_folder(place.path()).difference(before).count();
        if count == 0 || begun.elapsed() > REAPED {
            return count;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
