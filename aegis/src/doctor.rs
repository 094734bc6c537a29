//! `aegis doctor`: what is missing or too wide, and what to do about it.

use aegis_executor::doctor::{Finding, Verdict, Watcher, examine};
use aegis_ingest::ObjectKind;
use aegis_nats::{Service, check};
use anyhow::Result;
use clap::Args;

use crate::config::Config;
use crate::exit::Ended;
use crate::run::connect;

/// Looks for what is missing or too wide.
#[derive(Debug, Args)]
#[command(
    after_help = "Changes nothing: rights are asked for, and writes that must be refused are dry runs. Needs the kubeconfig files\nof the executor and of ingest, and the doctor's key for NATS.\n\nExamples:\n  aegis doctor\n  aegis doctor --kubernetes\n  aegis doctor --json | jq '.[] | select(.verdict == \"too_wide\")'\n\nExit codes: 0 all is well, 1 something is missing or too wide"
)]
pub struct Doctor {
    /// Look at Kubernetes alone.
    #[arg(long)]
    kubernetes: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When something is wrong; all about it has been printed.
    pub async fn run(&self, config: &Config) -> Result<()> {
        config.validate()?;
        let watcher = Watcher {
            kubeconfig: config.ingest.kubeconfig.clone(),
            kinds: ObjectKind::ALL
                .map(|kind| (kind.resource().0, kind.resource().3))
                .to_vec(),
        };
        // A server that does not answer is told beside what the other one says.
        let mut findings = examine(&config.executor, &watcher)
            .await
            .unwrap_or_else(|error| vec![silent("Kubernetes", &error.into())]);
        if !self.kubernetes {
            let told = of_nats(config).await;
            findings.extend(told.unwrap_or_else(|error| vec![silent("NATS", &error)]));
        }
        if self.json {
            println!("{}", serde_json::to_string_pretty(&findings)?);
        } else {
            findings.iter().for_each(print);
        }
        if findings.iter().any(Finding::is_wrong) {
            return Err(Ended::Told.into());
        }
        Ok(())
    }
}

/// What to do about a difference at NATS.
const MEND: &str = "`aegis provision` for streams, buckets and consumers; for the server itself the nats-server.conf of \
                    `aegis config nats-server`, or a newer nats-server";

/// Streams, consumers and buckets against their declarations, and whether the server keeps what it takes.
async fn of_nats(config: &Config) -> Result<Vec<Finding>> {
    let bus = connect(config, Service::Doctor).await?;
    let differences = check::check(&bus, &config.topology).await;
    bus.drain().await?;
    Ok(match differences {
        Ok(()) => vec![Finding::ok(
            "NATS: streams, consumers and buckets as declared",
        )],
        Err(all) => all
            .into_iter()
            .map(|said| Finding::new(format!("NATS: {said}"), Verdict::Missing, MEND))
            .collect(),
    })
}

fn silent(server: &str, error: &anyhow::Error) -> Finding {
    Finding::new(server, Verdict::Missing, format!("{error:#}"))
}

fn print(finding: &Finding) {
    let verdict = match finding.verdict {
        Verdict::Ok => "ok",
        Verdict::LeftOut => "left out",
        Verdict::Missing => "MISSING",
        Verdict::TooWide => "TOO WIDE",
    };
    println!("{verdict:9} {}", finding.about);
    if !finding.advice.is_empty() {
        println!("{:9} {}", "", finding.advice);
    }
}
