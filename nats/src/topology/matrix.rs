//! Who may publish where: each user what it needs and nothing else.

use aegis_schemas::Stream;

use super::{Bucket, Durable, How, Settings};
use crate::Service;

/// What a user may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// Subjects that it may publish on.
    pub publish: Vec<String>,
    /// Subjects that it may subscribe.
    pub subscribe: Vec<String>,
}

impl Permissions {
    /// Whether publishing on `subject` is allowed.
    #[must_use]
    pub fn may_publish(&self, subject: &str) -> bool {
        self.publish.iter().any(|pattern| covers(pattern, subject))
    }
}

/// Whether a pattern with `*` and `>` covers a subject.
pub(super) fn covers(pattern: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    for part in pattern.split('.') {
        match (part, tokens.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (part, Some(token)) if part == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

/// What `service` may do in an installation with these settings.
#[must_use]
pub fn permissions(service: &Service, settings: &Settings) -> Permissions {
    let mut publish = own_subjects(service);
    match service {
        Service::Ingest => {
            publish.extend(consumers(service, settings));
            publish.extend(state(service));
            publish.extend(health(service));
            publish.extend(streams());
        }
        Service::Detector | Service::Policy => {
            publish.extend(consumers(service, settings));
            publish.extend(resets(service, settings));
            publish.extend(state(service));
            publish.extend(health(service));
            publish.extend(streams());
        }
        Service::Executor => {
            publish.extend(consumers(service, settings));
            publish.push(Bucket::Exec.subject(">"));
            publish.extend(read(Bucket::Exec, ">"));
            publish.extend(read_from_leader(Bucket::Halt));
            publish.extend(health(service));
            publish.extend(streams());
        }
        Service::AuditSink => {
            publish.extend(consumers(service, settings));
            publish.extend(health(service));
            publish.extend(streams());
        }
        Service::Gateway => {
            publish.push(Bucket::Halt.subject(">"));
            publish.extend(read_from_leader(Bucket::Halt));
            publish.extend(everyones_health(service));
            publish.extend(streams());
        }
        Service::Notify => {
            publish.extend(consumers(service, settings));
            publish.push(Bucket::Notify.subject(">"));
            publish.extend(read(Bucket::Notify, ">"));
            publish.extend(everyones_health(service));
            publish.extend(streams());
        }
        // To make one anew. Buckets hold what nobody could make again.
        Service::Provisioner => {
            let delete = |stream| format!("$JS.API.STREAM.DELETE.{stream}");
            publish.extend(Stream::ALL.map(delete));
        }
        Service::Doctor | Service::Publisher(_) => {}
    }
    Permissions {
        publish,
        subscribe: vec![format!("{}.>", service.inbox())],
    }
}

/// The messages that a user makes, and what the two jobs do.
fn own_subjects(service: &Service) -> Vec<String> {
    let list: &[&str] = match service {
        Service::Ingest => &["aegis.v1.metric.>", "aegis.v1.signal.>"],
        Service::Detector => &[
            "aegis.v1.anomaly.>",
            "aegis.v1.incident.>",
            "aegis.v1.assessment.>",
        ],
        Service::Policy => &["aegis.v1.decision.>"],
        Service::Executor => &["aegis.v1.action.>"],
        Service::AuditSink | Service::Notify => &[],
        Service::Gateway => &[
            "aegis.v1.command.>",
            "aegis.v1.access.>",
            "aegis.v1.intake.gateway.>",
        ],
        Service::Doctor => &[
            "$JS.API.INFO",
            "$JS.API.STREAM.LIST",
            "$JS.API.STREAM.NAMES",
            "$JS.API.STREAM.INFO.>",
            "$JS.API.CONSUMER.LIST.>",
            "$JS.API.CONSUMER.NAMES.>",
            "$JS.API.CONSUMER.INFO.>",
            crate::check::SERVER_CONFIGURATION,
        ],
        Service::Provisioner => &[
            "$JS.API.STREAM.CREATE.>",
            "$JS.API.STREAM.UPDATE.>",
            "$JS.API.STREAM.INFO.>",
            "$JS.API.STREAM.MSG.GET.AEGIS_EVENTS",
            "$JS.API.CONSUMER.CREATE.>",
            "$JS.API.CONSUMER.DURABLE.CREATE.>",
            "$JS.API.CONSUMER.INFO.>",
            "aegis.v1.signal.genesis.>",
            "aegis.v1.command.activate.>",
            "aegis.v1.command.mode.>",
            "aegis.v1.command.freeze.>",
            "aegis.v1.command.kill_switch.>",
        ],
        Service::Publisher(name) => return vec![format!("aegis.v1.intake.{name}.>")],
    };
    let mut subjects: Vec<_> = list.iter().map(ToString::to_string).collect();
    if !matches!(service, Service::Doctor | Service::Provisioner) {
        subjects.push(format!("aegis.v1.dlq.{service}.>"));
    }
    subjects
}

/// Reads of the user's consumers and their acknowledgements.
fn consumers(service: &Service, settings: &Settings) -> Vec<String> {
    own(service, settings)
        .flat_map(|durable| {
            let place = format!("{}.{}", durable.stream, durable.name);
            let mut subjects = vec![
                format!("$JS.API.CONSUMER.INFO.{place}"),
                format!("$JS.API.CONSUMER.MSG.NEXT.{place}"),
                format!("$JS.ACK.{place}.>"),
            ];
            // Whoever reads all of a stream may look at a message that never arrives.
            if durable.filters.is_empty() {
                subjects.push(format!("$JS.API.STREAM.MSG.GET.{}", durable.stream));
            }
            subjects
        })
        .collect()
}

/// Going back to a snapshot.
fn resets(service: &Service, settings: &Settings) -> Vec<String> {
    own(service, settings)
        .filter(|durable| durable.how == How::InOrder)
        .map(|durable| format!("$JS.API.CONSUMER.RESET.{}.{}", durable.stream, durable.name))
        .collect()
}

fn own<'a>(service: &'a Service, settings: &Settings) -> impl Iterator<Item = Durable> + 'a {
    Durable::all(settings)
        .into_iter()
        .filter(move |durable| durable.service == *service)
}

/// How full a stream is and which epoch it has; tells nothing of its messages.
fn streams() -> impl Iterator<Item = String> {
    Stream::ALL
        .into_iter()
        .map(|stream| format!("$JS.API.STREAM.INFO.{stream}"))
}

/// The service's own leases and snapshots.
fn state(service: &Service) -> Vec<String> {
    let own = format!("{service}.>");
    let mut subjects = vec![Bucket::State.subject(&own)];
    subjects.extend(read(Bucket::State, &own));
    subjects
}

/// The audit sink's health, and a place for one's own.
fn health(service: &Service) -> Vec<String> {
    let mut subjects = read(Bucket::Health, Service::AuditSink.as_str());
    subjects.push(Bucket::Health.subject(service.as_str()));
    subjects
}

/// Everybody's health, and a place for one's own.
fn everyones_health(service: &Service) -> Vec<String> {
    let mut subjects = read(Bucket::Health, ">");
    subjects.push(Bucket::Health.subject(service.as_str()));
    subjects
}

/// Reads that only the leader answers. The server cannot bound them to keys.
fn read_from_leader(bucket: Bucket) -> Vec<String> {
    vec![
        format!("$JS.API.STREAM.INFO.{}", bucket.stream()),
        format!("$JS.API.STREAM.MSG.GET.{}", bucket.stream()),
    ]
}

fn read(bucket: Bucket, keys: &str) -> Vec<String> {
    vec![
        format!("$JS.API.STREAM.INFO.{}", bucket.stream()),
        format!(
            "$JS.API.DIRECT.GET.{}.{}",
            bucket.stream(),
            bucket.subject(keys)
        ),
    ]
}
