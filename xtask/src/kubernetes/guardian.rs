//! Kills servers whose starter died without having stopped them.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// `watch ID` takes a process into care, `follow ID` waits for another's end. When its input ends, which
/// it does when the starter is gone, however that died, it kills what it watches.
const SCRIPT: &str = r#"
while read -r order id; do
  case $order in
    watch) ids="$ids $id" ;;
    follow) while kill -0 "$id"; do sleep 1; done ;;
  esac
done
kill -KILL $ids
"#;

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
        self.order("watch", id)
    }

    /// Acts when this process ends, whatever program it becomes until then.
    pub(super) fn hand_over(mut self) -> Result<()> {
        self.order("follow", std::process::id())?;
        // Dropped, it would be stopped.
        std::mem::forget(self);
        Ok(())
    }

    fn order(&mut self, order: &str, id: u32) -> Result<()> {
        let input = self.0.stdin.as_mut().context("the guardian has no input")?;
        writeln!(input, "{order} {id}").context("the guardian is gone")
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
    fn what_was_handed_over_lives_as_long_as_its_new_owner() {
        let mut sleeper = sleeper();
        let mut owner = Command::new("sleep").arg("600").spawn().unwrap();
        let mut guardian = Guardian::start().unwrap();
        guardian.watch(sleeper.id()).unwrap();
        guardian.order("follow", owner.id()).unwrap();
        drop(guardian.0.stdin.take());
        assert!(sleeper.try_wait().unwrap().is_none());
        owner.kill().unwrap();
        owner.wait().unwrap();
        assert_eq!(sleeper.wait().unwrap().signal(), Some(9));
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
