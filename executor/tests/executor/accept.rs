//! The rules, in their order, as tables.

use std::time::Duration;

use aegis_executor::accept::{Facts, Permit, audience, believe, permit};
use aegis_executor::{Claim, Done, Limits, Live};
use aegis_nats::kv::{HaltState, Health, Seen};
use aegis_schemas::signature::{DECISION_TYPE, Envelope, Key, Keyring};
use aegis_schemas::{
    Action, DecisionId, EntityKind, EventId, PreImage, RefusalCode, Target, Timestamp, Warrant,
    codec,
};
use serde_json::json;

use crate::support::{CLUSTER_UID, DEPLOYMENT, SCALE, entity, key, sign, warrant};

fn target() -> Target {
    Target {
        entity: entity(EntityKind::Deployment, "web"),
        workload: entity(EntityKind::Deployment, "web"),
        gvk: DEPLOYMENT.to_owned(),
        uid: "uid-1".to_owned(),
        generation: 4,
    }
}

fn good() -> Warrant {
    warrant(Timestamp::from_millis(1_000_000), 100, target(), SCALE)
}

fn keys() -> Keyring {
    Keyring::new([key()])
}

fn envelope(payload_type: &str, payload: Vec<u8>, key: &Key) -> Vec<u8> {
    codec::encode(&Envelope::sign(payload_type, payload, key)).unwrap()
}

fn changed(change: impl FnOnce(&mut Warrant)) -> Vec<u8> {
    let mut warrant = good();
    change(&mut warrant);
    sign(&warrant)
}

#[test]
fn bytes_are_believed_or_refused_with_the_first_code_that_fits() {
    let payload = codec::encode(&good()).unwrap();
    let with_more = [payload.clone(), vec![0xc0]].concat();
    let other_key = Key::new("test", vec![8; 32]).unwrap();
    let unknown_kid = Key::new("other", vec![7; 32]).unwrap();
    use RefusalCode::{Audience, BadMac, Malformed, TooLarge, TypeMismatch};
    let table: Vec<(&str, Vec<u8>, RefusalCode)> = vec![
        ("16 KiB and a byte", vec![0; 16 * 1024 + 1], TooLarge),
        ("nothing", Vec::new(), Malformed),
        ("a bare warrant", payload.clone(), Malformed),
        (
            "another secret",
            envelope(DECISION_TYPE, payload.clone(), &other_key),
            BadMac,
        ),
        (
            "an unknown key",
            envelope(DECISION_TYPE, payload.clone(), &unknown_kid),
            BadMac,
        ),
        (
            "another type",
            envelope("application/json", payload, &key()),
            TypeMismatch,
        ),
        (
            "bytes after it",
            envelope(DECISION_TYPE, with_more, &key()),
            Malformed,
        ),
        (
            "no warrant",
            envelope(DECISION_TYPE, vec![0xc0], &key()),
            Malformed,
        ),
        ("another version", changed(|w| w.v = 2), Malformed),
        (
            "another key inside",
            changed(|w| w.kid = "other".to_owned()),
            Malformed,
        ),
        (
            "another algorithm",
            changed(|w| w.alg = "none".to_owned()),
            Malformed,
        ),
        (
            "another cluster",
            changed(|w| w.audience = audience("elsewhere")),
            Audience,
        ),
        (
            "valid too long",
            changed(|w| w.exp = w.iat + Duration::from_secs(121)),
            Malformed,
        ),
        (
            "valid before it was made, made long after",
            changed(|w| {
                w.iat = w.iat + Duration::from_secs(3_600);
                w.exp = w.iat + Duration::from_secs(120);
            }),
            Malformed,
        ),
        (
            "over before it is valid",
            changed(|w| w.exp = w.nbf - Duration::from_millis(1)),
            Malformed,
        ),
        (
            "another kind",
            changed(|w| w.target.object.gvk = "v1/Pod".to_owned()),
            Malformed,
        ),
        (
            "a pod's act",
            changed(|w| w.action = Action::RestartPod { delete: true }),
            Malformed,
        ),
    ];
    for (name, bytes, code) in table {
        let refusal = believe(&bytes, &keys(), CLUSTER_UID).expect_err(name);
        assert_eq!(refusal.code, code, "{name}: {}", refusal.message);
    }
    assert_eq!(
        believe(&sign(&good()), &keys(), CLUSTER_UID).unwrap(),
        good()
    );
    let none = Keyring::default();
    assert_eq!(
        believe(&sign(&good()), &none, CLUSTER_UID)
            .unwrap_err()
            .code,
        BadMac
    );
}

/// Facts that change from row to row.
struct Case {
    warrant: Warrant,
    now: Timestamp,
    last_iat: Timestamp,
    subject: String,
    claim: Option<Claim>,
    live: Option<Live>,
    reread: bool,
    halt: Option<HaltState>,
    annotation: bool,
    nonce_of: Option<DecisionId>,
    last_fence: u64,
    acts: u32,
    pods: u32,
    audit: Option<Seen>,
}

fn live(uid: &str, generation: i64, annotations: &serde_json::Value) -> Option<Live> {
    let object = json!({
        "metadata": {
            "name": "web",
            "uid": uid,
            "generation": generation,
            "resourceVersion": "7",
            "annotations": annotations,
        },
    });
    Some(Live::of(serde_json::from_value(object).unwrap()))
}

fn seen(lag_seconds: f64, fill: f64, age: u64) -> Option<Seen> {
    let health = Health {
        lag_seconds,
        fill,
        ..Health::default()
    };
    let age = Duration::from_secs(age);
    Some(Seen { health, age })
}

fn claim(done: bool, seq: u64) -> Option<Claim> {
    Some(Claim {
        nonce: good().nonce,
        seq,
        pre_image: PreImage::Replicas { replicas: 3 },
        done: done.then(Done::default),
    })
}

impl Case {
    fn new() -> Self {
        let warrant = good();
        Self {
            now: warrant.iat,
            last_iat: warrant.iat,
            subject: "aegis.v1.decision.allow.default.shop.web".to_owned(),
            claim: None,
            live: live("uid-1", 4, &json!({})),
            reread: false,
            halt: None,
            annotation: false,
            nonce_of: None,
            last_fence: 0,
            acts: 0,
            pods: 0,
            audit: seen(1.0, 0.01, 5),
            warrant,
        }
    }

    fn permit(&self) -> Result<Permit, RefusalCode> {
        let facts = Facts {
            now: self.now,
            last_iat: self.last_iat,
            subject: &self.subject,
            seq: 100,
            cluster_uid: CLUSTER_UID,
            claim: self.claim.as_ref(),
            live: self.live.as_ref(),
            reread: self.reread,
            halt: self.halt,
            halt_annotation: self.annotation,
            nonce_of: self.nonce_of,
            last_fence: self.last_fence,
            acts: self.acts,
            pods: self.pods,
            audit: self.audit,
            limits: &Limits::default(),
        };
        permit(&self.warrant, &facts).map_err(|refusal| refusal.code)
    }
}

type Row = (&'static str, fn(&mut Case), Result<Permit, RefusalCode>);

#[test]
fn what_stands_around_a_warrant_decides_in_a_fixed_order() {
    use RefusalCode as Code;
    let table: [Row; 34] = [
        ("nothing against it", |_| {}, Ok(Permit::Act)),
        (
            "early within the skew",
            |c| c.now = c.warrant.nbf - secs(5),
            Ok(Permit::Act),
        ),
        (
            "too early",
            |c| c.now = c.warrant.nbf - secs(6),
            Err(Code::NotYetValid),
        ),
        (
            "late within the skew",
            |c| c.now = c.warrant.exp + secs(4),
            Ok(Permit::Act),
        ),
        (
            "too late",
            |c| c.now = c.warrant.exp + secs(5),
            Err(Code::Expired),
        ),
        (
            "the clock stood back",
            |c| c.last_iat = c.now + secs(6),
            Err(Code::ClockRegressed),
        ),
        (
            "another subject",
            |c| c.subject = c.subject.replace("web", "db"),
            Err(Code::TargetMismatch),
        ),
        (
            "another cluster's uid",
            |c| c.warrant.target.cluster_uid.clear(),
            Err(Code::TargetMismatch),
        ),
        (
            "another uid",
            |c| c.live = live("uid-2", 4, &json!({})),
            Err(Code::TargetMismatch),
        ),
        ("gone", |c| c.live = None, Err(Code::TargetMismatch)),
        (
            "another uid since",
            |c| {
                c.reread = true;
                c.live = live("uid-2", 4, &json!({}));
            },
            Err(Code::TargetChanged),
        ),
        (
            "gone since",
            |c| {
                c.reread = true;
                c.live = None;
            },
            Err(Code::TargetChanged),
        ),
        (
            "kill switch on",
            |c| c.halt = Some(HaltState { fence: 1, on: true }),
            Err(Code::Halted),
        ),
        (
            "decided before the switch",
            |c| {
                c.halt = Some(HaltState {
                    fence: c.warrant.fence,
                    on: false,
                });
            },
            Err(Code::Halted),
        ),
        (
            "decided after a resume",
            |c| {
                c.halt = Some(HaltState {
                    fence: c.warrant.fence - 1,
                    on: false,
                });
            },
            Ok(Permit::Act),
        ),
        ("annotation", |c| c.annotation = true, Err(Code::Halted)),
        (
            "claimed and not done",
            |c| c.claim = claim(false, 7),
            Ok(Permit::Act),
        ),
        (
            "a copy of what is done",
            |c| c.claim = claim(true, 7),
            Err(Code::Replayed),
        ),
        (
            "this message is done",
            |c| c.claim = claim(true, 100),
            Ok(Permit::Done),
        ),
        (
            "its nonce is another's",
            |c| c.nonce_of = Some(DecisionId(EventId::of_content("", b"x"))),
            Err(Code::Replayed),
        ),
        (
            "its nonce is its own",
            |c| c.nonce_of = Some(c.warrant.decision_id),
            Ok(Permit::Act),
        ),
        (
            "a fence on the object",
            |c| {
                c.live = live(
                    "uid-1",
                    4,
                    &json!({ "aegis.dev/fence": c.warrant.fence.to_string() }),
                );
            },
            Err(Code::Stale),
        ),
        (
            "a fence in memory",
            |c| c.last_fence = c.warrant.fence + 1,
            Err(Code::Stale),
        ),
        ("many acts", |c| c.acts = 10, Err(Code::OverLimit)),
        ("many pods", |c| c.pods = 100, Err(Code::OverLimit)),
        (
            "an undo has its room",
            |c| {
                c.acts = 10;
                c.pods = 100;
                c.warrant.undo_of = Some(c.warrant.decision_id);
            },
            Ok(Permit::Act),
        ),
        (
            "to none",
            |c| {
                c.warrant.action = Action::Scale {
                    replicas: 0,
                    from: 3,
                }
            },
            Err(Code::OverLimit),
        ),
        (
            "to far too many",
            |c| {
                c.warrant.action = Action::Scale {
                    replicas: 101,
                    from: 3,
                }
            },
            Err(Code::OverLimit),
        ),
        (
            "an undo to what was there before",
            |c| {
                c.warrant.action = Action::Scale {
                    replicas: 101,
                    from: 3,
                };
                c.warrant.undo_of = Some(c.warrant.decision_id);
            },
            Ok(Permit::Act),
        ),
        ("no audit", |c| c.audit = None, Err(Code::AuditUnhealthy)),
        (
            "audit silent",
            |c| c.audit = seen(0.0, 0.0, 31),
            Err(Code::AuditUnhealthy),
        ),
        (
            "audit behind",
            |c| c.audit = seen(f64::NAN, 0.0, 0),
            Err(Code::AuditUnhealthy),
        ),
        (
            "audit full",
            |c| c.audit = seen(0.0, 0.26, 0),
            Err(Code::AuditUnhealthy),
        ),
        (
            "another generation",
            |c| c.live = live("uid-1", 5, &json!({})),
            Err(Code::TargetChanged),
        ),
    ];
    for (name, change, expected) in table {
        let mut case = Case::new();
        change(&mut case);
        assert_eq!(case.permit(), expected, "{name}");
    }
}

/// Whatever else is wrong, what is there already is said again.
#[test]
fn an_effect_on_the_live_object_is_done_whatever_else_stands_against_it() {
    let mut case = Case::new();
    let id = case.warrant.decision_id.to_string();
    case.live = live("uid-1", 9, &json!({ "aegis.dev/decision-id": id }));
    case.now = case.warrant.exp + secs(86_400);
    case.annotation = true;
    case.audit = None;
    assert_eq!(case.permit(), Ok(Permit::Done));
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
