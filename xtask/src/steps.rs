//! Steps that are run one after the other, each told with the time it took.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// Runs `work` as the step `name`.
///
/// # Errors
///
/// Those of the step, with its name.
pub fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("==> {name}");
    let start = Instant::now();
    let result = work().with_context(|| format!("{name} failed"));
    let verdict = if result.is_ok() { "ok" } else { "failed" };
    eprintln!("    {verdict} after {:.1} s", start.elapsed().as_secs_f64());
    result
}

/// Runs `command` with its output shown.
///
/// # Errors
///
/// When it cannot be started or does not succeed.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}").replace('"', "");
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot run `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}");
    }
    Ok(())
}
