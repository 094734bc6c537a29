//! What the server fills in where a client leaves a field out.

use serde_json::{Value, json};

use super::json::{self, default};
use super::resources::Kind;

/// Completes a new or changed object.
pub(crate) fn fill(kind: Kind, object: &mut Value) {
    match kind {
        Kind::Namespace => {
            default(object, &["spec", "finalizers"], json!(["kubernetes"]));
            default(object, &["status", "phase"], "Active");
            let name = json::name(object).to_owned();
            json::set(
                object,
                &["metadata", "labels", "kubernetes.io/metadata.name"],
                name,
            );
        }
        Kind::Pod => {
            pod_spec(json::entry(object, &["spec"]));
            default(object, &["status", "phase"], "Pending");
            default(object, &["status", "qosClass"], "Burstable");
        }
        Kind::Service => {
            default(object, &["spec", "type"], "ClusterIP");
            default(object, &["spec", "sessionAffinity"], "None");
        }
        Kind::Deployment => deployment(object),
        Kind::ReplicaSet => {
            default(object, &["spec", "replicas"], 1);
            template(object);
        }
        Kind::StatefulSet => {
            default(object, &["spec", "replicas"], 1);
            default(object, &["spec", "podManagementPolicy"], "OrderedReady");
            default(object, &["spec", "serviceName"], "");
            for event in ["whenDeleted", "whenScaled"] {
                let policy = ["spec", "persistentVolumeClaimRetentionPolicy", event];
                default(object, &policy, "Retain");
            }
            default(object, &["spec", "revisionHistoryLimit"], 10);
            default(object, &["spec", "updateStrategy", "type"], "RollingUpdate");
            if json::text(object, "/spec/updateStrategy/type") == "RollingUpdate" {
                let partition = ["spec", "updateStrategy", "rollingUpdate", "partition"];
                default(object, &partition, 0);
            }
            template(object);
        }
        Kind::DaemonSet => {
            default(object, &["spec", "revisionHistoryLimit"], 10);
            default(object, &["spec", "updateStrategy", "type"], "RollingUpdate");
            if json::text(object, "/spec/updateStrategy/type") == "RollingUpdate" {
                let rolling = ["spec", "updateStrategy", "rollingUpdate"];
                default(object, &[&rolling[..], &["maxUnavailable"]].concat(), 1);
                default(object, &[&rolling[..], &["maxSurge"]].concat(), 0);
            }
            template(object);
        }
        Kind::HorizontalPodAutoscaler => default(object, &["spec", "minReplicas"], 1),
        Kind::Node
        | Kind::ConfigMap
        | Kind::Event
        | Kind::ControllerRevision
        | Kind::PodDisruptionBudget
        | Kind::Lease => {}
    }
}

fn deployment(object: &mut Value) {
    default(object, &["spec", "replicas"], 1);
    default(object, &["spec", "revisionHistoryLimit"], 10);
    default(object, &["spec", "progressDeadlineSeconds"], 600);
    default(object, &["spec", "strategy", "type"], "RollingUpdate");
    if json::text(object, "/spec/strategy/type") == "RollingUpdate" {
        let rolling = ["spec", "strategy", "rollingUpdate"];
        default(object, &[&rolling[..], &["maxSurge"]].concat(), "25%");
        default(object, &[&rolling[..], &["maxUnavailable"]].concat(), "25%");
    }
    template(object);
}

fn template(object: &mut Value) {
    default(
        object,
        &["spec", "template", "metadata", "creationTimestamp"],
        Value::Null,
    );
    pod_spec(json::entry(object, &["spec", "template", "spec"]));
}

fn pod_spec(spec: &mut Value) {
    default(spec, &["restartPolicy"], "Always");
    default(spec, &["terminationGracePeriodSeconds"], 30);
    default(spec, &["dnsPolicy"], "ClusterFirst");
    default(spec, &["schedulerName"], "default-scheduler");
    default(spec, &["securityContext"], json!({}));
    for list in ["containers", "initContainers"] {
        let Some(containers) = spec.get_mut(list).and_then(Value::as_array_mut) else {
            continue;
        };
        for container in containers.iter_mut().filter(|c| c.is_object()) {
            default(container, &["imagePullPolicy"], "IfNotPresent");
            default(container, &["resources"], json!({}));
            default(
                container,
                &["terminationMessagePath"],
                "/dev/termination-log",
            );
            default(container, &["terminationMessagePolicy"], "File");
            if let Some(ports) = container.get_mut("ports").and_then(Value::as_array_mut) {
                for port in ports.iter_mut().filter(|port| port.is_object()) {
                    default(port, &["protocol"], "TCP");
                }
            }
        }
    }
}
