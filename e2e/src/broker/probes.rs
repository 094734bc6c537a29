//! What is tried on the bus: everything that the product declares, whoever it is meant for, every request
//! that JetStream and the server know about it, and what is nobody's.

use std::collections::BTreeSet;

use aegis_nats::topology::{Bucket, Durable, Settings, declaration, permissions};
use aegis_schemas::Stream;

/// Requests about a stream, `$JS.API.<verb>.<stream>`.
const STREAM_VERBS: [&str; 14] = [
    "STREAM.CREATE",
    "STREAM.UPDATE",
    "STREAM.INFO",
    "STREAM.DELETE",
    "STREAM.PURGE",
    "STREAM.MSG.GET",
    "STREAM.MSG.DELETE",
    "STREAM.SNAPSHOT",
    "STREAM.RESTORE",
    "STREAM.PEER.REMOVE",
    "STREAM.LEADER.STEPDOWN",
    "DIRECT.GET",
    "CONSUMER.NAMES",
    "CONSUMER.LIST",
];

/// Requests about a consumer, `$JS.API.CONSUMER.<verb>.<stream>.<consumer>`.
const CONSUMER_VERBS: [&str; 9] = [
    "CREATE",
    "DURABLE.CREATE",
    "INFO",
    "DELETE",
    "MSG.NEXT",
    "PAUSE",
    "RESET",
    "UNPIN",
    "LEADER.STEPDOWN",
];

/// What comes after the stage of a subject and before the cluster.
const KINDS: [(&str, &[&str]); 8] = [
    ("metric", &["0", "1", "2"]),
    (
        "signal",
        &["genesis", "heartbeat", "workload", "pod", "change"],
    ),
    ("assessment", &["verified", "regressed"]),
    ("decision", &["allow", "deny", "ask", "escalate"]),
    ("action", &["applied", "refused"]),
    (
        "command",
        &[
            "activate",
            "mode",
            "approve",
            "undo",
            "kill_switch",
            "resume",
        ],
    ),
    ("access", &["signed_in"]),
    ("probe", &["probe"]),
];

/// What belongs to nobody who runs Aegis.
const FOREIGN: [&str; 45] = [
    "probe",
    "probe.probe",
    "aegis",
    "aegis.v1",
    "aegis.v1.probe",
    "aegis.v2.decision.allow.demo.shop.cart",
    // Wildcards are words when somebody publishes on them.
    ">",
    "*",
    "aegis.>",
    "aegis.v1.>",
    "aegis.v1.*.demo.shop.cart",
    "aegis.*.decision.allow.demo.shop.cart",
    "$KV.>",
    "$KV.*.demo",
    "$JS.>",
    "$JS.API.>",
    "$SYS.>",
    "$JS.API.INFO",
    "$JS.API.STREAM.LIST",
    "$JS.API.STREAM.NAMES",
    "$JS.API.STREAM.TEMPLATE.NAMES",
    "$JS.API.META.LEADER.STEPDOWN",
    "$JS.API.SERVER.REMOVE",
    "$JS.API.ACCOUNT.PURGE.AEGIS",
    "$JS.API.ACCOUNT.STREAM.MOVE.AEGIS.AEGIS_EVENTS",
    "$JS.probe.API.INFO",
    "$JS.SNAPSHOT.ACK.AEGIS_EVENTS.probe",
    "$JS.SNAPSHOT.RESTORE.AEGIS_EVENTS.probe",
    "$JS.EVENT.ADVISORY.STREAM.DELETED.AEGIS_EVENTS",
    "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.AEGIS_EVENTS.policy-demo",
    "$JS.EVENT.METRIC.probe",
    "$SYS.REQ.SERVER.PING",
    "$SYS.REQ.SERVER.PING.JSZ",
    "$SYS.REQ.SERVER.PING.CONNZ",
    "$SYS.REQ.SERVER.probe.RELOAD",
    "$SYS.REQ.SERVER.probe.KICK",
    "$SYS.REQ.ACCOUNT.AEGIS.CONNZ",
    "$SYS.REQ.CLAIMS.UPDATE",
    "$SYS.REQ.USER.INFO",
    "$SYS.ACCOUNT.AEGIS.DISCONNECT",
    "$MQTT.sess.probe",
    "$O.probe.C.probe",
    "_INBOX.probe",
    "_R_.probe.probe",
    "_GR_.probe.probe.probe",
];

/// Subjects to publish on.
#[must_use]
pub fn publish(settings: &Settings) -> BTreeSet<String> {
    let mut all: BTreeSet<String> = FOREIGN.map(str::to_owned).into();
    all.extend(messages());
    all.extend(streams(settings));
    all.extend(consumers(settings));
    all.extend(buckets());
    all.extend(inboxes(settings));
    all.extend(granted(settings));
    all
}

/// Subjects to subscribe: those, and the wildcards over them.
#[must_use]
pub fn subscribe(settings: &Settings) -> BTreeSet<String> {
    let mut all = publish(settings);
    let declared = Stream::ALL
        .into_iter()
        .flat_map(|stream| declaration(stream, settings, 0).subjects);
    all.extend(declared);
    for user in settings.services() {
        let inbox = user.inbox();
        all.extend([format!("{inbox}.>"), format!("{inbox}.*")]);
    }
    all.extend(["_INBOX_*.>", "*.>", "*.*", "$JS.ACK.>"].map(str::to_owned));
    all
}

/// Messages of every kind, about every cluster and one that is not watched.
fn messages() -> Vec<String> {
    let mut all = Vec::new();
    for cluster in ["demo", "prod_eu", "elsewhere"] {
        let place = format!("{cluster}.shop.cart");
        for stage in ["anomaly", "incident"] {
            all.push(format!("aegis.v1.{stage}.{place}"));
        }
        for (stage, kinds) in KINDS {
            all.extend(
                kinds
                    .iter()
                    .map(|kind| format!("aegis.v1.{stage}.{kind}.{place}")),
            );
        }
    }
    all
}

/// Everything that can be asked about a stream, and one that is not there.
fn streams(settings: &Settings) -> Vec<String> {
    let own = Stream::ALL.map(|stream| stream.name().to_owned());
    let buckets = Bucket::ALL.map(Bucket::stream);
    let mut all = Vec::new();
    for stream in own.into_iter().chain(buckets).chain(["OTHER".to_owned()]) {
        all.extend(STREAM_VERBS.map(|verb| format!("$JS.API.{verb}.{stream}")));
        all.push(format!("$JS.API.CONSUMER.CREATE.{stream}"));
    }
    for user in settings.services() {
        all.push(format!("aegis.v1.dlq.{user}.aegis_events"));
        all.push(format!("aegis.v1.intake.{user}.signals"));
    }
    all
}

/// Everything that can be asked about a consumer, in its stream and in another one.
fn consumers(settings: &Settings) -> Vec<String> {
    let mut all = Vec::new();
    for durable in Durable::all(settings) {
        let other = match durable.stream {
            Stream::Events => Stream::Metrics,
            _ => Stream::Events,
        };
        for place in [
            format!("{}.{}", durable.stream, durable.name),
            format!("{other}.{}", durable.name),
            format!("{}.probe", durable.stream),
        ] {
            all.extend(CONSUMER_VERBS.map(|verb| format!("$JS.API.CONSUMER.{verb}.{place}")));
            all.push(format!("$JS.ACK.{place}.1.1.1.1.1"));
            all.push(format!("$JS.ACK._.probe.{place}.1.1.1.1.1.probe"));
            all.push(format!("$JS.FC.{place}.probe"));
        }
    }
    all
}

/// Keys of every service in every bucket, written and read.
fn buckets() -> Vec<String> {
    let mut all = Vec::new();
    for bucket in Bucket::ALL {
        for key in [
            "demo",
            "ingest",
            "detector",
            "policy",
            "executor",
            "audit-sink",
            "gateway",
            "notify",
        ] {
            for key in [key.to_owned(), format!("{key}.probe")] {
                let subject = bucket.subject(&key);
                all.push(format!("$JS.API.DIRECT.GET.{}.{subject}", bucket.stream()));
                all.push(subject);
            }
        }
    }
    all
}

/// Answers that others wait for.
fn inboxes(settings: &Settings) -> Vec<String> {
    let inbox = |user: aegis_nats::Service| [user.inbox(), format!("{}.probe", user.inbox())];
    settings.services().into_iter().flat_map(inbox).collect()
}

/// What the product grants anybody, so that nothing it grants is left untried.
fn granted(settings: &Settings) -> Vec<String> {
    let mut all = Vec::new();
    for user in settings.services() {
        let may = permissions(&user, settings);
        for pattern in may.publish.into_iter().chain(may.subscribe) {
            let literal = pattern.replace(['*', '>'], "probe");
            all.extend([format!("{literal}.probe"), literal]);
        }
    }
    all
}
