//! What every request handler shares.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aegis_nats::{Bus, Publisher, Stored};
use aegis_schemas::header::Meta;
use aegis_schemas::{
    AccessOutcome, Command, CommandBody, Entity, EntityKind, Event, EventId, Kind, Name, Subject,
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::access::{Happened, Recorder, now};
use crate::auth::Principal;
use crate::checks::Checks;
use crate::cores::Cores;
use crate::document::Document;
use crate::limits::Limit;
use crate::live::Live;
use crate::password::Passwords;
use crate::permits::Permits;
use crate::problem::Problem;
use crate::recent::Recent;
use crate::stages::Stage;
use crate::store::Store;
use crate::token::{Tokens, random};
use crate::{Config, Error};

/// How long a person waits for the bus before they are told that it does not answer.
const PUBLISH_WITHIN: Duration = Duration::from_secs(5);

/// How often it is looked whether policy has answered.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long it is not asked again how the audit log is; it may be silent for much longer.
const AUDIT_IS_WELL_FOR: Duration = Duration::from_secs(1);

/// The most drafts of policy sets of which it is remembered what was said.
const MAX_DRAFTS: usize = 8;
/// How long a key that was good is looked up, however many bad ones come from its address.
const GOOD_KEYS_FOR: Duration = Duration::from_secs(600);
/// The most of them.
const MAX_GOOD_KEYS: usize = 10_000;
/// How long it is not asked again how every stage is.
const STAGES_FOR: Duration = Duration::from_secs(1);

/// The limits on requests.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) address: Limit,
    pub(crate) user: Limit,
    pub(crate) sign_in_account: Limit,
    pub(crate) sign_in_address: Limit,
}

/// What every request handler shares.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) bus: Bus,
    pub(crate) publisher: Publisher,
    pub(crate) tokens: Tokens,
    pub(crate) passwords: Passwords,
    pub(crate) access: Recorder,
    pub(crate) limits: Limits,
    pub(crate) cores: Arc<dyn Cores>,
    pub(crate) permits: Permits,
    /// What is said of the policy set in force, however many drafts wait.
    pub(crate) in_force: Checks,
    /// What is said of policy sets that somebody thinks of.
    pub(crate) drafts: Checks,
    /// Fingerprints of the API keys that were good of late.
    pub(crate) good_keys: Recent<Vec<u8>, ()>,
    /// That the audit log is well enough for more to be taken.
    pub(crate) audit_is_well: Recent<(), ()>,
    /// How every stage was a moment ago: whoever asks for the health needs no sign-in.
    pub(crate) stages: Recent<(), Vec<Stage>>,
    pub(crate) document: Document,
    pub(crate) live: Live,
    /// Answers that never end by themselves end with it.
    pub(crate) stopping: CancellationToken,
}

impl App {
    pub(crate) async fn new(
        bus: Bus,
        config: Config,
        access: Recorder,
        cores: Arc<dyn Cores>,
        stopping: CancellationToken,
    ) -> Result<Self, Error> {
        let tokens = Tokens::load(
            &config.token_secret_file,
            &config.issuer,
            config.access_lifetime,
        )?;
        Ok(Self {
            store: Store::connect(&config.database_url_file).await?,
            publisher: bus.publisher(),
            limits: Limits {
                address: Limit::new(config.per_address),
                user: Limit::new(config.per_user),
                sign_in_account: Limit::new(config.sign_ins_per_account),
                sign_in_address: Limit::new(config.sign_ins_per_address),
            },
            passwords: Passwords::default(),
            bus,
            tokens,
            access,
            config,
            document: Document::new(crate::routes::document(), |call| {
                cores.permits(call).is_ok()
            }),
            in_force: Checks::new(1),
            drafts: Checks::new(MAX_DRAFTS),
            good_keys: Recent::new(GOOD_KEYS_FOR, MAX_GOOD_KEYS),
            audit_is_well: Recent::new(AUDIT_IS_WELL_FOR, 1),
            stages: Recent::new(STAGES_FOR, 1),
            permits: Permits::new(Arc::clone(&cores)),
            cores,
            stopping,
            live: Live::default(),
        })
    }

    /// Notes that somebody was let in or refused.
    pub(crate) fn note(&self, who: &Principal, outcome: AccessOutcome, reason: &str) {
        self.access.note(Happened {
            actor: Some(who.name.clone()),
            outcome,
            operation: who.operation.clone(),
            reason: reason.to_owned(),
            address: who.address.clone(),
        });
    }

    /// Puts a command of `who` on the log. `key` makes a repeated request the same command.
    pub(crate) async fn command(
        &self,
        who: &Principal,
        about: Option<&Entity>,
        reason: String,
        body: CommandBody,
        key: Option<&str>,
    ) -> Result<(EventId, Stored), Problem> {
        let subject = Subject::command(body.token(), &self.subject_entity(about));
        let command = Event::Command(Command {
            actor: who.actor(),
            reason,
            body,
        });
        let bytes = command
            .encode()
            .map_err(|error| Problem::too_large(error.to_string()))?;
        let id = match key {
            Some(key) => EventId::of_content(&format!("gateway/{}/{key}", who.name), &bytes),
            None => EventId::of_content("gateway", &random::<16>()),
        };
        let meta = Meta {
            id,
            kind: Kind::Command.as_str().to_owned(),
            source: "gateway".to_owned(),
            time: now(),
            cause: None,
            origin: None,
            traceparent: None,
        };
        let stored = self
            .publisher
            .publish(&subject, &meta, bytes.into(), Some(PUBLISH_WITHIN))
            .await?;
        Ok((id, stored))
    }

    /// What policy says to a command, if it says so within that time.
    pub(crate) async fn decision_within(
        &self,
        command: EventId,
        within: Duration,
    ) -> Result<Option<Value>, Problem> {
        let until = Instant::now() + within;
        while Instant::now() < until {
            if let Some(decision) = self.store.decision_of(command).await? {
                return Ok(Some(decision));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(None)
    }

    /// What a command without an object is about: the cluster.
    fn subject_entity(&self, about: Option<&Entity>) -> Entity {
        about.cloned().unwrap_or_else(|| {
            let cluster = self.config.cluster.clone();
            let name = Name::parse(cluster.as_str()).expect("a cluster's name is a name");
            Entity::cluster_scoped(cluster, EntityKind::Cluster, name)
        })
    }
}
