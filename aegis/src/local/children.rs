//! The processes of the demo: each writes its own log file, ends when its standard input closes, and is
//! killed when it does not.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::{Child, ChildStdin, Command};

/// How long a child may take to end.
const GRACE: Duration = Duration::from_secs(12);
/// How much of a dead child's log is shown.
const TAIL: usize = 12;

/// A process that lives as long as this value, and no longer than this process.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    log: PathBuf,
    // Closed when this process ends, however it ends: the child sees it and ends as well.
    lifeline: Option<ChildStdin>,
}

impl Running {
    /// Starts this very program with other arguments. Its log goes to `logs/<name>.log`.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn start(name: &str, logs: &Path, command: &mut Command) -> Result<Self> {
        std::fs::create_dir_all(logs)?;
        let log = logs.join(format!("{name}.log"));
        let output = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("cannot write `{}`", log.display()))?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            // A Ctrl-C in the terminal is for the demo, which stops everything in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let lifeline = child.stdin.take();
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
            lifeline,
        })
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it ends by itself, which it should not; answers one sentence about it.
    pub async fn died(&mut self) -> String {
        let how = match self.child.wait().await {
            Ok(status) => describe(status),
            Err(error) => format!("cannot be waited for: {error}"),
        };
        format!(
            "{} {how}; its log, `{}`, ends with:\n{}",
            self.name,
            self.log.display(),
            self.tail()
        )
    }

    /// The end of its log.
    fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(TAIL);
        lines[from..]
            .iter()
            .map(|line| format!("  {line}\n"))
            .collect()
    }

    /// Kills it as a crash would.
    pub async fn kill(mut self) {
        let _ = self.child.kill().await;
    }

    /// Lets it end, and kills it when it does not.
    pub async fn stop(mut self) {
        drop(self.lifeline.take());
        if tokio::time::timeout(GRACE, self.child.wait())
            .await
            .is_err()
        {
            let _ = self.child.kill().await;
        }
    }
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with code {code}"),
        (_, Some(signal)) => format!("was killed by signal {signal}"),
        _ => "ended".to_owned(),
    }
}

/// Resident memory of a process in MiB, as far as this system tells.
#[must_use]
pub fn resident_mb(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1024.0)
}

/// Other processes that name `folder` on their command line or work in it.
#[must_use]
pub fn of_folder(folder: &Path) -> BTreeSet<u32> {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return BTreeSet::new();
    };
    let text = folder.display().to_string();
    let belongs = |process: &Path| {
        let command = std::fs::read(process.join("cmdline")).unwrap_or_default();
        let named = String::from_utf8_lossy(&command).contains(&text);
        named || std::fs::read_link(process.join("cwd")).is_ok_and(|at| at.starts_with(folder))
    };
    processes
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .filter(|(id, path)| *id != std::process::id() && belongs(path))
        .map(|(id, _)| id)
        .collect()
}
