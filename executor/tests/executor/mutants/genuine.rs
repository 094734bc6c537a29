//! Decisions of every kind, as policy signs them.

use std::time::Duration;

use aegis_executor::Live;
use aegis_schemas::signature::{DECISION_TYPE, Envelope};
use aegis_schemas::{
    Action, ActionKind, Approval, Digest, EntityKind, EventId, Reason, Target, Timestamp, Warrant,
    codec,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use crate::support::{DEPLOYMENT, entity, key, warrant};

/// A decision, its bytes and the object that it is about.
pub(super) struct Genuine {
    pub(super) warrant: Warrant,
    pub(super) bytes: Vec<u8>,
    pub(super) live: Live,
}

impl Genuine {
    /// The decision of that number.
    pub(super) fn draw(seed: u64, number: u64) -> Self {
        let mut draw = ChaCha8Rng::seed_from_u64(seed);
        draw.set_stream(number);
        let action = action(&mut draw);
        let target = target(&mut draw, &action);
        let moment = Timestamp::from_millis(draw.random_range(1_000_000..2_000_000_000_000));
        let mut warrant = warrant(moment, number + 1, target, action);
        warrant.exp = moment + Duration::from_millis(draw.random_range(1..=120_000));
        warrant.reasons = (0..draw.random_range(0..4))
            .map(|_| reason(&mut draw))
            .collect();
        warrant.approvals = (0..draw.random_range(0..3))
            .map(|_| approval(&mut draw))
            .collect();
        let live = live(&warrant.target.object);
        Self {
            bytes: sealed(&warrant),
            warrant,
            live,
        }
    }

    /// Whether a claim alone says that it was carried out: its uid dies once.
    pub(super) fn restarts_pod(&self) -> bool {
        self.warrant.action.kind() == ActionKind::RestartPod
    }

    /// A moment at which it is valid, skew included.
    pub(super) fn some_moment(&self, draw: &mut ChaCha8Rng) -> Timestamp {
        let skew = Duration::from_secs(5);
        let (first, last) = (self.warrant.nbf - skew, self.warrant.exp + skew);
        let life = last.since(first).as_millis();
        let life = u64::try_from(life).unwrap();
        first + Duration::from_millis(draw.random_range(0..life))
    }
}

/// The bytes of a decision, rightly signed.
pub(super) fn sealed(warrant: &Warrant) -> Vec<u8> {
    let payload = codec::encode(warrant).unwrap();
    codec::encode(&Envelope::sign(DECISION_TYPE, payload, &key())).unwrap()
}

fn action(draw: &mut ChaCha8Rng) -> Action {
    let kinds = ActionKind::ALL;
    match kinds[draw.random_range(0..kinds.len())] {
        ActionKind::RestartPod => Action::RestartPod {
            delete: draw.random(),
        },
        ActionKind::RolloutRestart => Action::RolloutRestart,
        ActionKind::Scale => Action::Scale {
            replicas: draw.random_range(1..=100),
            from: draw.random_range(0..100),
        },
        ActionKind::Rollback => Action::Rollback {
            revision: draw.random_range(1..1_000),
            template_hash: format!("{:x}", draw.random::<u32>()),
        },
        ActionKind::RestoreTemplate => Action::RestoreTemplate {
            template: json!({ "spec": { "image": words(draw) } }).to_string(),
        },
    }
}

fn target(draw: &mut ChaCha8Rng, action: &Action) -> Target {
    let name = format!("w{}", draw.random_range(0..1_000));
    let workload = entity(EntityKind::Deployment, &name);
    let pod = action.kind() == ActionKind::RestartPod;
    Target {
        entity: match pod {
            true => entity(EntityKind::Pod, &format!("{name}-x")),
            false => workload.clone(),
        },
        workload,
        gvk: if pod { "v1/Pod" } else { DEPLOYMENT }.to_owned(),
        uid: format!("{:032x}", draw.random::<u128>()),
        generation: if pod { 0 } else { draw.random_range(1..1_000) },
    }
}

fn live(target: &Target) -> Live {
    let object = json!({ "metadata": {
        "name": target.entity.name,
        "uid": target.uid,
        "generation": target.generation,
        "resourceVersion": "7",
    }});
    Live::of(serde_json::from_value(object).unwrap())
}

fn reason(draw: &mut ChaCha8Rng) -> Reason {
    Reason {
        policy: words(draw),
        text: words(draw),
    }
}

fn approval(draw: &mut ChaCha8Rng) -> Approval {
    let proposal = draw.random::<[u8; 16]>();
    Approval {
        by: words(draw),
        proposal: Digest::of(&proposal),
        command: EventId::of_content("command", &proposal),
    }
}

fn words(draw: &mut ChaCha8Rng) -> String {
    let length = draw.random_range(0..60);
    (0..length).map(|_| draw.random_range('a'..='z')).collect()
}
