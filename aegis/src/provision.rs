//! `aegis provision`: makes the streams, the tables and the roles, and puts on the log what shall hold:
//! the policy set, the incident core's thresholds and its model, the mode. Running it again changes only what differs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use aegis_audit_sink::database;
use aegis_audit_sink::read::Reader;
use aegis_nats::{Bus, Service};
use aegis_schemas::header::Meta;
use aegis_schemas::{
    Actor, Cluster, Command, CommandBody, ConfigurationKind, Digest, Entity, EntityKind, Event,
    EventId, Name, Scope, StandingOrders, Stream, Subject, codec,
};
use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::config::Config;
use crate::local::now;
use crate::model_file;
use crate::run::connect;

/// How long a command may take to be stored.
const PUBLISH_WITHIN: Duration = Duration::from_secs(30);
/// How long the audit sink may take to put the rest of a stream on record; what it had in hand when it
/// died comes again after a minute.
const ON_RECORD_WITHIN: Duration = Duration::from_secs(90);
/// The largest model that a message takes with what is said around it, in bytes.
const MAX_MODEL: usize = codec::MAX_BODY - 4_096;
/// As whom commands are given.
const WHO: &str = "provision";

/// What to make.
#[derive(Debug, Args)]
pub struct Provision {
    /// Make this stream anew: it ends once all of it is on record, and a new one begins. Fences go on
    /// rising. Can be given more than once.
    #[arg(long, value_name = "STREAM", value_parser = stream)]
    new_epoch: Vec<Stream>,
}

fn stream(name: &str) -> Result<Stream, String> {
    Stream::from_name(name).ok_or_else(|| {
        let names = Stream::ALL.map(Stream::name).join(", ");
        format!("there is no such stream; there are {names}")
    })
}

impl Provision {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When a configuration is wrong, before anything is made; when a stream that is to be made anew is not
    /// on record; or when NATS, PostgreSQL or Kubernetes refuse.
    pub async fn run(&self, config: &Config) -> Result<()> {
        provision(config, &self.new_epoch).await
    }
}

async fn provision(config: &Config, anew: &[Stream]) -> Result<()> {
    config.validate()?;
    let wanted = Wanted::read(config)?;
    let admin =
        fs::read_to_string(&config.provision.database_admin_url_file).with_context(|| {
            format!(
                "cannot read `{}`, the URL of a PostgreSQL role that may make databases and roles",
                config.provision.database_admin_url_file.display()
            )
        })?;
    database::provision(admin.trim(), &config.provision.database_urls_dir)
        .await
        .context("cannot provision PostgreSQL")?;
    eprintln!("PostgreSQL: database, roles and tables are there");

    let reader = Reader::connect_file(&config.audit.database_url_file).await?;
    let uid = aegis_executor::cluster_uid(&config.executor)
        .await
        .context("cannot ask the cluster for its uid")?;
    let uids = BTreeMap::from([(config.executor.cluster.clone(), uid)]);
    let bus = connect(config, Service::Provisioner).await?;
    let ended = aegis_nats::retire(&bus, &config.topology, anew, ON_RECORD_WITHIN).await;
    let last = ended.context("no stream is made anew")?.unwrap_or(0);
    // A stream that is made anew counts from 1 again: its epoch keeps fences rising.
    let epoch = last.max(reader.last_epoch().await?).saturating_add(1);
    let made = aegis_nats::provision::provision_with(&bus, &config.topology, epoch, &uids)
        .await
        .context("cannot provision NATS")?;
    eprintln!(
        "NATS: epoch {}, {} streams, buckets and consumers were made",
        made.events_epoch,
        made.created.len()
    );

    let said = Said::read(&reader, made.events_epoch).await?;
    for cluster in &config.topology.clusters {
        for body in wanted.commands(cluster, &said) {
            say(&bus, cluster, &said, body).await?;
        }
    }
    bus.drain().await?;
    Ok(())
}

/// What shall hold.
struct Wanted {
    configurations: Vec<(ConfigurationKind, String)>,
    mode: aegis_schemas::Mode,
}

impl Wanted {
    fn read(config: &Config) -> Result<Self> {
        let policy = aegis_policy::bundle(&config.provision.policy_dir)?;
        aegis_policy::Rules::parse(&policy)?;
        let file = &config.provision.incidents_file;
        let incidents = fs::read_to_string(file)
            .with_context(|| format!("cannot read `{}`", file.display()))?;
        aegis_detector::incidents::Config::parse(&incidents)
            .with_context(|| format!("`{}` is wrong", file.display()))?;
        let mut configurations = vec![
            (ConfigurationKind::Policy, policy),
            (ConfigurationKind::Incidents, incidents),
        ];
        if let Some(file) = &config.provision.model_file {
            let (_, text) = model_file::read(file).context("`provision.model_file`")?;
            // Before anything is said: half of it would hold.
            ensure!(
                text.len() <= MAX_MODEL,
                "`provision.model_file` is {} KiB, and a message takes {}: `aegis train --trees 100` makes a smaller one",
                text.len() >> 10,
                MAX_MODEL >> 10
            );
            configurations.push((ConfigurationKind::Model, text));
        }
        Ok(Self {
            configurations,
            mode: config.provision.mode,
        })
    }

    /// What must be said so that it holds. The mode is only a beginning: people change it, and in a stream
    /// that was made anew what stood in the one before stands again.
    fn commands(&self, cluster: &Cluster, said: &Said) -> Vec<CommandBody> {
        let mut commands: Vec<CommandBody> = self
            .configurations
            .iter()
            .map(|(what, content)| (what, content, Digest::of(content.as_bytes())))
            .filter(|(what, _, digest)| said.active.get(&(cluster.clone(), **what)) != Some(digest))
            .map(|(what, content, digest)| CommandBody::Activate {
                what: *what,
                digest,
                content: content.clone(),
            })
            .collect();
        match said.stood.get(cluster) {
            // Said again only where it is not yet: an earlier run may have ended in the middle.
            Some(stood) => {
                let unsaid = |body: &CommandBody| match body {
                    CommandBody::Mode { scope, .. } => !said.modes.contains(scope),
                    _ => true,
                };
                commands.extend(again(stood).into_iter().filter(unsaid));
                let unread = said.unread.get(cluster).cloned();
                commands.extend(unread.unwrap_or_default());
            }
            None if said.modes.iter().any(|scope| scope.cluster == *cluster) => {}
            None => commands.push(CommandBody::Mode {
                scope: Scope {
                    cluster: cluster.clone(),
                    namespace: None,
                    action: None,
                },
                mode: self.mode,
            }),
        }
        commands
    }
}

/// The commands that let orders stand again, those that forbid first, and of modes the narrower first: what is
/// forbidden in a namespace is so before the cluster's mode allows it.
fn again(stood: &StandingOrders) -> Vec<CommandBody> {
    let halted = stood.halted.iter().cloned();
    let mut commands: Vec<CommandBody> = halted
        .map(|cluster| CommandBody::KillSwitch { cluster })
        .collect();
    let freezes = stood.freezes.iter().cloned();
    commands.extend(
        freezes
            .filter(|(_, until)| *until > now())
            .map(|(scope, until)| CommandBody::Freeze { scope, until }),
    );
    let modes = stood.modes.iter().rev().cloned();
    commands.extend(modes.map(|(scope, mode)| CommandBody::Mode { scope, mode }));
    commands
}

/// What the record holds of earlier commands.
#[derive(Debug, Default)]
struct Said {
    /// How many commands there are: makes the id of a repeated one another.
    commands: usize,
    /// What holds: the policy set as policy said it last, for it may refuse one; of what nobody answers,
    /// what was put into force last.
    active: BTreeMap<(Cluster, ConfigurationKind), Digest>,
    /// What was given a mode in this stream.
    modes: BTreeSet<Scope>,
    /// What stood in the stream before this one.
    stood: BTreeMap<Cluster, StandingOrders>,
    /// What people forbade there after policy had said so. What they allowed they have to say again: whether
    /// they might is policy's to judge.
    unread: BTreeMap<Cluster, Vec<CommandBody>>,
}

impl Said {
    async fn read(reader: &Reader, epoch: u16) -> Result<Self> {
        let mut said = Self::default();
        let mut read = BTreeMap::new();
        for (core, standing) in reader.standing().await? {
            let Some(Ok(cluster)) = core.strip_prefix("policy/").map(Cluster::parse) else {
                continue;
            };
            // A stream that was made anew holds no policy set and no orders.
            if standing.epoch != epoch {
                read.insert(cluster.clone(), standing.place());
                said.stood.insert(cluster, standing.orders);
            } else if let Some(policy) = standing.policy {
                said.active
                    .insert((cluster, ConfigurationKind::Policy), policy);
            }
        }
        for record in reader.commands().await? {
            let Ok(Event::Command(command)) = record.event() else {
                continue;
            };
            said.commands += 1;
            let Some(cluster) = cluster_of(&record.subject) else {
                continue;
            };
            if record.epoch != epoch {
                let unread = read.get(&cluster);
                if unread.is_some_and(|read| (record.epoch, record.seq) > *read)
                    && forbids(&command.body)
                {
                    said.unread.entry(cluster).or_default().push(command.body);
                }
                continue;
            }
            match command.body {
                CommandBody::Activate {
                    what: what @ (ConfigurationKind::Incidents | ConfigurationKind::Model),
                    digest,
                    ..
                } => {
                    said.active.insert((cluster, what), digest);
                }
                CommandBody::Mode { scope, .. } => {
                    said.modes.insert(scope);
                }
                _ => {}
            }
        }
        Ok(said)
    }
}

fn forbids(body: &CommandBody) -> bool {
    match body {
        CommandBody::KillSwitch { .. } => true,
        CommandBody::Freeze { until, .. } => *until > now(),
        CommandBody::Mode { mode, .. } => *mode == aegis_schemas::Mode::Observe,
        _ => false,
    }
}

/// The cluster in `aegis.v1.command.<kind>.<cluster>.…`, where `_` stands for a dot.
fn cluster_of(subject: &str) -> Option<Cluster> {
    Cluster::parse(subject.split('.').nth(4)?.replace('_', ".")).ok()
}

async fn say(bus: &Bus, cluster: &Cluster, said: &Said, body: CommandBody) -> Result<()> {
    let name = Name::parse(cluster.as_str())?;
    let entity = Entity::cluster_scoped(cluster.clone(), EntityKind::Cluster, name);
    let subject = Subject::command(body.token(), &entity);
    let what = match &body {
        CommandBody::Activate { what, digest, .. } => format!("{what:?} {digest}"),
        CommandBody::Mode { mode, .. } => format!("mode {mode}"),
        other => other.token().to_owned(),
    };
    let event = Event::Command(Command {
        actor: Actor {
            name: WHO.to_owned(),
            roles: BTreeSet::from(["admin".to_owned()]),
        },
        reason: "aegis provision".to_owned(),
        body,
    });
    let bytes = event
        .encode()
        .context("the configuration is too large for one message")?;
    let source = format!("{WHO}/{cluster}/{}", said.commands);
    let meta = Meta {
        id: EventId::of_content(&source, &bytes),
        kind: event.kind().as_str().to_owned(),
        source: WHO.to_owned(),
        time: now(),
        cause: None,
        origin: None,
        traceparent: None,
    };
    bus.publisher()
        .publish(&subject, &meta, bytes.into(), Some(PUBLISH_WITHIN))
        .await
        .with_context(|| format!("cannot put {what} on the log"))?;
    eprintln!("{cluster}: {}", what.to_lowercase());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stood_stands_again_first_what_forbids_and_without_freezes_that_are_over() {
        let cluster = Cluster::parse("demo").expect("a valid name");
        let scope = Scope {
            cluster: cluster.clone(),
            namespace: None,
            action: None,
        };
        let over = now() - Duration::from_secs(60);
        let until = now() + Duration::from_secs(60);
        let stood = StandingOrders {
            modes: vec![(scope.clone(), aegis_schemas::Mode::Act)],
            freezes: vec![(scope.clone(), over), (scope.clone(), until)],
            halted: vec![cluster.clone()],
        };
        let expected = [
            CommandBody::KillSwitch { cluster },
            CommandBody::Freeze {
                scope: scope.clone(),
                until,
            },
            CommandBody::Mode {
                scope,
                mode: aegis_schemas::Mode::Act,
            },
        ];
        assert_eq!(again(&stood), expected);
    }
}
