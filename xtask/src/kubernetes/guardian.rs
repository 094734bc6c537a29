//! Kills servers whose starter died without having stopped them.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// Reads process ids until its input ends, which it does when the starter is gone, however that died.
const SCRIPT: &str = "while read -r id; do ids=\"$ids $id\"; done; kill -KILL $ids";

/// A shell that waits for the end of this process. It does not act when it is dropped.
#[derive(Debug)]
pub(super) struct Guardian(Child);

impl Guardian {
    pub(super) fn start() -> Result<Self> {
        let child = Command::new("sh")
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C in the terminal is for the starter.
            .process_group(0)
            .spawn();
        child.map(Self).context("cannot run `sh`")
    }

    /// Takes one more process into care.
    pub(super) fn watch(&mut self, id: u32) -> Result<()> {
        let input = self.0.stdin.as_mut().context("the guardian has no input")?;
        writeln!(input, "{id}").context("the guardian is gone")
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        // Before its input is closed: it would kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("600").spawn().unwrap()
    }

    #[test]
    fn what_a_dead_starter_left_is_killed() {
        let mut sleepers = [sleeper(), sleeper()];
        let mut guardian = Guardian::start().unwrap();
        for one in &sleepers {
            guardian.watch(one.id()).unwrap();
        }
        // What the system does to this pipe when a process dies.
        drop(guardian.0.stdin.take());
        for one in &mut sleepers {
            assert_eq!(one.wait().unwrap().signal(), Some(9));
        }
    }

    #[test]
    fn what_was_left_on_purpose_lives_on() {
        let mut sleeper = sleeper();
        let mut guardian = Guardian::start().unwrap();
        guardian.watch(sleeper.id()).unwrap();
        drop(guardian);
        assert!(sleeper.try_wait().unwrap().is_none());
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
    }
}
