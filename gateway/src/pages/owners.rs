//! Who owns what: the workloads that an incident is about, their revisions, and the pods of each, as they
//! stand now.

use std::collections::BTreeSet;

use aegis_schemas::signal::{PodState, Revision, WorkloadState};
use aegis_schemas::{Entity, EntityKind};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::rows::Incident;
use super::words::{Thing, When};
use crate::store::Reading;

/// Objects that are shown: workloads, then pods, sick ones first.
const SHOWN: usize = 100;
/// Of the entities in `$1` those that stand, the owners of those that are pods, and the pods of all these.
const STANDING: &str = "WITH named AS (SELECT jsonb_array_elements_text($1::jsonb) AS entity),
      top AS MATERIALIZED (SELECT entity FROM named
        UNION SELECT o.owner FROM views.object o JOIN named USING (entity) WHERE o.owner IS NOT NULL),
      found AS (SELECT o.* FROM views.object o JOIN top USING (entity) WHERE o.owner IS NULL
        UNION ALL SELECT o.* FROM views.object o JOIN top ON top.entity = o.owner)
    SELECT entity, owner, idx, at, state FROM found WHERE state IS NOT NULL
    ORDER BY owner IS NOT NULL, (state->>'ready') <> 'false', entity";

/// An object as it was said last.
#[derive(Debug, Deserialize)]
struct Standing {
    entity: String,
    owner: Option<String>,
    idx: i64,
    at: Timestamp,
    state: Value,
}

/// What an incident is about, and who owns it.
#[derive(Debug)]
pub(super) struct Owners {
    pub(super) all: Vec<Owner>,
    /// Whether there is more than is shown.
    pub(super) cut: bool,
}

/// A workload with what it owns.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) name: String,
    pub(super) place: String,
    /// Whether all that it wants is ready.
    pub(super) well: bool,
    pub(super) said: String,
    pub(super) at: When,
    pub(super) idx: i64,
    pub(super) revisions: Vec<OfRevision>,
}

/// Pods that were made from one template.
#[derive(Debug)]
pub(super) struct OfRevision {
    pub(super) name: String,
    pub(super) is_current: bool,
    pub(super) images: String,
    pub(super) pods: Vec<OfPod>,
    /// Ready ones that are not shown.
    pub(super) more: usize,
}

/// A pod.
#[derive(Debug)]
pub(super) struct OfPod {
    pub(super) name: String,
    pub(super) well: bool,
    pub(super) said: String,
    pub(super) idx: i64,
}

/// The owners of what an incident is about.
pub(super) async fn owners(
    reading: &mut Reading,
    incident: &Incident,
) -> Result<Owners, sqlx::Error> {
    let mut named: BTreeSet<String> = incident.affected.iter().map(Entity::to_string).collect();
    named.insert(incident.entity.clone());
    let asked = serde_json::to_string(&named).unwrap_or_default();
    // One more tells whether there is more.
    let most = i64::try_from(SHOWN + 1).unwrap_or(i64::MAX);
    let mut found: Vec<Standing> = reading.read(STANDING, &[Some(asked)], most).await?;
    let cut = found.len() > SHOWN;
    found.truncate(SHOWN);
    Ok(Owners {
        cut,
        all: tree(found),
    })
}

/// Each workload with its revisions, each of these with its pods.
fn tree(found: Vec<Standing>) -> Vec<Owner> {
    let is_pod = |one: &Standing| {
        let entity: Option<Entity> = one.entity.parse().ok();
        entity.is_some_and(|entity| entity.kind == EntityKind::Pod)
    };
    let (pods, workloads): (Vec<_>, Vec<_>) = found.into_iter().partition(is_pod);
    let pods: Vec<(Standing, PodState)> = pods.into_iter().filter_map(read).collect();
    workloads
        .into_iter()
        .filter_map(read::<WorkloadState>)
        .map(|(one, state)| {
            let own: Vec<&(Standing, PodState)> = pods
                .iter()
                .filter(|(pod, _)| pod.owner.as_ref() == Some(&one.entity))
                .collect();
            owner(&one, &state, &own)
        })
        .collect()
}

/// What a state says; one that this version cannot read is left out.
fn read<T: DeserializeOwned>(mut one: Standing) -> Option<(Standing, T)> {
    let state = serde_json::from_value(one.state.take()).ok()?;
    Some((one, state))
}

fn owner(one: &Standing, state: &WorkloadState, pods: &[&(Standing, PodState)]) -> Owner {
    let mut revisions: Vec<OfRevision> = state
        .revisions
        .iter()
        .rev()
        .filter_map(|revision| of_revision(state, revision, pods))
        .collect();
    let known = |pod: &PodState| {
        let mut revisions = state.revisions.iter();
        revisions.any(|revision| revision.template_hash == pod.template_hash)
    };
    let others: Vec<OfPod> = pods
        .iter()
        .filter(|(_, pod)| !known(pod))
        .map(|(one, pod)| of_pod(one, pod))
        .collect();
    if !others.is_empty() {
        revisions.push(OfRevision {
            name: "of no revision on record".to_owned(),
            is_current: false,
            images: String::new(),
            pods: others,
            more: 0,
        });
    }
    let thing = Thing(&one.entity);
    Owner {
        name: thing.name(),
        place: thing.place(),
        well: state.ready >= state.replicas && !state.stalled,
        said: workload_in_words(state),
        at: When(one.at),
        idx: one.idx,
        revisions,
    }
}

fn workload_in_words(state: &WorkloadState) -> String {
    let mut said = vec![format!("{} of {} pods ready", state.ready, state.replicas)];
    if state.updated < state.replicas {
        said.push(format!("{} at the newest revision", state.updated));
    }
    for (holds, words) in [
        (state.stalled, "its rollout does not get on"),
        (state.paused, "its rollout is paused"),
        (state.deleting, "being deleted"),
    ] {
        if holds {
            said.push(words.to_owned());
        }
    }
    said.join(", ")
}

/// A revision that is current or has pods.
fn of_revision(
    of: &WorkloadState,
    revision: &Revision,
    pods: &[&(Standing, PodState)],
) -> Option<OfRevision> {
    let pods: Vec<&&(Standing, PodState)> = pods
        .iter()
        .filter(|(_, pod)| pod.template_hash == revision.template_hash)
        .collect();
    let is_current = revision.number == of.revision;
    if !is_current && pods.is_empty() {
        return None;
    }
    let ready = pods.iter().filter(|(_, pod)| pod.ready).count();
    Some(OfRevision {
        name: format!("revision {}", revision.number),
        is_current,
        images: revision.images.join(", "),
        more: usize::try_from(revision.ready)
            .unwrap_or(0)
            .saturating_sub(ready),
        pods: pods.iter().map(|(one, pod)| of_pod(one, pod)).collect(),
    })
}

fn of_pod(one: &Standing, pod: &PodState) -> OfPod {
    OfPod {
        name: Thing(&one.entity).name(),
        well: pod.ready && !pod.deleting,
        said: pod_in_words(pod),
        idx: one.idx,
    }
}

fn pod_in_words(pod: &PodState) -> String {
    let state = match (&pod.waiting, &pod.unschedulable) {
        _ if pod.deleting => "being deleted".to_owned(),
        (Some(waiting), _) => waiting.clone(),
        (None, Some(why)) => format!("cannot be scheduled: {why}"),
        (None, None) if pod.ready => "ready".to_owned(),
        (None, None) => format!("{}, not ready", pod.phase.to_lowercase()),
    };
    let mut said = vec![state];
    match pod.restarts {
        0 => {}
        1 => said.push("1 restart".to_owned()),
        restarts => said.push(format!("{restarts} restarts")),
    }
    if let Some(last) = &pod.terminated {
        said.push(format!(
            "last ended: {} (exit code {})",
            last.reason, last.exit_code
        ));
    }
    if let Some(node) = &pod.node {
        said.push(format!("on {node}"));
    }
    said.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CART: &str = "demo/shop/deployment/cart";

    fn said(entity: &str, owner: Option<&str>, state: &Value) -> Standing {
        serde_json::from_value(json!({
            "entity": entity, "owner": owner,
            "idx": 7, "at": "2026-11-30T10:00:00Z", "state": state,
        }))
        .expect("an object")
    }

    fn pod(name: &str, state: &Value) -> Standing {
        said(&format!("demo/shop/pod/{name}"), Some(CART), state)
    }

    #[test]
    fn pods_hang_under_the_revision_that_they_were_made_from() {
        let revision = |number: i64, ready: i32| json!({"number": number, "template_hash": number.to_string(), "images": [format!("cart:{number}")], "ready": ready});
        let workload = json!({
            "gvk": "apps/v1/Deployment", "replicas": 4, "ready": 3, "updated": 1, "revision": 3,
            "revisions": [revision(1, 0), revision(2, 3), revision(3, 0)],
        });
        let found = vec![
            said(CART, None, &workload),
            pod(
                "c-1",
                &json!({"template_hash": "3", "phase": "Running", "waiting": "CrashLoopBackOff", "restarts": 7, "terminated": {"reason": "OOMKilled", "exit_code": 137}, "node": "n1"}),
            ),
            pod(
                "b-1",
                &json!({"template_hash": "2", "phase": "Running", "ready": true, "restarts": 1}),
            ),
            pod("x-1", &json!({"template_hash": "9", "phase": "Pending"})),
            pod("odd", &json!({"template_hash": 5})),
            said("demo/shop/deployment/odd", None, &json!("later")),
        ];
        let owners = tree(found);
        let [cart] = owners.as_slice() else {
            panic!("one workload can be read: {owners:?}");
        };
        assert!(!cart.well);
        assert_eq!(cart.said, "3 of 4 pods ready, 1 at the newest revision");
        let told: Vec<String> = cart
            .revisions
            .iter()
            .map(|of| {
                let pods = of.pods.iter();
                let pods: Vec<String> = pods
                    .map(|pod| format!("{}: {}", pod.name, pod.said))
                    .collect();
                let current = if of.is_current { " (current)" } else { "" };
                format!(
                    "{}{current} {} | {} | {} more",
                    of.name,
                    of.images,
                    pods.join("; "),
                    of.more
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                "revision 3 (current) cart:3 | pod/c-1: CrashLoopBackOff, 7 restarts, last ended: OOMKilled (exit code 137), on n1 | 0 more",
                "revision 2 cart:2 | pod/b-1: ready, 1 restart | 2 more",
                "of no revision on record  | pod/x-1: pending, not ready | 0 more",
            ]
        );
    }
}
