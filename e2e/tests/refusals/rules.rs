//! Every rule by which the executor refuses: nothing is written, the refusal is on record with its code
//! and the digest of the bytes, the message has ended.

use std::collections::BTreeSet;
use std::time::Duration;

use aegis_e2e::forge::{Message, bare, home, sealed, signed, touched};
use aegis_e2e::{Ground, Policy, now, until};
use aegis_nats::Service;
use aegis_nats::kv::{Halt, Health, HealthBoard, Past};
use aegis_schemas::signature::{DECISION_TYPE, Key};
use aegis_schemas::{Action, Digest, Event, Outcome, OutcomePhase, RefusalCode, Subject, Warrant};

use crate::SOON;

/// A rule: what breaks it, the code, and the message made from a decision that all rules allow.
type Row = (&'static str, RefusalCode, fn(&Policy, Warrant) -> Message);

fn later(warrant: &mut Warrant, by: Duration) {
    for time in [&mut warrant.iat, &mut warrant.nbf, &mut warrant.exp] {
        *time = *time + by;
    }
}

fn earlier(warrant: &mut Warrant, by: Duration) {
    for time in [&mut warrant.iat, &mut warrant.nbf, &mut warrant.exp] {
        *time = *time - by;
    }
}

fn in_namespace(warrant: &mut Warrant, namespace: &str) {
    let target = &mut warrant.target.object;
    for entity in [&mut target.entity, &mut target.workload] {
        entity.namespace = Some(namespace.parse().unwrap());
    }
}

/// What is not believed: no request of any kind is made for it.
const UNBELIEVED: [Row; 14] = [
    ("16 KiB and a byte", RefusalCode::TooLarge, |_, w| {
        (home(&w), vec![0; 16 * 1024 + 1])
    }),
    ("no envelope", RefusalCode::Malformed, |_, w| {
        (home(&w), b"restart everything".to_vec())
    }),
    ("a bare decision", RefusalCode::Malformed, |_, w| bare(&w)),
    ("no signature", RefusalCode::Malformed, |p, w| {
        touched(p, &w, |envelope| envelope.sigs.clear())
    }),
    ("a bit of the signature", RefusalCode::BadMac, |p, w| {
        touched(p, &w, |envelope| envelope.sigs[0].sig[31] ^= 1)
    }),
    ("a bit of the body", RefusalCode::BadMac, |p, w| {
        touched(p, &w, |envelope| envelope.payload[40] ^= 1)
    }),
    ("another secret", RefusalCode::BadMac, |p, w| {
        let key = Key::new(p.key().kid(), vec![7; 32]).unwrap();
        sealed(&w, DECISION_TYPE, &[], &key)
    }),
    ("an unknown key", RefusalCode::BadMac, |_, w| {
        let key = Key::new("mallory", vec![7; 32]).unwrap();
        sealed(&w, DECISION_TYPE, &[], &key)
    }),
    ("another type", RefusalCode::TypeMismatch, |p, w| {
        let kind = "application/vnd.aegis.anomaly.v1+msgpack";
        sealed(&w, kind, &[], p.key())
    }),
    ("bytes after the body", RefusalCode::Malformed, |p, w| {
        sealed(&w, DECISION_TYPE, &[0xc0], p.key())
    }),
    ("another key inside", RefusalCode::Malformed, |p, w| {
        signed(p, w, |w| w.kid = "mallory".to_owned())
    }),
    ("another algorithm", RefusalCode::Malformed, |p, w| {
        signed(p, w, |w| w.alg = "none".to_owned())
    }),
    ("made after it is valid", RefusalCode::Malformed, |p, w| {
        signed(p, w, |w| {
            w.iat = w.iat + Duration::from_secs(3_600);
            w.exp = w.iat + Duration::from_secs(60);
        })
    }),
    ("another executor's", RefusalCode::Audience, |p, w| {
        signed(p, w, |w| w.audience.push('x'))
    }),
];

/// What is believed and may not be: the executor looks, and asks for nothing.
const UNPERMITTED: [Row; 11] = [
    ("too early", RefusalCode::NotYetValid, |p, w| {
        signed(p, w, |w| later(w, Duration::from_secs(60)))
    }),
    ("too late", RefusalCode::Expired, |p, w| {
        signed(p, w, |w| earlier(w, Duration::from_secs(120)))
    }),
    (
        "another workload's subject",
        RefusalCode::TargetMismatch,
        |p, w| {
            let (_, body) = signed(p, w.clone(), |_| {});
            let mut place = w.target.object.workload;
            place.name = "db".parse().unwrap();
            (Subject::decision("allow", &place), body)
        },
    ),
    (
        "another namespace's subject",
        RefusalCode::TargetMismatch,
        |p, w| {
            let (_, body) = signed(p, w.clone(), |_| {});
            let mut place = w.target.object.workload;
            place.namespace = Some("aegis".parse().unwrap());
            (Subject::decision("allow", &place), body)
        },
    ),
    (
        "in another namespace",
        RefusalCode::TargetMismatch,
        |p, w| signed(p, w, |w| in_namespace(w, "aegis")),
    ),
    ("of another cluster", RefusalCode::TargetMismatch, |p, w| {
        signed(p, w, |w| w.target.cluster_uid.push('x'))
    }),
    ("another uid", RefusalCode::TargetMismatch, |p, w| {
        signed(p, w, |w| w.target.object.uid.push('x'))
    }),
    ("another generation", RefusalCode::TargetChanged, |p, w| {
        signed(p, w, |w| w.target.object.generation += 1)
    }),
    ("a lower fence", RefusalCode::Stale, |p, w| {
        signed(p, w, |w| w.fence = Warrant::fence(1, 1))
    }),
    ("far too many replicas", RefusalCode::OverLimit, |p, w| {
        signed(p, w, |w| {
            w.action = Action::Scale {
                replicas: 1_000,
                from: 4,
            };
        })
    }),
    ("far too many pods", RefusalCode::OverLimit, |p, w| {
        signed(p, w, |w| w.max_blast.pods = 1_000)
    }),
];

/// What the API server's dry run is asked, and refuses.
const IMPOSSIBLE: Row = (
    "another selector's labels",
    RefusalCode::DryRunRefused,
    |p, w| {
        signed(p, w, |w| {
            let template = r#"{"metadata":{"labels":{"app":"other"}},"spec":{"containers":[]}}"#;
            w.action = Action::RestoreTemplate {
                template: template.to_owned(),
            };
        })
    },
);

struct Trial {
    ground: Ground,
    refused: BTreeSet<u64>,
    codes: BTreeSet<RefusalCode>,
}

impl Trial {
    /// Carries one out: whatever was refused before stands in nobody's way.
    async fn applies(&mut self, replicas: i32) -> Warrant {
        let warrant = self.ground.good(replicas).await.unwrap();
        let message = signed(&self.ground.policy, warrant.clone(), |_| {});
        let outcome = self.ground.outcome(message).await.unwrap();
        assert_eq!(outcome.phase, OutcomePhase::Applied, "{}", outcome.message);
        warrant
    }

    async fn refuses(&mut self, (name, code, make): Row) {
        let warrant = self.ground.good(5).await.unwrap();
        let message = make(&self.ground.policy, warrant);
        self.refuses_message(name, code, message).await;
    }

    /// Waits for the refusal in PostgreSQL.
    async fn refuses_message(&mut self, name: &str, code: RefusalCode, message: Message) {
        let digest = Digest::of(&message.1);
        let outcome = self.ground.outcome(message).await.unwrap();
        self.told(name, code, digest, &outcome);
    }

    fn told(&mut self, name: &str, code: RefusalCode, digest: Digest, outcome: &Outcome) {
        let told = (outcome.phase, outcome.code, outcome.envelope);
        let expected = (OutcomePhase::Refused, Some(code), digest);
        assert_eq!(told, expected, "{name}: {}", outcome.message);
        self.refused.insert(outcome.stream_seq);
        self.codes.insert(code);
    }

    /// Every refused message is a dead letter, and the server says that it was ended.
    async fn all_ended(&mut self) {
        let all = self.refused.len();
        let watch = &mut self.ground.watch;
        watch.rewind();
        for _ in 0..all {
            watch
                .until("a dead letter for each refusal", SOON, |entry| {
                    matches!(entry.event, Event::DeadLetter(_)).then_some(())
                })
                .await
                .unwrap();
        }
        let mut ended = BTreeSet::new();
        for _ in 0..1_800 {
            ended = watch.terminated("executor-demo").await.unwrap();
            if ended == self.refused {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("ended: {ended:?}, refused: {:?}", self.refused);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_refuses_with_its_code_on_record_and_without_a_write() {
    let mut trial = Trial {
        ground: Ground::start().await.unwrap(),
        refused: BTreeSet::new(),
        codes: BTreeSet::new(),
    };
    let first = trial.applies(5).await;
    trial.applies(4).await;
    let writes = trial.ground.stack.writes().await.unwrap().len();
    // Done before, and the object has been written since.
    let again = signed(&trial.ground.policy, first, |_| {});
    let name = "carried out before";
    trial
        .refuses_message(name, RefusalCode::Replayed, again)
        .await;
    let before = trial.ground.stack.executor_requests().await.unwrap();

    for row in UNBELIEVED {
        trial.refuses(row).await;
    }
    let after = trial.ground.stack.executor_requests().await.unwrap();
    assert_eq!(after, before, "no request for what is not believed");
    let forged = trial
        .ground
        .stack
        .counter("executor", "aegis_executor_forged_total")
        .await;
    assert_eq!(
        forged.unwrap(),
        UNBELIEVED.len() as f64,
        "each raises the alarm"
    );

    for row in UNPERMITTED {
        trial.refuses(row).await;
    }
    halts(&mut trial).await;
    let mut looked = trial.ground.stack.executor_requests().await.unwrap();
    assert!(looked["GET"] > before["GET"]);
    looked.insert("GET".to_owned(), before["GET"]);
    assert_eq!(looked, before, "nothing but looks, dry runs included");

    trial.refuses(IMPOSSIBLE).await;
    unaudited(&mut trial).await;
    assert_eq!(trial.ground.stack.writes().await.unwrap().len(), writes);

    trial.applies(5).await;
    clock_went_back(&mut trial).await;
    assert_eq!(trial.ground.stack.writes().await.unwrap().len(), writes + 1);

    trial.all_ended().await;
    let untold = [RefusalCode::DisruptionBudget, RefusalCode::Unavailable];
    let every = RefusalCode::ALL
        .into_iter()
        .filter(|code| !untold.contains(code));
    assert_eq!(trial.codes, every.collect(), "no refusal is left out");
    trial.ground.stack.stop().await;
}

/// Both switches, and what was decided before one of them was used.
async fn halts(trial: &mut Trial) {
    let code = RefusalCode::Halted;
    let cluster = trial.ground.stack.config().gateway.cluster.clone();
    let gateway = trial.ground.stack.bus(Service::Gateway).await.unwrap();
    let halt = Halt::new(&gateway);
    let before = trial.ground.good(5).await.unwrap();
    let engaged = halt.engage(&cluster).await.unwrap();
    trial
        .refuses(("kill switch", code, |p, w| signed(p, w, |_| {})))
        .await;

    halt.settle(&cluster, engaged, before.fence).await.unwrap();
    let found = halt.standing(&cluster).await.unwrap().unwrap();
    let released = halt.release(&cluster, found.revision, before.fence).await;
    released.unwrap();
    let before = signed(&trial.ground.policy, before, |_| {});
    trial
        .refuses_message("decided before a resume", code, before)
        .await;

    trial.ground.stack.annotate_halt(true).await.unwrap();
    trial
        .refuses(("annotation", code, |p, w| signed(p, w, |_| {})))
        .await;
    trial.ground.stack.annotate_halt(false).await.unwrap();
}

/// No audit, no action: the sink stands still, and its last word is that it is far behind.
async fn unaudited(trial: &mut Trial) {
    let sink = trial.ground.stack.bus(Service::AuditSink).await.unwrap();
    let board = HealthBoard::new(&sink);
    let outcomes = "aegis_executor_outcomes_total";
    let ended = trial
        .ground
        .stack
        .counter("executor", outcomes)
        .await
        .unwrap();
    trial.ground.stack.pause("audit-sink").unwrap();
    let behind = Health {
        lag_seconds: 7_200.0,
        fill: 0.0,
        ..Health::default()
    };
    board.write(behind).await.unwrap();
    let warrant = trial.ground.good(5).await.unwrap();
    let digest = Digest::of(&trial.ground.policy.sign(&warrant));
    let seq = trial.ground.policy.say(&warrant).await.unwrap();
    let stack = &trial.ground.stack;
    let decided = || async { stack.counter("executor", outcomes).await.unwrap() > ended };
    until("a refusal", SOON, decided).await.unwrap();
    trial.ground.stack.go_on("audit-sink").unwrap();
    let outcome = trial.ground.outcome_of(seq).await.unwrap();
    let code = RefusalCode::AuditUnhealthy;
    trial.told("audit is behind", code, digest, &outcome);
    let healthy = || async { board.audit().await.unwrap().unwrap().health != behind };
    until("the sink speaks again", SOON, healthy).await.unwrap();
}

/// An executor whose clock was an hour ahead leaves the time behind, also for those who come after it.
async fn clock_went_back(trial: &mut Trial) {
    let cluster = trial.ground.stack.config().executor.cluster.clone();
    let executor = trial.ground.stack.bus(Service::Executor).await.unwrap();
    let ahead = now() + Duration::from_secs(3_600);
    Past::new(&executor, &cluster).note(ahead).await.unwrap();
    trial.ground.stack.kill("executor").await.unwrap();
    trial.ground.stack.start_role("executor").await.unwrap();
    let code = RefusalCode::ClockRegressed;
    trial
        .refuses(("the clock went back", code, |p, w| signed(p, w, |_| {})))
        .await;
}
