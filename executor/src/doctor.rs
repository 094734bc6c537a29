//! Whether a cluster gives Aegis' two users what they need and no more, and holds the executor to its
//! bounds. Nothing is changed: reviews ask, and writes that must be refused are dry runs.

mod finding;
mod policies;
mod review;
mod rights;

use std::path::PathBuf;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::ListParams;

pub use finding::{Finding, Verdict};
use review::{Reviewer, Scope};
use rights::{BASE, CAPABILITIES, CLUSTER, Capability, FORBIDDEN, Right, rights};

use crate::connect;
use crate::{Config, Error};

/// Where nobody acts: what the executor may do there it may do everywhere.
const ELSEWHERE: &str = "kube-system";
const ENABLED: &str = "aegis.dev/enabled=true";
const ENABLE: &str = "kubectl apply --namespace";

/// The user that watches.
#[derive(Clone, Debug)]
pub struct Watcher {
    /// How it reaches the API server; as [`Config::kubeconfig`].
    pub kubeconfig: Option<PathBuf>,
    /// The group and the plural of each kind that it lists and watches.
    pub kinds: Vec<(&'static str, &'static str)>,
}

/// Asks the API server as either user.
///
/// # Errors
///
/// When it is not said how to reach it, or it does not answer.
pub async fn examine(config: &Config, watcher: &Watcher) -> Result<Vec<Finding>, Error> {
    let executor = connect::client(config).await?;
    let path = watcher.kubeconfig.as_deref();
    let ingest = connect::client_of(path, config.request_timeout).await?;
    let said = async {
        let mut findings = of_ingest(&Reviewer::new("ingest", ingest.clone()), watcher).await?;
        // Who may not list namespaces knows none.
        let namespaces = enabled(&ingest).await.unwrap_or_default();
        let reviewer = Reviewer::new("executor", executor.clone());
        findings.push(finding::namespaces(&namespaces));
        findings.extend(of_executor(&reviewer, &namespaces).await?);
        findings.extend(policies::examine(&executor, &ingest, &namespaces).await?);
        Ok::<_, kube::Error>(findings)
    };
    said.await
        .map_err(|error| Error::Kubernetes(error.to_string()))
}

async fn of_ingest(ingest: &Reviewer, watcher: &Watcher) -> kube::Result<Vec<Finding>> {
    let kinds = watcher.kinds.iter();
    let wanted: Vec<Right> = kinds
        .flat_map(|(group, plural)| ["list", "watch"].map(|verb| Right::new(group, plural, verb)))
        .collect();
    let missing = ingest.missing(&Scope::Cluster, &wanted).await?;
    let advice = "kubectl apply -f deploy/kubernetes/ingest.yaml";
    Ok(vec![
        Finding::missing("ingest: list and watch", &missing, advice),
        ingest
            .no_more(&Scope::Namespace(ELSEWHERE.to_owned()), &wanted)
            .await?,
    ])
}

async fn of_executor(executor: &Reviewer, namespaces: &[String]) -> kube::Result<Vec<Finding>> {
    let cluster = rights(CLUSTER);
    let missing = executor.missing(&Scope::Cluster, &cluster).await?;
    let advice = "kubectl apply -f deploy/kubernetes/executor.yaml";
    let elsewhere = Scope::Namespace(ELSEWHERE.to_owned());
    let mut findings = vec![
        Finding::missing("executor: read its two namespaces", &missing, advice),
        executor.no_more(&elsewhere, &cluster).await?,
    ];
    for namespace in namespaces {
        findings.extend(of_namespace(executor, namespace).await?);
    }
    Ok(findings)
}

/// A line for each capability in a namespace, and one for all that is no capability.
async fn of_namespace(executor: &Reviewer, namespace: &str) -> kube::Result<Vec<Finding>> {
    let scope = Scope::Namespace(namespace.to_owned());
    let advice = format!("{ENABLE} {namespace} -f deploy/kubernetes/enable/");
    let missing = executor.missing(&scope, &rights(BASE)).await?;
    let about = format!("executor in {namespace}: look and note");
    let mut findings = vec![Finding::missing(&about, &missing, &advice)];
    let mut all = [rights(CLUSTER), rights(BASE)].concat();
    for Capability { name, sign, rules } in CAPABILITIES {
        let about = format!("executor in {namespace}: {name}");
        let wanted = rights(rules);
        all.extend(wanted.iter().cloned());
        findings.push(if executor.may(&scope, &sign.right()).await? {
            Finding::missing(&about, &executor.missing(&scope, &wanted).await?, &advice)
        } else {
            Finding::left_out(&about, &format!("to let it: {advice}"))
        });
    }
    findings.push(executor.no_more(&scope, &all).await?);
    Ok(findings)
}

impl Reviewer {
    /// That the user may nothing but `wanted`: by name of what is worst, and by all rules that are told.
    async fn no_more(&self, scope: &Scope, wanted: &[Right]) -> kube::Result<Finding> {
        let mut wide = Vec::new();
        for right in rights(FORBIDDEN) {
            if self.may(scope, &right).await? {
                wide.push(right.to_string());
            }
        }
        for told in self.beyond(scope, wanted).await? {
            if !wide.contains(&told) {
                wide.push(told);
            }
        }
        Ok(Finding::wide(self.name(), scope, &wide))
    }
}

/// The namespaces that take part.
async fn enabled(client: &kube::Client) -> kube::Result<Vec<String>> {
    let api: Api<Namespace> = Api::all(client.clone());
    let list = api.list(&ListParams::default().labels(ENABLED)).await?;
    let names = list.items.into_iter().filter_map(|one| one.metadata.name);
    Ok(names.collect())
}
