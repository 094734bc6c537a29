//! The command line: what there is, and which module does it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::config::Config;
use crate::settings::Settings;
use crate::{
    audit, backtest, bench, completions, demo, doctor, exit, init, keys, notify, people, provision,
    rehearse, run, simulate, train, users,
};

/// The autopilot for Kubernetes that an SRE can trust: every act is explained, permitted, signed,
/// bounded, verified, reversible and on the record.
#[derive(Debug, Parser)]
#[command(
    name = "aegis",
    version,
    arg_required_else_help = true,
    after_help = "Examples:\n  aegis demo                          break things in a simulated cluster and watch them heal\n  aegis init /etc/aegis               make a configuration with all its keys\n  aegis provision                     make streams, tables and roles\n  aegis run all                       run every service in this process\n  aegis approvals approve --only      say yes to what policy asks\n  aegis audit verify                  prove that nobody changed the record\n\nExit codes: 0 done, 1 failed, 2 called wrongly, 3 denied by policy, 4 not found"
)]
struct Cli {
    /// The configuration file.
    #[arg(
        long,
        short,
        global = true,
        env = "AEGIS_CONFIG",
        default_value = "aegis.toml"
    )]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Break things in a simulated cluster and watch Aegis heal them, on real NATS and PostgreSQL.
    Demo(demo::Demo),
    /// Make a configuration with its keys, secrets and a nats-server configuration.
    Init(init::Init),
    /// Make streams, consumers, buckets, tables and roles, and put policy and modes on the log.
    #[command(
        after_help = "Safe to run again: what exists is kept, what is missing is made.\n\nA stream that lost messages or was restored from an older copy is made anew with --new-epoch, while the\naudit sink runs: everything that it holds is put on record first. Policy, modes, freezes and the kill\nswitch are said again; incidents, cooldowns and budgets begin anew, baselines with AEGIS_METRICS.\nServices that stopped because of the damage are started again afterwards, the others go on by themselves.\n\nExamples:\n  aegis provision --config /etc/aegis/aegis.toml\n  aegis provision --new-epoch AEGIS_EVENTS"
    )]
    Provision(provision::Provision),
    /// Run services.
    Run(run::Run),
    /// Say what is missing or too wide: rights and bounds in Kubernetes, streams of NATS.
    Doctor(doctor::Doctor),
    /// Settings: what they are, where they come from, what is wrong with them.
    #[command(subcommand)]
    Config(Settings),
    /// Keys that decisions are signed with, and certificates for TLS.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// People who may sign in, straight in the database: for the first administrator.
    #[command(subcommand)]
    Users(users::Users),
    /// Whom people hear from.
    #[command(subcommand)]
    Notify(notify::Notify),
    /// Sign in at a gateway.
    Login(people::Login),
    /// Sign out and forget the tokens.
    Logout,
    /// What is wrong, why, and what was done.
    #[command(subcommand)]
    Incidents(people::Incidents),
    /// What waits for a yes.
    #[command(subcommand)]
    Approvals(people::Approvals),
    /// Say everything that speaks for what was thought and decided in an incident.
    Explain(people::Explain),
    /// Follow what happens.
    Tail(people::Tail),
    /// Take an act back.
    Undo(people::Undo),
    /// Say how much Aegis may do by itself, and where.
    Mode(people::SetMode),
    /// Let nothing be done for a while.
    Freeze(people::Freeze),
    /// End a freeze before its time.
    Unfreeze(people::Unfreeze),
    /// Stop all acts within a second.
    KillSwitch(people::KillSwitch),
    /// Read and prove the audit log.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Run a simulated cluster: a Kubernetes API, workloads, traffic and faults from a file.
    Simulate(simulate::Simulate),
    /// Run a scenario in virtual time through the stages' cores, without servers.
    Rehearse(rehearse::Rehearse),
    /// Try the detector on recorded data, without servers.
    #[command(subcommand)]
    Backtest(backtest::Backtest),
    /// Learn failure kinds and causes from incidents whose end is known.
    Train(train::Train),
    /// Measure.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Print what makes a shell complete these commands.
    #[command(
        after_help = "Examples:\n  aegis completions bash > ~/.local/share/bash-completion/completions/aegis\n  aegis completions zsh > ~/.zfunc/_aegis\n  aegis completions fish > ~/.config/fish/completions/aegis.fish"
    )]
    Completions(completions::Completions),
}

/// After how many tasks a worker looks at its sockets. With the usual 61, a burst of requests that are answered
/// from memory lets those that wait for the database wait for seconds.
const SOCKETS_AFTER: u32 = 8;

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    // One TLS backend for everything, chosen once.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .event_interval(SOCKETS_AFTER)
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = match runtime.block_on(dispatch(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !exit::Ended::is_told(&error) {
                eprintln!("error: {error:#}");
            }
            exit::code(&error)
        }
    };
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    code
}

async fn dispatch(cli: Cli) -> Result<()> {
    let config = || Config::load(&cli.config);
    match cli.command {
        Command::Demo(demo) => demo.run().await,
        Command::Init(init) => init.run(),
        Command::Provision(wanted) => wanted.run(&config()?).await,
        Command::Run(wanted) => run::run(&config()?, &wanted).await,
        Command::Doctor(doctor) => doctor.run(&config()?).await,
        Command::Config(settings) => settings.run(&cli.config),
        // Certificates are made before there is a configuration.
        Command::Keys(keys::Keys::Tls(tls)) => tls.run(),
        Command::Keys(keys) => keys.run(&config()?),
        Command::Users(users) => users.run(&config()?).await,
        Command::Notify(notify) => notify.run(&config()?).await,
        Command::Login(login) => login.run().await,
        Command::Logout => people::logout().await,
        Command::Incidents(incidents) => incidents.run().await,
        Command::Approvals(approvals) => approvals.run().await,
        Command::Explain(explain) => explain.run().await,
        Command::Tail(tail) => tail.run().await,
        Command::Undo(undo) => undo.run().await,
        Command::Mode(mode) => mode.run().await,
        Command::Freeze(freeze) => freeze.run().await,
        Command::Unfreeze(unfreeze) => unfreeze.run().await,
        Command::KillSwitch(switch) => switch.run().await,
        Command::Audit(audit) => audit.from_here()?.run(&config()?).await,
        Command::Simulate(simulate) => simulate.run().await,
        Command::Rehearse(rehearse) => rehearse.run().await,
        Command::Backtest(backtest) => backtest.run(),
        Command::Train(train) => train.run(),
        Command::Bench(bench) => bench.run(config).await,
        Command::Completions(wanted) => wanted.print(&mut Cli::command()),
    }
}
