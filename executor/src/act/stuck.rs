//! The pods that keep a StatefulSet from taking up its template: its controller waits for ever for a pod of a
//! bad revision to get ready before it replaces it (kubernetes/kubernetes#67250).

use aegis_schemas::Entity;
use serde_json::Value;

use super::pod::is_ready;
use super::template::selector;
use super::{Answer, ApiServer, Live};

/// What each pod of a StatefulSet is labelled with: the name of its ControllerRevision.
const REVISION: &str = "controller-revision-hash";

/// How far a set is with a new template.
#[derive(Debug)]
pub(crate) enum Progress {
    /// Its controller has not seen the template yet: a pod that is deleted now comes back as it was.
    Unseen,
    /// These it will not replace by itself.
    Stuck(Vec<Live>),
}

/// How far `set`, the workload of that name, is.
pub(crate) async fn progress(api: &ApiServer, workload: &Entity, set: &Live) -> Answer<Progress> {
    let number = |pointer| set.field(pointer).and_then(Value::as_i64);
    let update = set.field("/status/updateRevision").and_then(Value::as_str);
    let Some(update) =
        update.filter(|_| number("/status/observedGeneration") >= Some(set.generation))
    else {
        return Ok(Progress::Unseen);
    };
    // Those before it stay at the old revision by order.
    let first = number("/spec/ordinals/start").unwrap_or(0)
        + number("/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
    let pods = api
        .list_beside(workload, ("", "Pod"), &selector(set))
        .await?;
    let stuck = pods.into_iter().map(Live::of).filter(|pod| {
        let ours = pod.controller().is_some_and(|(.., uid)| uid == set.uid);
        let labels = pod.object.metadata.labels.as_ref();
        let revision = labels.and_then(|labels| labels.get(REVISION));
        ours && revision.is_some_and(|revision| revision != update)
            && ordinal(pod).is_some_and(|ordinal| ordinal >= first)
            && !pod.terminating
            && !is_ready(pod)
    });
    Ok(Progress::Stuck(stuck.collect()))
}

/// The number at the end of the name of a set's pod.
fn ordinal(pod: &Live) -> Option<i64> {
    let name = pod.object.metadata.name.as_deref()?;
    name.rsplit_once('-')?.1.parse().ok()
}
