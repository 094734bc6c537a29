//! Who may do what on the bus, said again by hand: for the installation of [`CLUSTERS`], [`PARTITIONS`] and
//! [`PUBLISHERS`], and from nothing that the product computes. A right that the product grants beyond this
//! is a fault.

/// The clusters that are watched.
pub const CLUSTERS: [&str; 2] = ["demo", "prod.eu"];
/// How many scorers there are.
pub const PARTITIONS: u16 = 2;
/// The systems that may hand in on AEGIS_INTAKE.
pub const PUBLISHERS: [&str; 2] = ["billing", "ci"];

/// The seven services that run; the rest are jobs and strangers.
const RUNNING: [&str; 7] = [
    "ingest",
    "detector",
    "policy",
    "executor",
    "audit-sink",
    "gateway",
    "notify",
];

const STREAMS: [&str; 5] = [
    "AEGIS_METRICS",
    "AEGIS_EVENTS",
    "AEGIS_INTAKE",
    "AEGIS_DLQ",
    "AEGIS_ADVISORIES",
];

/// The subjects that each user may publish on by itself.
const OWN: &[(&str, &[&str])] = &[
    (
        "ingest",
        &[
            "aegis.v1.metric.>",
            "aegis.v1.signal.>",
            "aegis.v1.dlq.ingest.>",
        ],
    ),
    (
        "detector",
        &[
            "aegis.v1.anomaly.>",
            "aegis.v1.incident.>",
            "aegis.v1.assessment.>",
            "aegis.v1.dlq.detector.>",
        ],
    ),
    ("policy", &["aegis.v1.decision.>", "aegis.v1.dlq.policy.>"]),
    (
        "executor",
        &[
            "aegis.v1.action.>",
            "aegis.v1.dlq.executor.>",
            "$KV.aegis_exec.>",
            "$JS.API.STREAM.INFO.KV_aegis_exec",
            "$JS.API.DIRECT.GET.KV_aegis_exec.$KV.aegis_exec.>",
        ],
    ),
    ("audit-sink", &["aegis.v1.dlq.audit-sink.>"]),
    (
        "gateway",
        &[
            "aegis.v1.command.>",
            "aegis.v1.access.>",
            "aegis.v1.intake.gateway.>",
            "aegis.v1.dlq.gateway.>",
            "$KV.aegis_halt.>",
            // It shows how every stage is.
            "$JS.API.DIRECT.GET.KV_aegis_health.$KV.aegis_health.>",
        ],
    ),
    (
        "notify",
        &[
            "aegis.v1.dlq.notify.>",
            "$KV.aegis_notify.>",
            "$JS.API.STREAM.INFO.KV_aegis_notify",
            "$JS.API.DIRECT.GET.KV_aegis_notify.$KV.aegis_notify.>",
            // It says which service fell silent.
            "$JS.API.DIRECT.GET.KV_aegis_health.$KV.aegis_health.>",
        ],
    ),
    (
        "doctor",
        &[
            "$JS.API.INFO",
            "$JS.API.STREAM.LIST",
            "$JS.API.STREAM.NAMES",
            "$JS.API.STREAM.INFO.>",
            "$JS.API.CONSUMER.LIST.>",
            "$JS.API.CONSUMER.NAMES.>",
            "$JS.API.CONSUMER.INFO.>",
            "$SYS.REQ.SERVER.PING.JSZ",
        ],
    ),
    (
        "provisioner",
        &[
            "$JS.API.STREAM.CREATE.>",
            "$JS.API.STREAM.UPDATE.>",
            "$JS.API.STREAM.INFO.>",
            "$JS.API.CONSUMER.CREATE.>",
            "$JS.API.CONSUMER.DURABLE.CREATE.>",
            "$JS.API.CONSUMER.INFO.>",
            // It says which epoch a stream has and what holds, and looks up what it said last.
            "$JS.API.STREAM.MSG.GET.AEGIS_EVENTS",
            "aegis.v1.signal.genesis.>",
            "aegis.v1.command.activate.>",
            "aegis.v1.command.mode.>",
            // In a stream that was made anew it says again what stood in the one before.
            "aegis.v1.command.freeze.>",
            "aegis.v1.command.kill_switch.>",
            "$JS.API.STREAM.DELETE.AEGIS_METRICS",
            "$JS.API.STREAM.DELETE.AEGIS_EVENTS",
            "$JS.API.STREAM.DELETE.AEGIS_INTAKE",
            "$JS.API.STREAM.DELETE.AEGIS_DLQ",
            "$JS.API.STREAM.DELETE.AEGIS_ADVISORIES",
        ],
    ),
    ("billing", &["aegis.v1.intake.billing.>"]),
    ("ci", &["aegis.v1.intake.ci.>"]),
];

/// Who reads which consumer of which stream, and who may set it back.
const CONSUMERS: &[(&str, &str, &str, bool)] = &[
    ("detector", "AEGIS_METRICS", "scorer-0", true),
    ("detector", "AEGIS_METRICS", "scorer-1", true),
    ("detector", "AEGIS_EVENTS", "incidents-demo", true),
    ("detector", "AEGIS_EVENTS", "incidents-prod_eu", true),
    ("policy", "AEGIS_EVENTS", "policy-demo", true),
    ("policy", "AEGIS_EVENTS", "policy-prod_eu", true),
    ("executor", "AEGIS_EVENTS", "executor-demo", false),
    ("executor", "AEGIS_EVENTS", "executor-prod_eu", false),
    ("ingest", "AEGIS_INTAKE", "ingest", false),
    ("notify", "AEGIS_EVENTS", "notify", false),
    ("audit-sink", "AEGIS_METRICS", "audit-sink", false),
    ("audit-sink", "AEGIS_EVENTS", "audit-sink", false),
    ("audit-sink", "AEGIS_INTAKE", "audit-sink", false),
    ("audit-sink", "AEGIS_DLQ", "audit-sink", false),
    ("audit-sink", "AEGIS_ADVISORIES", "audit-sink", false),
];

/// Who reads everything in a stream, and so may ask for one message of it by its number.
const READ_ALL: &[(&str, &str)] = &[
    ("ingest", "AEGIS_INTAKE"),
    ("audit-sink", "AEGIS_METRICS"),
    ("audit-sink", "AEGIS_EVENTS"),
    ("audit-sink", "AEGIS_INTAKE"),
    ("audit-sink", "AEGIS_DLQ"),
    ("audit-sink", "AEGIS_ADVISORIES"),
];

/// Who keeps leases and snapshots.
const STATEFUL: [&str; 3] = ["ingest", "detector", "policy"];

/// Who asks whether the kill switch is on: from the leader alone, because a replica may not know yet.
const ASK_THE_SWITCH: [&str; 2] = ["executor", "gateway"];

/// Everything that `user` may publish on, as patterns.
#[must_use]
pub fn may_publish(user: &str) -> Vec<String> {
    let own = OWN.iter().filter(|(who, _)| *who == user);
    let mut may: Vec<String> = own
        .flat_map(|(_, subjects)| subjects.iter().map(ToString::to_string))
        .collect();
    for (_, stream, durable, back) in CONSUMERS.iter().filter(|(who, ..)| *who == user) {
        may.push(format!("$JS.API.CONSUMER.INFO.{stream}.{durable}"));
        may.push(format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"));
        may.push(format!("$JS.ACK.{stream}.{durable}.>"));
        if *back {
            may.push(format!("$JS.API.CONSUMER.RESET.{stream}.{durable}"));
        }
    }
    let all = READ_ALL.iter().filter(|(who, _)| *who == user);
    may.extend(all.map(|(_, stream)| format!("$JS.API.STREAM.MSG.GET.{stream}")));
    if STATEFUL.contains(&user) {
        may.push(format!("$KV.aegis_state.{user}.>"));
        may.push("$JS.API.STREAM.INFO.KV_aegis_state".to_owned());
        may.push(format!(
            "$JS.API.DIRECT.GET.KV_aegis_state.$KV.aegis_state.{user}.>"
        ));
    }
    if ASK_THE_SWITCH.contains(&user) {
        may.push("$JS.API.STREAM.INFO.KV_aegis_halt".to_owned());
        may.push("$JS.API.STREAM.MSG.GET.KV_aegis_halt".to_owned());
    }
    if RUNNING.contains(&user) {
        may.push(format!("$KV.aegis_health.{user}"));
        may.push("$JS.API.STREAM.INFO.KV_aegis_health".to_owned());
        may.push("$JS.API.DIRECT.GET.KV_aegis_health.$KV.aegis_health.audit-sink".to_owned());
        // How full a stream is and which epoch it has; nothing of its messages.
        may.extend(STREAMS.map(|stream| format!("$JS.API.STREAM.INFO.{stream}")));
    }
    may
}

/// Everything that `user` may subscribe: answers to its own questions.
#[must_use]
pub fn may_subscribe(user: &str) -> Vec<String> {
    vec![format!("_INBOX_{user}.>")]
}

/// Every user that there is.
pub fn users() -> impl Iterator<Item = &'static str> {
    OWN.iter().map(|(user, _)| *user)
}

/// Whether one of `patterns` covers `subject`, whose own wildcards are words like any other.
#[must_use]
pub fn covered(patterns: &[String], subject: &str) -> bool {
    let words: Vec<&str> = subject.split('.').collect();
    patterns.iter().any(|pattern| {
        let pattern: Vec<&str> = pattern.split('.').collect();
        let (head, rest) = match pattern.split_last() {
            Some((&">", head)) => (head, true),
            _ => (pattern.as_slice(), false),
        };
        let long_enough = if rest {
            words.len() > head.len()
        } else {
            words.len() == head.len()
        };
        let fits = |(part, word): (&&str, &&str)| *part == "*" || part == word;
        long_enough && head.iter().zip(&words).all(fits)
    })
}
