//! The demo's configuration: that of any installation with the profile laid over it. The profile is two
//! files of settings; there is no other difference between the demo and production.

use std::path::Path;

use aegis_schemas::Cluster;
use anyhow::{Context, Result};
use figment::Figment;
use figment::providers::{Format, Serialized, Toml};

use crate::config::Config;
use crate::init;
use crate::local::place::Place;
use crate::local::ports::Ports;

const SETTINGS: &str = include_str!("profile/aegis.toml");
/// The incident core's thresholds and durations.
pub const INCIDENTS: &str = include_str!("profile/incidents.toml");

/// Makes the installation.
///
/// # Errors
///
/// When it cannot be written.
pub fn install(place: &Place, ports: &Ports) -> Result<Config> {
    let wanted = configuration(place, ports)?;
    let home = place.installation();
    init::make(&home, &wanted, ports.nats)?;
    let thresholds = home.join(&wanted.provision.incidents_file);
    std::fs::write(&thresholds, INCIDENTS)
        .with_context(|| format!("cannot write `{}`", thresholds.display()))?;
    Ok(wanted)
}

/// The settings with the profile laid over them; ports and files are still those of any installation.
///
/// # Errors
///
/// When the profile is wrong.
pub fn settings() -> Result<Config> {
    let cluster = Cluster::parse("demo").expect("a valid name, written here");
    Figment::from(Serialized::defaults(init::installation(&cluster)))
        .merge(Toml::string(SETTINGS))
        .extract()
        .context("the demo's profile is wrong")
}

fn configuration(place: &Place, ports: &Ports) -> Result<Config> {
    let mut wanted = settings()?;
    let kubeconfig = |user: &str| Some(place.kubeconfigs().join(format!("{user}.kubeconfig")));
    wanted.bus.url = format!("nats://{}", ports.nats);
    wanted.admin.listen = ports.admin;
    wanted.gateway.listen = ports.gateway;
    wanted.gateway.issuer = format!("http://{}", ports.gateway);
    wanted.executor.kubeconfig = kubeconfig("aegis-executor");
    wanted.ingest.kubeconfig = kubeconfig("aegis-ingest");
    wanted.ingest.listen = ports.remote_write;
    for target in &mut wanted.ingest.scrape {
        target.url = format!("http://{}/metrics", ports.workloads);
    }
    wanted.ingest.backfill.prometheus_url = Some(format!("http://{}", ports.workloads));
    Ok(wanted)
}

/// The profile as text: what differs from the defaults.
#[must_use]
pub(super) fn shown() -> String {
    let settings = |text: &str| {
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        lines.map(|line| format!("  {line}\n")).collect::<String>()
    };
    format!(
        "the demo's profile (settings, nothing else):\n{}  incidents.toml\n{}",
        settings(SETTINGS),
        settings(INCIDENTS)
    )
}

/// The seed's and the scenario's place in the text that begins the demo.
#[must_use]
pub(super) fn is_file(scenario: &str) -> bool {
    Path::new(scenario)
        .extension()
        .is_some_and(|end| end == "toml")
}
