//! `aegis audit replay`: runs the cores again over the record and compares every byte that they said,
//! signatures included. A difference is a bug of ours or a record that is not what happened.

mod player;

use aegis_audit_sink::read::Reader;
use aegis_detector::{incidents, scorer::Scorer};
use aegis_nats::topology::Durable;
use aegis_schemas::Stream;
use anyhow::{Context, Result, bail};
use clap::Args;

use crate::config::Config;
pub use player::{Outcome, Player, Said};

/// How the record is run again.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  aegis audit replay\n  aegis audit replay --snapshot-every 100 --json\n\nExit code 1 means that the record and the replay differ."
)]
pub struct Replay {
    /// Messages that are read at once; nothing depends on it.
    #[arg(long, default_value_t = 1_000)]
    page: usize,
    /// Write each core's state as a snapshot after so many messages and go on with a fresh core from it.
    #[arg(long)]
    snapshot_every: Option<u64>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Replay {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When the record cannot be read, or differs from the replay.
    pub async fn run(&self, config: &Config) -> Result<()> {
        let outcomes = self.outcomes(config).await?;
        if self.json {
            println!("{}", serde_json::to_string(&outcomes)?);
        } else {
            outcomes.iter().for_each(tell);
        }
        if outcomes.iter().all(Outcome::agrees) {
            return Ok(());
        }
        bail!("the record and the replay differ");
    }

    async fn outcomes(&self, config: &Config) -> Result<Vec<Outcome>> {
        let reader = Reader::connect_file(&config.audit.database_url_file).await?;
        let keys = crate::keys::read(&config.policy.keys_file)?;
        let said = self.said(&reader).await?;
        let cluster = &config.detector.cluster;
        let incidents = incidents::Core::new(cluster.clone(), incidents::Config::default());
        let policy = aegis_policy::Core::new(config.policy.cluster.clone(), keys);
        let mut incidents =
            Player::new(incidents, Durable::incidents(cluster), self.snapshot_every);
        let mut policy = Player::new(
            policy,
            Durable::policy(&config.policy.cluster),
            self.snapshot_every,
        );
        let mut after = 0;
        loop {
            let page = reader.stream(Stream::Events, after, self.page).await?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            for record in &page {
                incidents.play(record)?;
                policy.play(record)?;
            }
        }
        let mut outcomes = vec![incidents.compare(&said), policy.compare(&said)];
        for partition in 0..config.topology.partitions {
            let scorer = Scorer::new(partition, config.detector.scorer.clone());
            let mut player = Player::new(scorer, Durable::scorer(partition), self.snapshot_every);
            let mut after = 0;
            loop {
                let page = reader.stream(Stream::Metrics, after, self.page).await?;
                let Some(last) = page.last() else { break };
                after = last.seq;
                for record in &page {
                    player.play(record)?;
                }
            }
            outcomes.push(player.compare(&said));
        }
        Ok(outcomes)
    }

    /// What the record says that the cores said.
    async fn said(&self, reader: &Reader) -> Result<Said> {
        let mut said = Said::default();
        let mut after = 0;
        loop {
            let page = reader
                .stream(Stream::Events, after, self.page)
                .await
                .context("cannot read the record")?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            page.iter().for_each(|record| said.note(record));
        }
        Ok(said)
    }
}

fn tell(outcome: &Outcome) {
    let verdict = if outcome.agrees() { "same" } else { "DIFFERS" };
    println!(
        "{verdict}  {}: {} messages read, {} said again byte for byte",
        outcome.producer, outcome.inputs, outcome.same
    );
    for (what, events) in [
        ("said otherwise", &outcome.differing),
        ("not said again", &outcome.missing),
        ("said, but not on record", &outcome.unrecorded),
    ] {
        for event in events.iter().take(10) {
            println!("  {what}: {event}");
        }
    }
}
