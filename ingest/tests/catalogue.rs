//! What objects say: tables of what the API server gives and what follows.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use aegis_ingest::{Catalogue, ObjectKind};
use aegis_schemas::signal::{Change, PodState, SyncPhase, WorkloadState};
use aegis_schemas::{Cluster, EntityKind, Signal, SignalBody, Timestamp};
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn catalogue() -> Catalogue {
    Catalogue::new(Cluster::parse("demo").unwrap())
}

/// A cluster with one Deployment `cart` of two pods, everything listed.
fn running() -> Catalogue {
    let mut catalogue = catalogue();
    for kind in ObjectKind::ALL {
        let objects = match kind {
            ObjectKind::Deployment => vec![deployment()],
            ObjectKind::ReplicaSet => vec![replica_set("cart-7d9c", 1, "shop/cart:1.4")],
            ObjectKind::Pod => vec![pod("cart-7d9c-a"), pod("cart-7d9c-b")],
            ObjectKind::ConfigMap => vec![config_map("5")],
            _ => Vec::new(),
        };
        catalogue.listed(kind, &objects, NOW);
    }
    assert!(catalogue.is_synced());
    catalogue
}

fn deployment() -> Value {
    json!({
        "metadata": {
            "name": "cart", "namespace": "shop", "uid": "u-cart", "generation": 3,
            "labels": {"aegis.dev/managed": "true", "team": "a"},
            "annotations": {"deployment.kubernetes.io/revision": "1", "aegis.dev/fence": "9"},
            "managedFields": [
                {"manager": "helm", "operation": "Apply", "time": "2026-01-01T00:00:00Z", "fieldsV1": {
                    "f:spec": {"f:template": {"f:spec": {"f:containers": {
                        "k:{\"name\":\"app\"}": {".": {}, "f:resources": {}, "f:env": {}}}}}}}},
                {"manager": "kubectl-set", "operation": "Update", "time": "2026-01-02T00:00:00Z", "fieldsV1": {
                    "f:spec": {"f:template": {"f:spec": {"f:containers": {
                        "k:{\"name\":\"app\"}": {"f:image": {}}}}}}}},
                {"manager": "alice", "operation": "Update", "subresource": "scale", "fieldsV1": {
                    "f:spec": {"f:replicas": {}}}},
                {"manager": "kube-controller-manager", "operation": "Update",
                 "time": "2026-01-03T00:00:00Z", "fieldsV1": {"f:status": {"f:readyReplicas": {}}}}
            ]
        },
        "spec": {
            "replicas": 2,
            "template": {
                "metadata": {"labels": {"app": "cart"}},
                "spec": {"containers": [{
                    "name": "app", "image": "shop/cart:1.4",
                    "env": [{"name": "PASSWORD", "value": "hunter2"}],
                    "envFrom": [{"configMapRef": {"name": "cart-config"}}],
                    "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}}
                }]}
            }
        },
        "status": {"observedGeneration": 3, "replicas": 2, "readyReplicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    })
}

fn replica_set(name: &str, revision: i64, image: &str) -> Value {
    let hash = name.strip_prefix("cart-").unwrap();
    json!({
        "metadata": {
            "name": name, "namespace": "shop", "uid": name,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"pod-template-hash": hash},
            "annotations": {"deployment.kubernetes.io/revision": revision.to_string()},
            "ownerReferences": [{"kind": "Deployment", "name": "cart", "uid": "u-cart", "controller": true}]
        },
        "spec": {"template": {"spec": {"containers": [{"name": "app", "image": image}]}}},
        "status": {"readyReplicas": 2}
    })
}

fn pod(name: &str) -> Value {
    let (set, _) = name.rsplit_once('-').unwrap();
    json!({
        "metadata": {
            "name": name, "namespace": "shop", "uid": format!("u-{name}"),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"pod-template-hash": set.strip_prefix("cart-").unwrap()},
            "ownerReferences": [{"kind": "ReplicaSet", "name": set, "controller": true}]
        },
        "spec": {"nodeName": "node-1"},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "app", "restartCount": 0, "state": {"running": {}}}]
        }
    })
}

fn config_map(version: &str) -> Value {
    json!({"metadata": {
        "name": "cart-config", "namespace": "shop", "resourceVersion": version,
        "managedFields": [{"manager": "bob", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:data": {}}}]
    }})
}

fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    *object.pointer_mut(pointer).unwrap() = value;
    object
}

fn pods(signals: &[Signal]) -> Vec<&PodState> {
    let pod = |signal: &'_ Signal| matches!(&signal.body, SignalBody::Pod(_));
    signals
        .iter()
        .filter(|signal| pod(signal))
        .map(|signal| match &signal.body {
            SignalBody::Pod(state) => state,
            _ => unreachable!("filtered above"),
        })
        .collect()
}

fn changes(signals: &[Signal]) -> Vec<&Change> {
    signals
        .iter()
        .filter_map(|signal| match &signal.body {
            SignalBody::Change(change) => Some(change),
            _ => None,
        })
        .collect()
}

fn workload(signals: &[Signal]) -> &WorkloadState {
    signals
        .iter()
        .rev()
        .find_map(|signal| match &signal.body {
            SignalBody::Workload(state) => Some(state),
            _ => None,
        })
        .expect("a workload is said")
}

#[test]
fn the_first_sight_is_a_state_and_not_a_change() {
    let mut catalogue = catalogue();
    let signals = catalogue.listed(ObjectKind::Deployment, &[deployment()], NOW);
    assert!(changes(&signals).is_empty());
    let state = workload(&signals);
    assert_eq!((state.replicas, state.ready, state.generation), (2, 2, 3));
    assert_eq!(state.containers[0].cpu_limit_millis, 500);
    assert_eq!(state.containers[0].memory_limit_bytes, 256 << 20);
    assert_eq!(
        state.labels.keys().collect::<Vec<_>>(),
        ["aegis.dev/managed"]
    );
    assert_eq!(state.annotations["aegis.dev/fence"], "9");
    assert_eq!(state.managers["alice"], "replicas");
    assert_eq!(state.managers["helm"], "template");
    assert!(!state.managers.contains_key("kube-controller-manager"));
}

#[test]
fn what_did_not_change_is_not_said() {
    let mut catalogue = running();
    for (kind, object) in [
        (ObjectKind::Deployment, deployment()),
        (ObjectKind::Pod, pod("cart-7d9c-a")),
        (ObjectKind::ConfigMap, config_map("5")),
    ] {
        assert_eq!(catalogue.applied(kind, &object, NOW), []);
    }
}

#[test]
fn changes_name_who_made_them_and_what_they_were() {
    let image = "/spec/template/spec/containers/0/image";
    let memory = "/spec/template/spec/containers/0/resources/limits/memory";
    let env = "/spec/template/spec/containers/0/env/0/value";
    for (pointer, value, what, by, from, to) in [
        (
            image,
            json!("shop/cart:1.5"),
            "template",
            "kubectl-set",
            "shop/cart:1.4",
            "shop/cart:1.5",
        ),
        (
            memory,
            json!("64Mi"),
            "template",
            "helm",
            "revision 1",
            "app.resources.limits.memory of shop/cart:1.4",
        ),
        (
            memory,
            json!("64Mi"),
            "limits",
            "helm",
            "app: 500m cpu, 256 MiB",
            "app: 500m cpu, 64 MiB",
        ),
        (
            env,
            json!("hunter3"),
            "template",
            "helm",
            "revision 1",
            "app.env.PASSWORD.value of shop/cart:1.4",
        ),
        ("/spec/replicas", json!(5), "replicas", "alice", "2", "5"),
    ] {
        let signals = running().applied(
            ObjectKind::Deployment,
            &with(deployment(), pointer, value),
            NOW,
        );
        let change = changes(&signals)
            .into_iter()
            .find(|change| change.what == what)
            .unwrap_or_else(|| panic!("{pointer} gives a change of the {what}: {signals:?}"));
        assert_eq!(
            (change.by.as_str(), change.from.as_str(), change.to.as_str()),
            (by, from, to)
        );
        assert_eq!(change.revision, if what == "replicas" { 0 } else { 2 });
        assert!(
            !format!("{signals:?}").contains("hunter"),
            "values are not told"
        );
    }
}

#[test]
fn a_new_workload_is_created_by_somebody() {
    let mut catalogue = running();
    let other = with(deployment(), "/metadata/name", json!("pay"));
    let other = with(other, "/metadata/uid", json!("u-pay"));
    let signals = catalogue.applied(ObjectKind::Deployment, &other, NOW);
    let [change] = changes(&signals)[..] else {
        panic!("one change: {signals:?}");
    };
    assert_eq!(
        (change.what.as_str(), change.from.as_str()),
        ("created", "nothing")
    );
    assert_eq!(
        change.by, "kubectl-set",
        "the last who wrote a part of the specification"
    );
}

#[test]
fn a_rollout_shows_its_revisions() {
    let mut catalogue = running();
    let image = "/spec/template/spec/containers/0/image";
    let next = with(deployment(), image, json!("shop/cart:1.5"));
    let next = with(next, "/metadata/generation", json!(4));
    catalogue.applied(ObjectKind::Deployment, &next, NOW);
    let set = replica_set("cart-85bd", 2, "shop/cart:1.5");
    catalogue.applied(ObjectKind::ReplicaSet, &set, NOW);
    let numbered = with(
        next,
        "/metadata/annotations/deployment.kubernetes.io~1revision",
        json!("2"),
    );
    let signals = catalogue.applied(ObjectKind::Deployment, &numbered, NOW);
    assert!(changes(&signals).is_empty(), "the number is no change");
    let state = workload(&signals);
    assert_eq!(state.revision, 2);
    let seen: Vec<_> = state
        .revisions
        .iter()
        .map(|one| {
            (
                one.number,
                one.template_hash.as_str(),
                one.images[0].as_str(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [(1, "7d9c", "shop/cart:1.4"), (2, "85bd", "shop/cart:1.5")]
    );
    let signals = catalogue.deleted(ObjectKind::ReplicaSet, &set, NOW);
    assert_eq!(workload(&signals).revisions.len(), 1);
}

#[test]
fn a_stateful_set_counts_the_ready_pods_of_each_revision() {
    let mut catalogue = catalogue();
    let set = json!({
        "metadata": {"name": "db", "namespace": "shop", "uid": "u-db"},
        "spec": {"replicas": 2, "updateStrategy": {"type": "OnDelete"}, "template": {}},
        "status": {"updateRevision": "db-2"}
    });
    catalogue.applied(ObjectKind::StatefulSet, &set, NOW);
    for (name, number) in [("db-1", 1), ("db-2", 2), ("db-0", 3)] {
        catalogue.applied(ObjectKind::ControllerRevision, &json!({
            "metadata": {"name": name, "namespace": "shop",
                "ownerReferences": [{"kind": "StatefulSet", "name": "db", "controller": true}]},
            "revision": number,
            "data": {"spec": {"template": {"spec": {"containers": [{"image": format!("db:{number}")}]}}}}
        }), NOW);
    }
    let signals = catalogue.applied(ObjectKind::Pod, &json!({
        "metadata": {"name": "db-0", "namespace": "shop", "labels": {"controller-revision-hash": "db-1"},
            "ownerReferences": [{"kind": "StatefulSet", "name": "db", "controller": true}]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]}
    }), NOW);
    let state = workload(&signals);
    assert!(state.on_delete);
    assert_eq!(
        state.revision, 2,
        "the update revision, not the highest number"
    );
    let ready: Vec<_> = state
        .revisions
        .iter()
        .map(|one| (one.number, one.ready))
        .collect();
    assert_eq!(ready, [(1, 1), (2, 0), (3, 0)]);
}

#[test]
fn pods_tell_what_ails_them() {
    let crash = json!([{"name": "app", "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"reason": "Error", "exitCode": 1, "finishedAt": "2026-01-01T00:01:00Z"}}}]);
    let oom = json!([{"name": "app", "restartCount": 1, "state": {"running": {}},
        "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-01-01T00:01:00Z"}}}]);
    let pull = json!([
        {"name": "side", "restartCount": 0, "state": {"waiting": {"reason": "ContainerCreating"}}},
        {"name": "app", "restartCount": 0, "state": {"waiting": {"reason": "ImagePullBackOff"}}}]);
    for (statuses, restarts, waiting, ended) in [
        (crash, 3, Some("CrashLoopBackOff"), Some(("Error", 1))),
        (oom, 1, None, Some(("OOMKilled", 137))),
        (pull, 0, Some("ImagePullBackOff"), None),
    ] {
        let sick = with(pod("cart-7d9c-a"), "/status/containerStatuses", statuses);
        let sick = with(sick, "/status/conditions/0/status", json!("False"));
        let signals = running().applied(ObjectKind::Pod, &sick, NOW);
        let [state] = pods(&signals)[..] else {
            panic!("one pod: {signals:?}");
        };
        assert_eq!(state.restarts, restarts);
        assert_eq!(state.waiting.as_deref(), waiting);
        let last = state.terminated.as_ref();
        assert_eq!(
            last.map(|last| (last.reason.as_str(), last.exit_code)),
            ended
        );
        assert!(!state.ready);
        assert_eq!(
            state.workload.as_ref().unwrap().to_string(),
            "demo/shop/deployment/cart"
        );
    }
}

#[test]
fn a_pod_that_is_seen_before_its_replica_set_has_its_owner() {
    let mut catalogue = catalogue();
    let signals = catalogue.applied(ObjectKind::Pod, &pod("cart-7d9c-a"), NOW);
    let owner = pods(&signals)[0].workload.as_ref().unwrap();
    assert_eq!(owner.to_string(), "demo/shop/deployment/cart");
}

#[test]
fn a_pod_without_a_hash_gets_its_owner_with_its_replica_set() {
    let mut catalogue = catalogue();
    let bare = with(pod("cart-7d9c-a"), "/metadata/labels", json!({}));
    let signals = catalogue.applied(ObjectKind::Pod, &bare, NOW);
    assert_eq!(pods(&signals)[0].workload, None);
    let set = replica_set("cart-7d9c", 1, "shop/cart:1.4");
    let signals = catalogue.applied(ObjectKind::ReplicaSet, &set, NOW);
    let owner = pods(&signals)[0].workload.as_ref().unwrap();
    assert_eq!(owner.to_string(), "demo/shop/deployment/cart");
    assert_eq!(
        catalogue.owner_of("shop", "cart-7d9c-a").as_ref(),
        Some(owner)
    );
}

#[test]
fn pods_are_found_by_name_when_the_watch_does_not_know_them() {
    let catalogue = running();
    let owner = |pod: &str| {
        catalogue
            .owner_of("shop", pod)
            .map(|owner| owner.to_string())
    };
    let cart = Some("demo/shop/deployment/cart".to_owned());
    assert_eq!(owner("cart-7d9c-a"), cart);
    assert_eq!(owner("cart-0000-zzzzz"), cart, "gone, or not seen yet");
    assert_eq!(owner("pay-7d9c-a"), None);
    assert_eq!(owner("NOT A POD"), None);
}

#[test]
fn a_config_map_changes_the_workloads_that_use_it() {
    let mut catalogue = running();
    let signals = catalogue.applied(ObjectKind::ConfigMap, &config_map("6"), NOW);
    let [change] = changes(&signals)[..] else {
        panic!("one change: {signals:?}");
    };
    assert_eq!(signals[0].entity.kind, EntityKind::Deployment);
    assert_eq!(
        (change.what.as_str(), change.by.as_str()),
        ("configuration", "bob")
    );
    assert_eq!(change.to, "config map `cart-config` at 6");
}

#[test]
fn what_is_deleted_or_missing_in_a_list_is_gone() {
    let mut catalogue = running();
    let gone = |signals: &[Signal]| -> Vec<String> {
        signals
            .iter()
            .filter(|signal| matches!(&signal.body, SignalBody::Gone(gone) if !gone.uid.is_empty()))
            .map(|signal| signal.entity.short())
            .collect()
    };
    let signals = catalogue.deleted(ObjectKind::Pod, &pod("cart-7d9c-a"), NOW);
    assert_eq!(gone(&signals), ["pod/cart-7d9c-a"]);
    let signals = catalogue.listed(ObjectKind::Pod, &[], NOW);
    assert_eq!(gone(&signals), ["pod/cart-7d9c-b"]);
    let signals = catalogue.listed(ObjectKind::Deployment, &[], NOW);
    assert_eq!(gone(&signals), ["deployment/cart"]);
}

#[test]
fn a_restatement_says_everything_between_begin_and_end() {
    let catalogue = running();
    let signals = catalogue.restate(NOW, 7);
    let phases: Vec<_> = [signals.first(), signals.last()]
        .into_iter()
        .flatten()
        .map(|signal| match &signal.body {
            SignalBody::Sync(sync) => (
                sync.phase,
                sync.round,
                sync.kinds.contains(&EntityKind::Pod),
            ),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        phases,
        [(SyncPhase::Begin, 7, true), (SyncPhase::End, 7, true)]
    );
    assert_eq!(signals.len(), 2 + 3, "the Deployment and two pods");
    assert_eq!(signals, catalogue.restate(NOW, 7), "nothing else moves");
}

#[test]
fn warnings_are_said_once_and_again_when_they_count_up() {
    let mut catalogue = running();
    let event = |kind: &str, count: i64| {
        json!({
            "metadata": {"name": "e1", "namespace": "shop", "uid": "e1"},
            "type": kind, "reason": "BackOff", "message": "x".repeat(400), "count": count,
            "involvedObject": {"kind": "ReplicaSet", "namespace": "shop", "name": "cart-7d9c"}
        })
    };
    for (kind, count, said) in [
        ("Normal", 1, 0),
        ("Warning", 1, 1),
        ("Warning", 1, 0),
        ("Warning", 4, 1),
    ] {
        let signals = catalogue.applied(ObjectKind::Event, &event(kind, count), NOW);
        assert_eq!(signals.len(), said, "{kind} {count}");
        if let Some(signal) = signals.first() {
            assert_eq!(signal.entity.short(), "deployment/cart");
            let SignalBody::KubernetesEvent(event) = &signal.body else {
                panic!()
            };
            assert_eq!(event.note.len(), 256);
        }
    }
}

#[test]
fn small_objects_have_their_states() {
    let mut catalogue = running();
    let node = json!({"metadata": {"name": "node-1", "uid": "n"}, "spec": {"unschedulable": true},
        "status": {"conditions": [{"type": "Ready", "status": "False"}, {"type": "DiskPressure", "status": "True"}]}});
    let namespace = json!({"metadata": {"name": "shop", "uid": "s", "labels": {"aegis.dev/enabled": "true", "x": "y"}}});
    let autoscaler = json!({"metadata": {"name": "cart", "namespace": "shop"},
        "spec": {"maxReplicas": 9, "scaleTargetRef": {"kind": "Deployment", "name": "cart"}}});
    let budget = json!({"metadata": {"name": "cart", "namespace": "shop"},
        "spec": {"selector": {"matchLabels": {"app": "cart"}}}, "status": {"disruptionsAllowed": 1}});
    for (kind, object) in [
        (ObjectKind::Node, node),
        (ObjectKind::Namespace, namespace),
        (ObjectKind::HorizontalPodAutoscaler, autoscaler),
        (ObjectKind::PodDisruptionBudget, budget),
    ] {
        let signals = catalogue.applied(kind, &object, NOW);
        let [signal] = &signals[..] else {
            panic!("{signals:?}")
        };
        match &signal.body {
            SignalBody::Node(node) => {
                assert!(node.unschedulable && !node.ready);
                assert_eq!(node.problems, ["DiskPressure"]);
            }
            SignalBody::Namespace(namespace) => {
                assert_eq!(
                    namespace.labels.keys().collect::<Vec<_>>(),
                    ["aegis.dev/enabled"]
                );
            }
            SignalBody::Autoscaler(scaler) => {
                assert_eq!((scaler.min, scaler.max), (1, 9));
                assert_eq!(scaler.target.as_ref().unwrap().short(), "deployment/cart");
            }
            SignalBody::DisruptionBudget(budget) => {
                assert_eq!(budget.workloads[0].short(), "deployment/cart");
                assert_eq!(budget.disruptions_allowed, 1);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn hostile_objects_say_nothing_and_do_not_panic() {
    let mut catalogue = running();
    for object in [
        Value::Null,
        json!([]),
        json!({"metadata": {"name": "UPPER", "namespace": "shop"}}),
        json!({"metadata": {"name": "x", "namespace": 7}}),
        json!({"metadata": {"name": "x", "namespace": "shop", "ownerReferences": {}, "managedFields": 3},
               "spec": {"replicas": -1e300, "template": "no"}, "status": []}),
    ] {
        for kind in ObjectKind::ALL {
            catalogue.applied(kind, &object, NOW);
            catalogue.listed(kind, std::slice::from_ref(&object), NOW);
            catalogue.deleted(kind, &object, NOW);
        }
    }
}
