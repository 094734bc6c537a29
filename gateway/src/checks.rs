//! What is said of policy sets. Checking one is work: one at a time, and what was said of it is said again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::cores::{Checked, Cores};
use crate::problem::Problem;
use crate::recent::Recent;

/// How long it is said again.
const SAID_FOR: Duration = Duration::from_secs(3_600);

/// Policy sets that wait for one another to be checked, and what was said of the last few.
#[derive(Debug)]
pub(crate) struct Checks {
    turn: Semaphore,
    said: Recent<String, Checked>,
}

impl Checks {
    /// Remembers what was said of `most` of them.
    pub(crate) const fn new(most: usize) -> Self {
        Self {
            turn: Semaphore::const_new(1),
            said: Recent::new(SAID_FOR, most),
        }
    }

    /// What is said of a policy set, found off the threads that answer requests.
    pub(crate) async fn check(
        &self,
        cores: &Arc<dyn Cores>,
        content: String,
    ) -> Result<Checked, Problem> {
        let cores = Arc::clone(cores);
        self.once(content, move |text| cores.check_policies(text))
            .await
    }

    async fn once(
        &self,
        content: String,
        check: impl FnOnce(&str) -> Checked + Send + 'static,
    ) -> Result<Checked, Problem> {
        let unavailable = |error: &dyn std::fmt::Display| Problem::unavailable(error.to_string());
        if let Some(said) = self.said.get(&content, Instant::now()) {
            return Ok(said);
        }
        let _turn = self
            .turn
            .acquire()
            .await
            .map_err(|error| unavailable(&error))?;
        let now = Instant::now();
        // Whoever was before may have asked of the same one.
        if let Some(said) = self.said.get(&content, now) {
            return Ok(said);
        }
        let text = content.clone();
        let checked = tokio::task::spawn_blocking(move || check(&text))
            .await
            .map_err(|error| unavailable(&error))?;
        self.said.put(content, checked.clone(), now);
        Ok(checked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Checked {
        Checked {
            digest: text.to_owned(),
            ..Checked::default()
        }
    }

    #[tokio::test]
    async fn many_who_ask_of_the_same_set_at_once_are_one_check() {
        let checks = Checks::new(2);
        let (first, second) = tokio::join!(
            checks.once("a".to_owned(), said),
            checks.once("a".to_owned(), |_| said("checked twice")),
        );
        assert_eq!(first, second);
        let other = checks.once("b".to_owned(), said).await;
        assert_eq!(other.map(|checked| checked.digest), Ok("b".to_owned()));
    }
}
