//! One server of the control plane, its log, and its end.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take to end before it is killed.
const GRACE: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How much of a dead server's log is shown, lines.
const TAIL: usize = 8;

/// A server that runs. It outlives this value unless it is stopped.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program`; what it says goes to `<name>.log` in `logs`.
    pub(super) fn start(
        name: &'static str,
        program: &Path,
        arguments: &[String],
        logs: &Path,
    ) -> Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let output =
            File::create(&log).with_context(|| format!("cannot write `{}`", log.display()))?;
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            // A Ctrl-C in the terminal is for who started it, who stops it in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot run `{}`", program.display()))?;
        Ok(Self { name, child, log })
    }

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// An error when it ended, which it should not by itself.
    pub(super) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!(
                "{} ended ({status}); its log, `{}`, ends with:\n{}",
                self.name,
                self.log.display(),
                tail(&self.log)
            );
        }
        Ok(())
    }

    /// Kills it as a crash would.
    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks the process to end, and kills it when it does not; `is_there` tells whether it still runs.
pub(super) fn stop(id: u32, is_there: impl Fn() -> bool) {
    let Some(id) = Pid::from_raw(id.cast_signed()) else {
        return;
    };
    let _ = kill_process(id, Signal::TERM);
    let end = Instant::now() + GRACE;
    while is_there() {
        if Instant::now() > end {
            let _ = kill_process(id, Signal::KILL);
        }
        sleep(LOOK_EVERY);
    }
}

/// The end of a log, indented.
fn tail(log: &Path) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(TAIL)..];
    last.iter().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn a_server_that_ends_is_told_with_the_end_of_its_log() {
        let logs = std::env::temp_dir().join(format!("aegis-process-{}", std::process::id()));
        std::fs::create_dir_all(&logs).unwrap();
        let script = ["-c".to_owned(), "echo no room on disk; exit 3".to_owned()];
        let mut process = Process::start("etcd", Path::new("/bin/sh"), &script, &logs).unwrap();
        process.child.wait().unwrap();
        let said = process.check().unwrap_err().to_string();
        for part in ["etcd ended", "exit status: 3", "no room on disk"] {
            assert!(said.contains(part), "{said}");
        }
        std::fs::remove_dir_all(&logs).unwrap();
    }

    #[test]
    fn a_process_that_does_not_care_is_killed_after_a_while() {
        let script = "trap '' TERM; while :; do sleep 0.1; done";
        let mut child = Command::new("sh").args(["-c", script]).spawn().unwrap();
        let id = child.id();
        let waiting = std::thread::spawn(move || child.wait().unwrap());
        stop(id, || !waiting.is_finished());
        assert!(!waiting.join().unwrap().success());
    }
}
