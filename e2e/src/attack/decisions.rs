//! Decisions that nobody made, or that were made for something else.

use std::time::Duration;

use aegis_executor::accept::MAX_LIFETIME;
use aegis_nats::Service;
use aegis_nats::kv::Past;
use aegis_schemas::signature::{DECISION_TYPE, Envelope, Key};
use aegis_schemas::{Subject, Warrant};
use anyhow::Result;

use super::Finding;
use crate::forge::{Message, bare, encoded, home, sealed, signed, touched};
use crate::{Ground, now};

/// What must not move while nothing is believed.
const API_CALLS: &str = "requests of the executor to the API server meanwhile";

/// An attack under way.
struct Assault {
    ground: Ground,
    findings: Vec<Finding>,
}

impl Assault {
    async fn begin() -> Result<Self> {
        Ok(Self {
            ground: Ground::start().await?,
            findings: Vec::new(),
        })
    }

    /// A decision that every rule allows, until it is forged.
    async fn good(&mut self) -> Result<Warrant> {
        self.ground.good(5).await
    }

    /// Sends it, and compares what the record says of it.
    async fn send(&mut self, tried: &str, expected: &str, message: Message) -> Result<()> {
        let outcome = self.ground.outcome(message).await?;
        let seen = match outcome.code {
            Some(code) => format!("{}: {code}", outcome.phase.as_str()),
            None => outcome.phase.as_str().to_owned(),
        };
        self.findings.push(Finding::of(tried, expected, seen));
        Ok(())
    }

    /// All requests that the executor made so far.
    async fn requests(&self) -> Result<u64> {
        let requests = self.ground.stack.executor_requests().await?;
        Ok(requests.values().sum())
    }

    /// Compares the effects so far.
    async fn writes(&mut self, expected: usize) -> Result<()> {
        let seen = self.ground.stack.writes().await?.len();
        let (expected, seen) = (expected.to_string(), seen.to_string());
        self.findings
            .push(Finding::of("writes in all", expected, seen));
        Ok(())
    }

    async fn end(self) -> Vec<Finding> {
        self.ground.stack.stop().await;
        self.findings
    }
}

/// Whoever has policy's place on the bus and not its key.
pub(super) async fn forge_mac() -> Result<Vec<Finding>> {
    let mut assault = Assault::begin().await?;
    let before = assault.requests().await?;
    let warrant = assault.good().await?;
    let policy = &assault.ground.policy;
    let other = Key::new(warrant.kid.clone(), vec![7; 32])?;
    let mut messages = vec![(
        "another secret",
        sealed(&warrant, DECISION_TYPE, &[], &other),
    )];
    for bit in [0, 100, 255] {
        let flipped = touched(policy, &warrant, |envelope| {
            envelope.sigs[0].sig[bit / 8] ^= 1 << (bit % 8);
        });
        messages.push(("a bit of the signature", flipped));
    }
    let body = touched(policy, &warrant, |envelope| envelope.payload[40] ^= 1);
    messages.push(("a bit of the body", body));
    for (tried, message) in messages {
        assault.send(tried, "refused: bad_mac", message).await?;
    }
    let made = assault.requests().await? - before;
    let finding = Finding::of(API_CALLS, "0", made.to_string());
    assault.findings.push(finding);
    assault.writes(0).await?;
    Ok(assault.end().await)
}

/// Whoever does not bother to sign.
pub(super) async fn unsigned() -> Result<Vec<Finding>> {
    let mut assault = Assault::begin().await?;
    let before = assault.requests().await?;
    let warrant = assault.good().await?;
    let without = touched(&assault.ground.policy, &warrant, |envelope| {
        envelope.sigs.clear();
    });
    for (tried, message) in [
        ("a bare decision", bare(&warrant)),
        ("an envelope without a signature", without),
    ] {
        assault.send(tried, "refused: malformed", message).await?;
    }
    let alarm = "aegis_executor_forged_total";
    let alarms = assault.ground.stack.counter("executor", alarm).await?;
    assault
        .findings
        .push(Finding::of(alarm, "2", alarms.to_string()));
    let made = assault.requests().await? - before;
    assault
        .findings
        .push(Finding::of(API_CALLS, "0", made.to_string()));
    assault.writes(0).await?;
    Ok(assault.end().await)
}

/// Whoever keeps a decision for later, and turns the clock back to it.
pub(super) async fn expired() -> Result<Vec<Finding>> {
    let mut assault = Assault::begin().await?;
    let old = Duration::from_secs(600);
    let warrant = assault.good().await?;
    let kept = signed(&assault.ground.policy, warrant, |warrant| {
        for time in [&mut warrant.iat, &mut warrant.nbf, &mut warrant.exp] {
            *time = *time - old;
        }
    });
    assault
        .send("a decision of ten minutes ago", "refused: expired", kept)
        .await?;
    // To an executor whose clock went back by an hour, the latest decision lies an hour ahead.
    let cluster = assault.ground.stack.config().executor.cluster.clone();
    let executor = assault.ground.stack.bus(Service::Executor).await?;
    let ahead = now() + Duration::from_secs(3_600);
    Past::new(&executor, &cluster).note(ahead).await?;
    assault.ground.stack.kill("executor").await?;
    assault.ground.stack.start_role("executor").await?;
    let warrant = assault.good().await?;
    let valid = signed(&assault.ground.policy, warrant, |_| {});
    let tried = "a decision that is valid by a clock that went back, after a restart";
    assault
        .send(tried, "refused: clock_regressed", valid)
        .await?;
    assault.writes(0).await?;
    Ok(assault.end().await)
}

/// Whoever recorded decisions and sends them again and again.
pub(super) async fn replay() -> Result<Vec<Finding>> {
    const COPIES: usize = 1_000;
    let mut assault = Assault::begin().await?;
    let mut recorded = Vec::new();
    for replicas in [5, 6] {
        let mut warrant = assault.ground.good(replicas).await?;
        warrant.exp = warrant.iat + MAX_LIFETIME;
        let message = signed(&assault.ground.policy, warrant, |_| {});
        recorded.push(message.clone());
        assault.send("a decision", "applied", message).await?;
    }
    let first = recorded.remove(0);
    let tried = "the first one again, as out of a backup";
    assault.send(tried, "refused: replayed", first).await?;
    let (subject, body) = recorded.remove(0);
    for copy in 0..COPIES {
        if copy == COPIES / 2 {
            assault.ground.stack.kill("executor").await?;
            assault.ground.stack.start_role("executor").await?;
        }
        let policy = &mut assault.ground.policy;
        policy.publish(&subject, body.clone()).await?;
    }
    // It stands behind all copies in the line of its workload.
    let mut last = assault.ground.good(5).await?;
    last.exp = last.iat + MAX_LIFETIME;
    let last = signed(&assault.ground.policy, last, |_| {});
    let tried = "a decision behind 1000 copies, half of them before a kill";
    assault.send(tried, "applied", last).await?;
    assault.writes(3).await?;
    Ok(assault.end().await)
}

/// Whoever holds a genuine decision and wants it elsewhere, or can have others signed.
pub(super) async fn retarget() -> Result<Vec<Finding>> {
    let mut assault = Assault::begin().await?;
    let warrant = assault.good().await?;
    let policy = &assault.ground.policy;
    let genuine = policy.sign(&warrant);
    let elsewhere = |namespace: &str, name: &str| -> Result<Subject> {
        let mut workload = warrant.target.object.workload.clone();
        workload.namespace = Some(namespace.parse()?);
        workload.name = name.parse()?;
        Ok(Subject::decision("allow", &workload))
    };
    let mismatch = "refused: target_mismatch";
    let changed = |change: fn(&mut Warrant)| signed(policy, warrant.clone(), change);
    let messages = [
        (
            "genuine, on another workload's subject",
            mismatch,
            (elsewhere("shop", "db")?, genuine.clone()),
        ),
        (
            "genuine, on another namespace's subject",
            mismatch,
            (elsewhere("aegis", "cart")?, genuine),
        ),
        (
            "signed for another cluster's executor",
            "refused: audience",
            changed(|w| w.audience.push('x')),
        ),
        (
            "signed for another cluster",
            mismatch,
            changed(|w| w.target.cluster_uid.push('x')),
        ),
        (
            "signed for an object made anew",
            mismatch,
            changed(|w| w.target.object.uid.push('x')),
        ),
        (
            "signed for an object as it was",
            "refused: target_changed",
            changed(|w| w.target.object.generation -= 1),
        ),
    ];
    for (tried, expected, message) in messages {
        assault.send(tried, expected, message).await?;
    }
    assault.writes(0).await?;
    Ok(assault.end().await)
}

/// Whoever has something else signed, or signs with something else.
pub(super) async fn type_confusion() -> Result<Vec<Finding>> {
    let mut assault = Assault::begin().await?;
    let warrant = assault.good().await?;
    let first = signed(&assault.ground.policy, warrant, |_| {});
    let outcome = assault.ground.outcome(first).await?;
    let before = assault.requests().await?;
    let warrant = assault.good().await?;
    let key = assault.ground.policy.key();
    let of_another_type = encoded(&Envelope::sign(DECISION_TYPE, encoded(&outcome), key));
    let foreign = Key::new("of-the-gateway", vec![7; 32])?;
    let anomaly = "application/vnd.aegis.anomaly.v1+msgpack";
    for (tried, expected, message) in [
        (
            "an outcome, signed as a decision",
            "refused: malformed",
            (home(&warrant), of_another_type),
        ),
        (
            "an outcome, as it is",
            "refused: malformed",
            (home(&warrant), encoded(&outcome)),
        ),
        (
            "a decision, signed as an anomaly",
            "refused: type_mismatch",
            sealed(&warrant, anomaly, &[], key),
        ),
        (
            "a decision, signed with a foreign key",
            "refused: bad_mac",
            sealed(&warrant, DECISION_TYPE, &[], &foreign),
        ),
    ] {
        assault.send(tried, expected, message).await?;
    }
    let made = assault.requests().await? - before;
    assault
        .findings
        .push(Finding::of(API_CALLS, "0", made.to_string()));
    assault.writes(1).await?;
    Ok(assault.end().await)
}
