//! `cargo xtask`: everything that is done with this repository.

use std::process::{Command, ExitCode};
use std::time::Duration;

use aegis_xtask::api_fuzz::ApiFuzz;
use aegis_xtask::fuzz::fuzz;
use aegis_xtask::kubernetes::{Programs, Standing};
use aegis_xtask::servers::{self, Servers};
use aegis_xtask::soak::Soak;
use aegis_xtask::steps::{run, step};
use aegis_xtask::{fence, model, root, target};
use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, Subcommand};

/// Everything that is done with this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Break things in a simulated cluster and watch Aegis heal them, on real NATS and PostgreSQL.
    ///
    /// Gets nats-server and PostgreSQL if they are missing, builds, starts every role, injects faults,
    /// and tells each incident's story. Arguments go to `aegis demo`: see `cargo xtask demo -- --help`.
    #[command(
        after_help = "Examples:\n  cargo xtask demo\n  cargo xtask demo --seed 7 --scenario scenarios/memory-leak.toml\n  cargo xtask demo --check\n  cargo xtask demo --kubernetes\n  cargo xtask demo --clean"
    )]
    Demo {
        /// On a real Kubernetes control plane (see `cargo xtask kubernetes`): real objects, real rollouts;
        /// the simulator plays the kubelets.
        #[arg(long)]
        kubernetes: bool,
        /// Arguments of `aegis demo`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run everything that CI runs: formatting, clippy, the dependency fence, all tests.
    #[command(after_help = "Examples:\n  cargo xtask test\n  cargo xtask test --fast")]
    Test {
        /// Leave out the end-to-end tests.
        #[arg(long)]
        fast: bool,
    },
    /// Attack an installation that is made for it; fails unless every attack ends as it should.
    ///
    /// Says for each thing that was tried what should come of it and what came.
    #[command(
        after_help = "Examples:\n  cargo xtask attack subject-escape\n  cargo xtask attack all\n\nAn unknown name lists those that there are."
    )]
    Attack {
        /// The attack's name, or `all`.
        name: String,
    },
    /// The inner loop: formatting and clippy.
    Check,
    /// Check who may depend on whom, as written in deny.toml.
    Fence,
    /// Feed every decoder hostile bytes, and say how many it took without a fault. Needs cargo-fuzz.
    #[command(
        after_help = "Examples:\n  cargo xtask fuzz\n  cargo xtask fuzz remote_write --seconds 3600"
    )]
    Fuzz {
        /// Fuzz only this one: a file in fuzz/fuzz_targets, without its extension.
        target: Option<String>,
        /// How long each is fuzzed, in seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Build the model of failure kinds that the incident core asks where its rules are not sure.
    ///
    /// Simulates incidents of every kind and learns from them; the same source makes the same file. Ends
    /// with the lines for aegis.toml; `cargo xtask demo` takes the model by itself once it is built.
    #[command(after_help = "Example:\n  cargo xtask model")]
    Model,
    /// Ask a gateway what its API's document allows and forbids, and check each answer (Schemathesis).
    #[command(
        after_help = "Examples:\n  cargo xtask api-fuzz\n  cargo xtask api-fuzz --max-examples 500 --seed 7"
    )]
    ApiFuzz(ApiFuzz),
    /// A real Kubernetes control plane on this host.
    ///
    /// etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok, which plays the kubelets: no
    /// container runs. Built once with Go, which takes some minutes, or taken from the folder that
    /// AEGIS_KUBERNETES_BIN names. The tag of its image, or its label aegis.dev/fate, says what becomes of
    /// a pod: crash-loop, oom-kill, image-pull, slow-start; anything else runs well. A node labelled
    /// aegis.dev/fate=not-ready is not ready.
    #[command(
        subcommand,
        after_help = "Examples:\n  eval $(cargo xtask kubernetes up)\n  kubectl create deployment web --image example.org/web:1 --replicas 3\n  kubectl set image deployment/web web=example.org/web:crash-loop\n  kubectl label node node-1 aegis.dev/fate=not-ready\n  cargo xtask kubernetes down"
    )]
    Kubernetes(Kubernetes),
    /// Kill what runs while things go wrong, for as long as you like, and check that nothing is lost or
    /// done twice; forge decisions by the million, and check that none is let through.
    #[command(
        arg_required_else_help = true,
        after_help = "Examples:\n  cargo xtask soak --kills 100\n  cargo xtask soak --kills 20 --seed 7\n  cargo xtask soak --failpoints\n  cargo xtask soak --mutants 1000000\n  cargo xtask soak --faults 60"
    )]
    Soak(Soak),
    /// Get the servers that the tests need and print the variables that name them.
    Servers,
}

#[derive(Subcommand)]
enum Kubernetes {
    /// Start it, unless it stands, and print how to reach it.
    #[command(
        after_help = "Examples:\n  cargo xtask kubernetes up\n  eval $(cargo xtask kubernetes up --nodes 5)"
    )]
    Up {
        /// How many nodes it has.
        #[arg(long, default_value_t = 3)]
        nodes: u32,
    },
    /// Stop it and remove all of it.
    #[command(after_help = "Example:\n  cargo xtask kubernetes down")]
    Down,
    /// Say how each server and each node is.
    #[command(after_help = "Example:\n  cargo xtask kubernetes status")]
    Status,
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Demo {
            kubernetes,
            arguments,
        } => demo(kubernetes, &arguments),
        Task::Test { fast } => test(fast),
        Task::Attack { name } => attack(&name),
        Task::Check => check(),
        Task::Fence => fence::check(&root()),
        Task::Fuzz { target, seconds } => {
            fuzz(&root(), target.as_deref(), Duration::from_secs(seconds))
        }
        Task::Model => model::build(),
        Task::ApiFuzz(fuzz) => fuzz.run(),
        Task::Kubernetes(wanted) => kubernetes(&wanted),
        Task::Soak(soak) => soak.run(),
        Task::Servers => servers(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(root());
    command
}

fn demo(kubernetes: bool, arguments: &[String]) -> Result<()> {
    if arguments.iter().any(|argument| argument == "--clean") {
        for made in [servers::folder(), aegis_xtask::kubernetes::demo_folder()] {
            if made.exists() {
                std::fs::remove_dir_all(&made)
                    .with_context(|| format!("cannot remove `{}`", made.display()))?;
                eprintln!("removed {}", made.display());
            }
        }
    }
    let wants_servers = !arguments
        .iter()
        .any(|argument| matches!(argument.as_str(), "--help" | "-h" | "--clean"));
    let program = target().join("debug").join("aegis");
    let mut binary = Command::new(&program);
    // Beside what is built, wherever this was called from.
    binary.env("AEGIS_DEMO_DIR", target().join("demo"));
    if !wants_servers && program.exists() {
        return replace(binary.arg("demo").args(arguments));
    }
    if wants_servers {
        let servers = step("servers", Servers::obtain)?;
        binary.envs(servers.variables());
    }
    if model::file().exists() {
        binary.env("AEGIS_PROVISION__MODEL_FILE", model::file());
    }
    step("build (the first time takes some minutes)", || {
        run(&mut cargo(&["build", "--package", "aegis"]))
    })?;
    binary.arg("demo").args(arguments);
    if kubernetes && wants_servers {
        let programs = step("Kubernetes control plane", Programs::obtain)?;
        let programs = programs.context("the demo runs without --kubernetes")?;
        step("control plane", || {
            aegis_xtask::kubernetes::for_the_demo(&programs)
        })?;
        binary
            .arg("--cluster")
            .arg(aegis_xtask::kubernetes::demo_folder());
    }
    replace(&mut binary)
}

/// Becomes the demo, so that signals and the exit code are its own.
#[cfg(unix)]
fn replace(command: &mut Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    bail!("cannot start the demo: {error}")
}

fn check() -> Result<()> {
    step("formatting", || {
        run(&mut cargo(&["fmt", "--all", "--check"]))
    })?;
    step("clippy", clippy)
}

fn clippy() -> Result<()> {
    let arguments = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ];
    run(&mut cargo(&arguments))
}

fn test(fast: bool) -> Result<()> {
    check()?;
    step("dependency fence", || fence::check(&root()))?;
    let servers = step("servers", Servers::obtain)?;
    // One command, so that every crate is built once and with the same features. It builds the program
    // as well, for its own tests, and those of the whole pipeline run that one.
    let mut tests = cargo(&["test", "--workspace", "--locked"]);
    if fast {
        tests.args(["--exclude", "aegis-e2e"]);
    } else if let Some(programs) = step("Kubernetes control plane", Programs::obtain)? {
        tests.env("AEGIS_KUBERNETES_BIN", programs.folder());
    }
    if !fast && let Some(loki) = step("Loki", servers::loki)? {
        tests.env("AEGIS_LOKI", loki);
    }
    tests.envs(servers.variables());
    tests.env("AEGIS_BIN", target().join("debug").join("aegis"));
    if std::env::var_os("RUST_TEST_THREADS").is_none() {
        tests.env("RUST_TEST_THREADS", test_threads().to_string());
    }
    step("unit, integration and end-to-end tests", || run(&mut tests))
}

/// Tests of the whole pipeline wait more than they work: one more at a time than there are cores.
fn test_threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get) + 1
}

fn kubernetes(wanted: &Kubernetes) -> Result<()> {
    let standing = Standing::of_checkout();
    match wanted {
        Kubernetes::Up { nodes } => {
            let programs = Programs::obtain()?.context("there is nothing to start")?;
            let kubeconfig = step("control plane", || standing.up(&programs, *nodes))?;
            println!("export KUBECONFIG={}", kubeconfig.display());
        }
        Kubernetes::Down => {
            let stood = standing.down()?;
            eprintln!(
                "{}",
                if stood {
                    "it is gone"
                } else {
                    "there was none"
                }
            );
        }
        Kubernetes::Status => {
            let found = standing.status()?;
            let status = found.context("there is none; `cargo xtask kubernetes up` starts one")?;
            for (name, id, runs) in &status.servers {
                let how = if *runs { "runs" } else { "ended" };
                println!("{name:24} {how:10} process {id}");
            }
            for (name, ready) in &status.nodes {
                println!("{name:24} {}", if *ready { "ready" } else { "not ready" });
            }
            println!("KUBECONFIG={}", status.kubeconfig.display());
            ensure!(status.is_whole(), "not all of it runs or answers");
        }
    }
    Ok(())
}

fn attack(name: &str) -> Result<()> {
    let servers = step("servers", Servers::obtain)?;
    step("build", || {
        run(&mut cargo(&[
            "build",
            "--package",
            "aegis",
            "--package",
            "aegis-e2e",
        ]))
    })?;
    let mut attack = Command::new(target().join("debug").join("attack"));
    attack.arg(name).current_dir(root());
    attack.envs(servers.variables());
    attack.env("AEGIS_BIN", target().join("debug").join("aegis"));
    step("attack", || run(&mut attack))
}

fn servers() -> Result<()> {
    for (name, path) in Servers::obtain()?.variables() {
        println!("export {name}={}", path.display());
    }
    Ok(())
}
