//! `cargo xtask fuzz`: each decoder for a while, from its seeds, told with how often it was run.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::steps::{run, step};

/// What a process may hold, its corpus included, in MiB: more is a finding.
const MAX_MEMORY: u32 = 512;
/// What one input may take, in seconds: the least that libFuzzer knows.
const MAX_TIME: u32 = 1;
/// The longest input, in bytes.
const MAX_INPUT: u32 = 16 * 1024;
/// Aegis is safe Rust, so faults show as panics and no sanitizer is needed. What is fuzzed is what runs,
/// without code for fuzzing alone.
const BUILD: [&str; 3] = ["--sanitizer", "none", "--no-cfg-fuzzing"];

/// Fuzzes `only`, or every target, each for `time`.
///
/// # Errors
///
/// When cargo-fuzz is missing, a target is unknown or does not build, or an input shows a fault.
pub fn fuzz(root: &Path, only: Option<&str>, time: Duration) -> Result<()> {
    let there = cargo_fuzz(root, "--version").output();
    ensure!(
        there.is_ok_and(|output| output.status.success()),
        "cargo-fuzz is missing: `cargo install cargo-fuzz --locked`, and a C++ compiler for libFuzzer"
    );
    let mut targets = targets(root)?;
    if let Some(only) = only {
        ensure!(
            targets.iter().any(|target| target == only),
            "`{only}` is not a target; there are {}",
            targets.join(", ")
        );
        targets.retain(|target| target == only);
    }
    let mut runs = 0;
    for target in &targets {
        // Here and not before the loop: one of ten needs a fraction of the time.
        step(&format!("build {target}"), || {
            run(cargo_fuzz(root, "build").args(BUILD).arg(target))
        })?;
        let name = format!("{target}, {} s", time.as_secs());
        runs += step(&name, || one(root, target, time))?;
    }
    println!("{runs} runs of {} targets without a fault", targets.len());
    Ok(())
}

fn cargo_fuzz(root: &Path, task: &str) -> Command {
    let mut command = Command::new("cargo");
    command.args(["fuzz", task]).current_dir(root);
    command
}

fn targets(root: &Path) -> Result<Vec<String>> {
    let output = cargo_fuzz(root, "list").output()?;
    ensure!(output.status.success(), "`cargo fuzz list` fails");
    let names = String::from_utf8_lossy(&output.stdout);
    Ok(names.split_whitespace().map(str::to_owned).collect())
}

/// Fuzzes one target; answers how often it was run.
fn one(root: &Path, target: &str, time: Duration) -> Result<u64> {
    let folder = root.join("fuzz");
    let corpus = folder.join("corpus").join(target);
    std::fs::create_dir_all(&corpus)
        .with_context(|| format!("cannot make the folder `{}`", corpus.display()))?;
    let mut child = cargo_fuzz(root, "run")
        .args(BUILD)
        .arg(target)
        // What is found goes to the first.
        .args([&corpus, &folder.join("seeds").join(target)])
        .arg("--")
        .arg(format!("-max_total_time={}", time.as_secs()))
        .arg(format!("-rss_limit_mb={MAX_MEMORY}"))
        .arg(format!("-timeout={MAX_TIME}"))
        .arg(format!("-max_len={MAX_INPUT}"))
        .arg("-print_final_stats=1")
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start cargo-fuzz")?;
    let said = child.stderr.take().context("its output is piped")?;
    let mut lines = Vec::new();
    for line in BufReader::new(said).lines().map_while(Result::ok) {
        if line.starts_with('#') && line.contains("pulse") {
            eprintln!("    {line}");
        }
        lines.push(line);
    }
    if !child.wait()?.success() {
        let from = lines.len().saturating_sub(40);
        bail!(
            "{}\n`{target}` has a fault: mend it, and keep the input that shows it in fuzz/seeds/{target}/",
            lines[from..].join("\n")
        );
    }
    let runs = statistic(&lines, "number_of_executed_units").context("libFuzzer says no runs")?;
    let memory = statistic(&lines, "peak_rss_mb").unwrap_or_default();
    let rate = runs / time.as_secs().max(1);
    eprintln!("    {runs} runs, {rate} per second, at most {memory} MiB");
    Ok(runs)
}

/// A line `stat::<name>: <number>`.
fn statistic(lines: &[String], name: &str) -> Option<u64> {
    let prefix = format!("stat::{name}:");
    let mut found = lines.iter().filter_map(|line| line.strip_prefix(&prefix));
    found.next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_libfuzzer_are_read() {
        let lines = [
            "Done 9 runs in 1 second(s)",
            "stat::number_of_executed_units: 987654",
        ];
        let lines = lines.map(str::to_owned);
        assert_eq!(statistic(&lines, "number_of_executed_units"), Some(987_654));
        assert_eq!(statistic(&lines, "peak_rss_mb"), None);
    }
}
