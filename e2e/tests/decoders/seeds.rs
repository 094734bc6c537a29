//! What this version writes, as inputs of the fuzz targets.

use std::collections::BTreeMap;

use aegis_audit_sink::{Record, leaf};
use aegis_executor::accept::audience;
use aegis_executor::{Claim, Done};
use aegis_ingest::{Sample, remote_write};
use aegis_nats::kv::{HaltState, Health};
use aegis_nats::snapshot::{Manifest, Place, pack};
use aegis_schemas::header::{CE_ID, CE_TYPE, CONTENT_TYPE, Meta};
use aegis_schemas::signature::{ALGORITHM, DECISION_TYPE, Envelope, Key};
use aegis_schemas::{
    Action, Digest, Event, EventId, Kind, MetricKind, PreImage, Stream, Subject, Warrant, codec,
};
use serde_json::json;

use super::targets::{CLUSTER_UID, NOW};

/// Every seed with the name of its target.
pub(crate) fn all() -> Vec<(String, Vec<u8>)> {
    let sets = [
        ("messages", messages()),
        ("envelope", envelopes()),
        ("delivery", deliveries()),
        ("intake", handed_in()),
        ("remote_write", requests()),
        ("exposition", vec![PAGE.into()]),
        ("kept", kept()),
        ("leaf", leaves()),
        ("note", notes()),
        ("objects", objects()),
    ];
    let named = |(name, seeds): (&str, Vec<Vec<u8>>)| {
        let name = name.to_owned();
        seeds.into_iter().map(move |seed| (name.clone(), seed))
    };
    sets.into_iter().flat_map(named).collect()
}

fn golden(kind: Kind, variant: u8) -> Vec<u8> {
    let file = format!("schemas/golden/v1/{}-{variant}.msgpack", kind.as_str());
    std::fs::read(aegis_xtask::root().join(file)).unwrap()
}

/// `bytes` behind the one that chooses how they are read.
fn chosen(choice: usize, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    [&[u8::try_from(choice).unwrap()], bytes.as_ref()].concat()
}

fn messages() -> Vec<Vec<u8>> {
    let variants = |(choice, kind): (usize, Kind)| {
        (1..=4).map(move |variant| chosen(choice, golden(kind, variant)))
    };
    Kind::ALL
        .into_iter()
        .enumerate()
        .flat_map(variants)
        .collect()
}

fn envelopes() -> Vec<Vec<u8>> {
    let key = Key::new("fuzz", vec![7; 32]).unwrap();
    let golden: Envelope = codec::decode(&golden(Kind::Warrant, 2)).unwrap();
    let mut warrant = golden.peek().unwrap();
    warrant.v = Warrant::VERSION;
    warrant.audience = audience(CLUSTER_UID);
    warrant.kid = key.kid().to_owned();
    warrant.alg = ALGORITHM.to_owned();
    (warrant.iat, warrant.nbf) = (NOW, NOW);
    warrant.exp = NOW + std::time::Duration::from_secs(60);
    warrant.action = Action::Scale {
        replicas: 5,
        from: 3,
    };
    let entity: aegis_schemas::Entity = "demo/shop/deployment/cart".parse().unwrap();
    warrant.target.object.gvk = "apps/v1/Deployment".to_owned();
    warrant.target.object.entity = entity.clone();
    warrant.target.object.workload = entity;
    let payload = codec::encode(&warrant).unwrap();
    let signed = Envelope::sign(DECISION_TYPE, payload.clone(), &key);
    let envelope = codec::encode(&signed).unwrap();
    let believed = aegis_executor::accept::believe(
        &envelope,
        &aegis_schemas::signature::Keyring::new([key]),
        CLUSTER_UID,
    );
    assert_eq!(
        believed.map_err(|refusal| refusal.message).unwrap(),
        warrant
    );
    vec![payload, envelope]
}

/// Subject, headers and body, as the targets read them.
fn lines(subject: &str, headers: &[(&str, String)], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{subject}\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\n");
    }
    [text.as_bytes(), b"\n", body].concat()
}

fn deliveries() -> Vec<Vec<u8>> {
    let subjects = [
        (Kind::Metric, "metric.0"),
        (Kind::Anomaly, "anomaly"),
        (Kind::Incident, "incident"),
        (Kind::Warrant, "decision.allow"),
        (Kind::Outcome, "action.applied"),
        (Kind::DeadLetter, "dlq.ingest"),
    ];
    let delivery = |(kind, place): (Kind, &str)| {
        let id = EventId::of_content("seed", place.as_bytes());
        let meta = Meta {
            id,
            kind: kind.as_str().to_owned(),
            source: "seed".to_owned(),
            time: NOW,
            cause: Some(id),
            origin: None,
            traceparent: None,
        };
        let body = golden(kind, 1);
        lines(
            &format!("aegis.v1.{place}.demo.shop.cart"),
            &meta.to_pairs(),
            &body,
        )
    };
    subjects.into_iter().map(delivery).collect()
}

fn handed_in() -> Vec<Vec<u8>> {
    let cart =
        json!({"cluster": "demo", "namespace": "shop", "kind": "deployment", "name": "cart"});
    let batch = json!({
        "entity": cart, "source": "ci", "times": [NOW.to_string()],
        "series": [{"metric": "up", "labels": {"a": "b"}, "values": [1.5]}]
    });
    let signal = |body: serde_json::Value| json!({"entity": cart, "observed": NOW.to_string(), "source": "ci", "body": body});
    let bodies = [
        (Kind::Metric, batch),
        (
            Kind::Signal,
            signal(json!({"kind": "change", "what": "template", "by": "ci"})),
        ),
        (
            Kind::Signal,
            signal(json!({"kind": "calls", "callees": [cart]})),
        ),
        (
            Kind::Signal,
            signal(json!({"kind": "alert", "name": "slow"})),
        ),
    ];
    let message = |kind: Kind, content: &str, body: &[u8]| {
        let headers = [
            (CE_ID, "one".to_owned()),
            (CE_TYPE, kind.as_str().to_owned()),
            (CONTENT_TYPE, content.to_owned()),
        ];
        lines("aegis.v1.intake.ci.hints", &headers, body)
    };
    let mut seeds = Vec::new();
    for (kind, body) in bodies {
        let json = body.to_string();
        let event = match kind {
            Kind::Metric => Event::Metric(serde_json::from_str(&json).unwrap()),
            _ => Event::Signal(serde_json::from_str(&json).unwrap()),
        };
        seeds.push(message(kind, "application/json", json.as_bytes()));
        seeds.push(message(
            kind,
            "application/msgpack",
            &event.encode().unwrap(),
        ));
    }
    seeds
}

fn requests() -> Vec<Vec<u8>> {
    let sample = |labels: &[(&str, &str)], value| Sample {
        name: "requests_total".to_owned(),
        labels: labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        kind: MetricKind::Counter,
        value,
        time: NOW,
    };
    let request = remote_write::encode(&[
        sample(&[("namespace", "shop"), ("pod", "cart-7d9c-a")], 1.5),
        sample(&[("namespace", "shop"), ("deployment", "cart")], f64::NAN),
        sample(&[("node", "n1")], f64::INFINITY),
    ])
    .unwrap();
    let unpacked = snap::raw::Decoder::new().decompress_vec(&request).unwrap();
    vec![request, unpacked]
}

const PAGE: &str = r#"# HELP http_requests_total Requests.
# TYPE http_requests_total counter
http_requests_total{code="200",path="a\\b\"c\nd"} 1027 1395066363000
# TYPE lat histogram
lat_bucket{le="+Inf"} 4
lat_sum 0.25
queue -1.5e+3
rpc{quantile="0.5"} NaN
"#;

fn kept() -> Vec<Vec<u8>> {
    let state = b"what a core remembers ".repeat(20);
    let size = u32::try_from(state.len()).unwrap();
    let place = Place {
        epoch: 1,
        seq: 7,
        now: NOW,
    };
    let manifest = Manifest {
        place,
        size: size.into(),
        chunks: vec![Digest::of(&state)],
    };
    let claim = Claim {
        nonce: Digest::of(b"nonce"),
        seq: 7,
        pre_image: PreImage::Replicas { replicas: 3 },
        done: Some(Done {
            generation: 4,
            resource_version: "12".to_owned(),
        }),
    };
    let halt = HaltState { fence: 9, on: true };
    let health = Health {
        lag_seconds: 0.5,
        fill: 0.1,
        ..Health::default()
    };
    vec![
        chosen(
            0,
            [&size.to_be_bytes(), pack(&state).unwrap().as_slice()].concat(),
        ),
        chosen(1, codec::encode(&manifest).unwrap()),
        chosen(2, codec::encode(&place).unwrap()),
        chosen(3, codec::encode(&claim).unwrap()),
        chosen(4, codec::encode(&halt).unwrap()),
        chosen(5, codec::encode(&health).unwrap()),
    ]
}

fn leaves() -> Vec<Vec<u8>> {
    let entity = "demo/shop/deployment/cart".parse().unwrap();
    let meta = [(CE_ID, EventId::of_content("seed", b"leaf").to_string())];
    let record = Record {
        stream: Stream::Events,
        epoch: 1,
        seq: 7,
        time: NOW,
        subject: Subject::anomaly(&entity).as_str().to_owned(),
        headers: meta.map(|(name, value)| (name.to_owned(), value)).into(),
        body: golden(Kind::Anomaly, 1).into(),
    };
    let plain = Record {
        headers: BTreeMap::new(),
        ..record.clone()
    };
    vec![
        leaf::encode(&record, None),
        leaf::encode(&plain, None),
        leaf::encode(&record, Some(&[7; 32])),
    ]
}

fn notes() -> Vec<Vec<u8>> {
    let root = data_encoding::BASE64.encode(&[7; 32]);
    let signed = format!("fuzz\n7\n{root}\n\n\u{2014} fuzz {root}\n");
    let proof = json!({
        "event": EventId::of_content("seed", b"proof").to_string(), "idx": 3,
        "leaf": data_encoding::BASE64.encode(&leaves()[0]), "path": [root], "checkpoint": signed
    });
    let mut seeds = vec![
        format!("fuzz\n7\n{root}\n").into_bytes(),
        signed.into_bytes(),
    ];
    seeds.push(proof.to_string().into_bytes());
    seeds
}

fn objects() -> Vec<Vec<u8>> {
    let named =
        |name: &str| json!({"name": name, "namespace": "shop", "uid": "u9", "generation": 4});
    let container = json!({
        "name": "app", "image": "shop/cart:1.5",
        "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}},
        "envFrom": [{"configMapRef": {"name": "settings"}}]
    });
    let status = json!({
        "phase": "Running",
        "containerStatuses": [{
            "name": "app", "restartCount": 3, "ready": false,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": NOW.to_string()}}
        }],
        "conditions": [{"type": "Ready", "status": "False"}]
    });
    let template = json!({"spec": {"containers": [container]}});
    let objects = [
        json!({"metadata": {"name": "shop", "labels": {"aegis.dev/enabled": "true"}}}),
        json!({"metadata": {"name": "n1"}, "status": {
            "allocatable": {"cpu": "4", "memory": "8Gi"}, "conditions": status["conditions"]}}),
        json!({"metadata": named("cart"), "spec": {"replicas": 3, "template": template},
            "status": {"replicas": 3, "readyReplicas": 2, "conditions": status["conditions"]}}),
        json!({"metadata": named("store"), "spec": {"replicas": 1, "template": template}}),
        json!({"metadata": named("agent"), "spec": {"template": template},
            "status": {"desiredNumberScheduled": 3}}),
        json!({"metadata": named("cart-8f"), "spec": {"template": template}}),
        json!({"metadata": named("store-1"), "revision": 2, "data": {"spec": {"template": template}}}),
        json!({"metadata": named("cart-7d9c-a"), "spec": {"nodeName": "n1", "containers": [container]},
            "status": status}),
        json!({"metadata": named("cart"), "spec": {
            "minReplicas": 1, "maxReplicas": 9,
            "scaleTargetRef": {"kind": "Deployment", "name": "cart"}},
            "status": {"currentReplicas": 3, "desiredReplicas": 4}}),
        json!({"metadata": named("cart"), "spec": {
            "minAvailable": "50%", "selector": {"matchLabels": {"app": "cart"}}},
            "status": {"disruptionsAllowed": 1}}),
        json!({"metadata": named("settings")}),
        json!({"metadata": named("cart.1"), "reason": "BackOff", "message": "back-off", "count": 3,
            "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "cart-7d9c-a"},
            "lastTimestamp": NOW.to_string()}),
    ];
    objects
        .iter()
        .enumerate()
        .map(|(choice, object)| chosen(choice, object.to_string()))
        .collect()
}
