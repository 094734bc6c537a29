//! Whether the admission policies hold: as the executor, writes that they must refuse, as dry runs.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::{DynamicObject, Request};
use serde_json::{Value, json};

use super::{Finding, Verdict};
use crate::act::{FENCE, MANAGER, resource};

const MANAGED: &str = "aegis.dev/managed=true";
const APPLY: &str = "kubectl apply -f deploy/kubernetes/admission.yaml";

/// What came of a write that must be refused.
enum Answer {
    /// By whom it must be.
    Refused,
    /// It would have been done.
    Taken,
    /// The executor has no right to it, or there is nothing to try it on.
    NotTried(String),
}

/// Tries each policy in the first namespace where it can be tried. `ingest` finds what to try it on.
pub(super) async fn examine(
    executor: &kube::Client,
    ingest: &kube::Client,
    namespaces: &[String],
) -> kube::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for policy in Policy::ALL {
        let mut answer = Answer::NotTried("no namespace is enabled".to_owned());
        for namespace in namespaces {
            answer = policy.try_in(executor, ingest, namespace).await?;
            if !matches!(answer, Answer::NotTried(_)) {
                break;
            }
        }
        findings.push(policy.finding(answer));
    }
    Ok(findings)
}

#[derive(Clone, Copy, Debug)]
enum Policy {
    Requests,
    Workloads,
    Pods,
    Evictions,
}

impl Policy {
    const ALL: [Self; 4] = [Self::Requests, Self::Workloads, Self::Pods, Self::Evictions];

    const fn name(self) -> &'static str {
        match self {
            Self::Requests => "aegis-executor-requests",
            Self::Workloads => "aegis-executor-workloads",
            Self::Pods => "aegis-executor-pods",
            Self::Evictions => "aegis-executor-evictions",
        }
    }

    fn finding(self, answer: Answer) -> Finding {
        let about = format!("policy {}", self.name());
        match answer {
            Answer::Refused => Finding::ok(about),
            Answer::NotTried(why) => Finding::new(about, Verdict::LeftOut, why),
            Answer::Taken => {
                let advice = format!(
                    "the API server takes what it must refuse: the policy is not there, not bound, or for another user; {APPLY}"
                );
                Finding::new(about, Verdict::Missing, advice)
            }
        }
    }

    async fn try_in(
        self,
        executor: &kube::Client,
        ingest: &kube::Client,
        namespace: &str,
    ) -> kube::Result<Answer> {
        match self.attempt(executor, ingest, namespace).await {
            Ok(false) => Ok(Answer::NotTried(format!(
                "nothing to try it on in {namespace}"
            ))),
            Err(kube::Error::Api(said)) if said.message.contains(self.name()) => {
                Ok(Answer::Refused)
            }
            Err(kube::Error::Api(said)) if matches!(said.code, 401 | 403 | 404) => {
                Ok(Answer::NotTried(said.message.clone()))
            }
            // What comes after admission is no objection of the policy.
            Ok(true) | Err(kube::Error::Api(_)) => Ok(Answer::Taken),
            Err(error) => Err(error),
        }
    }

    /// Makes the write; `false` when there is nothing to make it on.
    async fn attempt(
        self,
        executor: &kube::Client,
        ingest: &kube::Client,
        namespace: &str,
    ) -> kube::Result<bool> {
        let made = match self {
            Self::Requests => foreign_event(executor, namespace).await,
            Self::Workloads => match workload(ingest, namespace).await? {
                Some((kind, name)) => unmarked(executor, namespace, kind, &name).await,
                None => return Ok(false),
            },
            Self::Pods | Self::Evictions => match pod(ingest, namespace).await? {
                Some(name) if matches!(self, Self::Pods) => {
                    delete(executor, namespace, &name).await
                }
                Some(name) => evict(executor, namespace, &name).await,
                None => return Ok(false),
            },
        };
        made.map(|()| true)
    }
}

/// An Event that does not say that it is the executor's.
async fn foreign_event(executor: &kube::Client, namespace: &str) -> kube::Result<()> {
    let api =
        Api::<DynamicObject>::namespaced_with(executor.clone(), namespace, &resource("", "Event"));
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "aegis-doctor"},
        "involvedObject": {"namespace": namespace}, "reportingComponent": "aegis.dev/doctor",
    });
    let event = serde_json::from_value(event).map_err(kube::Error::SerdeError)?;
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    api.create(&params, &event).await.map(|_| ())
}

/// A change without a decision.
async fn unmarked(
    executor: &kube::Client,
    namespace: &str,
    kind: &'static str,
    name: &str,
) -> kube::Result<()> {
    let api =
        Api::<DynamicObject>::namespaced_with(executor.clone(), namespace, &resource("apps", kind));
    let change = json!({"metadata": {"annotations": {FENCE: "0"}}});
    let params = PatchParams {
        dry_run: true,
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    api.patch(name, &params, &Patch::Merge(change))
        .await
        .map(|_| ())
}

/// A deletion of whatever has that name.
async fn delete(executor: &kube::Client, namespace: &str, pod: &str) -> kube::Result<()> {
    let api = Api::<Pod>::namespaced(executor.clone(), namespace);
    let params = DeleteParams {
        dry_run: true,
        ..DeleteParams::default()
    };
    api.delete(pod, &params).await.map(|_| ())
}

/// An eviction without a decision.
async fn evict(executor: &kube::Client, namespace: &str, pod: &str) -> kube::Result<()> {
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"name": pod, "namespace": namespace},
    });
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let pods = Request::new(format!("/api/v1/namespaces/{namespace}/pods"));
    let body = eviction.to_string().into_bytes();
    let request = pods
        .create_subresource("eviction", pod, &params, body)
        .map_err(kube::Error::BuildRequest)?;
    executor.request::<Value>(request).await.map(|_| ())
}

/// A workload that is managed: its kind and its name.
async fn workload(
    ingest: &kube::Client,
    namespace: &str,
) -> kube::Result<Option<(&'static str, String)>> {
    for kind in ["Deployment", "StatefulSet", "DaemonSet"] {
        let api = Api::<DynamicObject>::namespaced_with(
            ingest.clone(),
            namespace,
            &resource("apps", kind),
        );
        let one = ListParams::default().labels(MANAGED).limit(1);
        let found = api.list(&one).await?.items.pop();
        if let Some(name) = found.and_then(|object| object.metadata.name) {
            return Ok(Some((kind, name)));
        }
    }
    Ok(None)
}

/// Any pod.
async fn pod(ingest: &kube::Client, namespace: &str) -> kube::Result<Option<String>> {
    let api = Api::<Pod>::namespaced(ingest.clone(), namespace);
    let found = api.list(&ListParams::default().limit(1)).await?.items.pop();
    Ok(found.and_then(|pod| pod.metadata.name))
}
