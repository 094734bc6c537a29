//! `aegis simulate incidents`: labelled incidents in virtual time, as `aegis backtest diagnose` reads them.
//!
//! Each is a small simulated cluster in which one thing goes wrong. Its samples take the way that they
//! take in the product, through ingest's mapping into the scorer's features; what Kubernetes says of the
//! objects stands beside them, as signals tell it.

mod batches;
mod cores;
mod found;
mod play;
mod state;

use std::path::PathBuf;

use aegis_simulator::labelled::{KINDS, Labelled};
use anyhow::{Context, Result, bail};
use clap::Args;

use crate::backtest::folder::Found;
use crate::rehearse::seeds;

/// Writes labelled incidents.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "A folder per incident: metrics.csv (timestamp,entity,metric,value), graph.csv (caller,callee) and\nincident.json (id, detected_at, symptom, kind, root_entity). The same seed and kind give the same bytes. The kind\n`unknown` is a failure that is none of the others: something to test with, not to train with.\n\nWith --as-seen metrics.csv has four samples of each metric, which say what is usual and what is now: features\nthat the scorer blames, and what Kubernetes says of the workload. A model that a running detector asks\n(`provision.model_file`) is made from these. What the rules say of the incident stands in incident.json, `by_rules`.\n\nExamples:\n  aegis simulate incidents --output ./train --seeds 1-40\n  aegis simulate incidents --output ./test --seeds 1001-1010 --kinds all\n  aegis simulate incidents --output ./seen --seeds 1-40 --as-seen\n  aegis simulate incidents --output ./leaks --seeds 1-100 --kinds memory_leak,oom_limit_too_low"
)]
pub(super) struct Incidents {
    /// The folder that incidents are written to.
    #[arg(long, value_name = "FOLDER")]
    output: PathBuf,
    /// Which seeds: `7`, or `1-20`; each gives an incident of each kind.
    #[arg(long, default_value = "1", value_parser = seeds)]
    seeds: std::ops::RangeInclusive<u64>,
    /// Which kinds, separated by commas; `known` are all but `unknown`, `all` are all.
    #[arg(
        long,
        default_value = "known",
        value_delimiter = ',',
        value_name = "KIND"
    )]
    kinds: Vec<String>,
    /// Write what the incident core sees of the incidents that it opens, instead of all samples.
    #[arg(long)]
    as_seen: bool,
}

impl Incidents {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When a kind is not known, or the folder cannot be written.
    pub(super) async fn run(self) -> Result<()> {
        let kinds = kinds(&self.kinds)?;
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let jobs = self.seeds.clone().flat_map(|seed| {
            let kinds = kinds.clone();
            kinds.into_iter().map(move |kind| (kind, seed))
        });
        let mut jobs = jobs.peekable();
        let mut running = tokio::task::JoinSet::new();
        let (mut written, mut unseen) = (0_usize, 0_usize);
        while jobs.peek().is_some() || !running.is_empty() {
            while running.len() < workers
                && let Some((kind, seed)) = jobs.next()
            {
                let (output, as_seen) = (self.output.clone(), self.as_seen);
                running.spawn(async move {
                    let drawn = Labelled::draw(kind, seed)
                        .with_context(|| format!("there is no kind `{kind}`"))?;
                    let seen = if as_seen {
                        let view = play::view(&drawn, seed).await?;
                        view.map(|(incident, case)| Found::of_case(&incident, case))
                    } else {
                        Some(found::of_samples(&drawn, play::play(&drawn, seed).await?))
                    };
                    let is_found = seen.is_some();
                    seen.map_or(Ok(()), |seen| found::write(seen, &output, &drawn, seed))
                        .with_context(|| format!("cannot write below `{}`", output.display()))?;
                    anyhow::Ok(is_found)
                });
            }
            if let Some(ended) = running.join_next().await {
                if ended?? {
                    written += 1;
                } else {
                    unseen += 1;
                }
            }
        }
        eprintln!("{written} incidents in `{}`", self.output.display());
        if unseen > 0 {
            eprintln!("{unseen} faults were too small for the incident core to open an incident");
        }
        Ok(())
    }
}

/// The kinds that are asked for, in the order of [`KINDS`].
fn kinds(asked: &[String]) -> Result<Vec<&'static str>> {
    let is_known = |name: &str| matches!(name, "all" | "known") || KINDS.contains(&name);
    if let Some(name) = asked.iter().find(|name| !is_known(name)) {
        bail!("there is no kind `{name}`; kinds are {}", KINDS.join(", "));
    }
    let has = |name: &str| asked.iter().any(|one| one == name);
    let wanted = |kind: &&str| has(kind) || has("all") || (has("known") && *kind != "unknown");
    Ok(KINDS.into_iter().filter(wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_named_alone_or_together() {
        let of = |asked: &[&str]| {
            let asked: Vec<String> = asked.iter().map(|one| (*one).to_owned()).collect();
            kinds(&asked).map_err(|error| error.to_string())
        };
        assert_eq!(of(&["known"]).map(|all| all.len()), Ok(KINDS.len() - 1));
        assert_eq!(of(&["all"]), Ok(KINDS.to_vec()));
        assert_eq!(
            of(&["unknown", "crash_loop"]),
            Ok(vec!["crash_loop", "unknown"])
        );
        assert!(of(&["flu"]).is_err_and(|text| text.contains("`flu`")));
    }

    #[tokio::test]
    async fn an_incident_is_written_as_the_diagnosis_reads_it() -> Result<()> {
        let (one, two) = (tempfile::tempdir()?, tempfile::tempdir()?);
        for folder in [&one, &two] {
            let incidents = Incidents {
                output: folder.path().to_owned(),
                seeds: 3..=3,
                kinds: vec!["error_spike".to_owned()],
                as_seen: false,
            };
            incidents.run().await?;
        }
        let only = |folder: &tempfile::TempDir| -> Result<PathBuf> {
            let entry = std::fs::read_dir(folder.path())?.next();
            Ok(entry.context("a folder")??.path())
        };
        let (one, two) = (only(&one)?, only(&two)?);
        for file in ["metrics.csv", "graph.csv", "incident.json"] {
            let same = std::fs::read(one.join(file))? == std::fs::read(two.join(file))?;
            assert!(same, "{file} differs from run to run");
        }
        let told: serde_json::Value =
            serde_json::from_slice(&std::fs::read(one.join("incident.json"))?)?;
        assert_eq!(told["kind"], "error_spike");
        assert!(
            !told["id"].as_str().unwrap_or("error").contains("error"),
            "the id tells the kind"
        );
        let root = told["root_entity"].as_str().context("a root")?;
        let at = told["detected_at"].as_i64().context("a time")?;
        let (mut before, mut after, mut last) = (0.0_f64, 0.0_f64, 0);
        for row in csv::Reader::from_path(one.join("metrics.csv"))?.records() {
            let row = row?;
            let time: i64 = row[0].parse()?;
            assert!(time >= last, "rows are in time");
            last = time;
            if &row[1] == root && &row[2] == "error_ratio" {
                let side = if time < at - 900 {
                    &mut before
                } else {
                    &mut after
                };
                *side = side.max(row[3].parse()?);
            }
        }
        assert!(last > at, "nothing is told of the time after");
        assert!(after > before, "{before} {after}");
        Ok(())
    }

    #[tokio::test]
    async fn what_the_incident_core_sees_is_written_in_the_same_form() -> Result<()> {
        let output = tempfile::tempdir()?;
        let incidents = Incidents {
            output: output.path().to_owned(),
            seeds: 1..=1,
            kinds: vec!["memory_leak".to_owned()],
            as_seen: true,
        };
        incidents.run().await?;
        let entry = std::fs::read_dir(output.path())?.next();
        let folder = entry.context("a folder")??.path();
        let seen = crate::backtest::incidents::read(&folder)?
            .labelled()
            .context("labels")?;
        assert_eq!(seen.kind, "memory_leak");
        let root = &seen.case.entities[&seen.root];
        let memory: Vec<f64> = root["memory_utilisation"].iter().map(|one| one.1).collect();
        let (now, usual) = memory.split_last().context("samples")?;
        assert!(usual.iter().all(|value| value < now), "{memory:?}");
        assert!(root.contains_key("restarts"), "objects are told of");
        Ok(())
    }
}
