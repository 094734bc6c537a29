//! `--check`: the demo without a person. It approves what policy asks with the very command that is
//! printed, and ends when both incidents are healed and the audit log is proven.

use std::time::Duration;

use aegis_schemas::Timestamp;
use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::narrator::Progress;
use super::story::Story;
use crate::local::tool::Tool;

/// By when everything must have happened.
pub(super) const WITHIN: Duration = Duration::from_secs(115);

/// The last line that is printed.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Report {
    /// When the first incident was opened, in seconds from the start.
    first_detection_s: Option<f64>,
    /// When the first act was verified.
    first_heal_s: Option<f64>,
    /// When the approved act was verified.
    second_heal_s: Option<f64>,
    /// How many entries the audit log had when it was verified.
    audit_entries: u64,
    /// The memory of the services' process.
    pub(super) rss_mb: Option<f64>,
    /// Processes of the demo that are still there after it ended.
    pub(super) processes_left: usize,
}

impl Report {
    /// Follows the story until all is done.
    ///
    /// # Errors
    ///
    /// When something failed; the report holds how far it came.
    pub(super) async fn follow(
        &mut self,
        story: &mut Story,
        tool: &Tool,
        began: Timestamp,
    ) -> Result<()> {
        let mut answered = 0;
        loop {
            let progress = story.go_on().await?;
            self.note(progress, began);
            let open: Vec<String> = progress.asked.iter().skip(answered).cloned().collect();
            for digest in open {
                answered += 1;
                let arguments = ["approvals", "approve", &digest, "--reason", "demo --check"];
                let said = tool.run(&arguments, "").await?;
                let first = said.lines().next().unwrap_or_default();
                println!("           approved by that command; policy says: {first}");
            }
            if self.first_heal_s.is_some() && self.second_heal_s.is_some() {
                break;
            }
        }
        let said = tool
            .run(&["audit", "verify"], "")
            .await
            .context("the audit log does not hold")?;
        println!("{}", said.trim_end());
        self.audit_entries = story.entries();
        Ok(())
    }

    fn note(&mut self, progress: &Progress, began: Timestamp) {
        let after = |at: Timestamp| (at.since(began).as_secs_f64() * 100.0).round() / 100.0;
        self.first_detection_s = progress.first_detection.map(after);
        self.first_heal_s = progress.heal(false).map(|heal| after(heal.at));
        self.second_heal_s = progress.heal(true).map(|heal| after(heal.at));
    }

    /// What has not happened.
    ///
    /// # Errors
    ///
    /// Always; says what is missing.
    pub(super) fn too_late(&self) -> Result<()> {
        let missing = match (
            self.first_detection_s,
            self.first_heal_s,
            self.second_heal_s,
        ) {
            (None, ..) => "nothing was detected",
            (_, None, _) => "the first incident is not healed",
            (.., None) => "the second incident is not healed",
            _ => "the audit log is not verified",
        };
        bail!("{missing} after {} s", WITHIN.as_secs())
    }
}
