//! One trace from what came in to what was done about it, through every stage.

use std::collections::BTreeSet;
use std::path::Path;

use aegis_e2e::{Collector, Span, until};
use aegis_schemas::Outcome;
use serde_json::Value;

use crate::SOON;

const STAGES: [&str; 5] = ["ingest", "detector", "policy", "executor", "audit-sink"];

fn stages(trace: &[Span]) -> BTreeSet<&str> {
    let said = trace
        .iter()
        .filter_map(|span| span.attributes.get("aegis.stage"));
    said.map(String::as_str).collect()
}

/// The links, and the spans that others are within, that nobody sent.
fn dangling(trace: &[Span]) -> Vec<String> {
    let there: BTreeSet<_> = trace.iter().map(|span| (&span.trace, &span.id)).collect();
    let mut dangling = Vec::new();
    for span in trace {
        let parent = Some((span.trace.clone(), span.parent.clone()));
        let parent = parent.filter(|(_, id)| !id.is_empty());
        for (trace, id) in span.links.iter().cloned().chain(parent) {
            if !there.contains(&(&trace, &id)) {
                dangling.push(format!("{} -> {id} of {trace}", span.name));
            }
        }
    }
    dangling
}

fn named<'a>(trace: &'a [Span], name: &str, stage: &str) -> &'a Span {
    let is_it = |span: &&Span| span.name == name && span.attributes["aegis.stage"] == stage;
    let found = trace.iter().find(is_it);
    found.unwrap_or_else(|| panic!("no span `{name}` of {stage}: {trace:#?}"))
}

/// Waits until every stage has sent its spans of the trace, and looks at them.
pub(crate) async fn spans_every_stage(collector: &Collector, outcome: &Outcome, trace: &str) {
    until("every stage's spans", SOON, || async {
        let spans = collector.trace(trace);
        stages(&spans).is_superset(&BTreeSet::from(STAGES)) && dangling(&spans).is_empty()
    })
    .await
    .unwrap_or_else(|error| {
        let spans = collector.trace(trace);
        panic!("{error}: {:?}, {:?}", stages(&spans), dangling(&spans));
    });

    let spans = collector.trace(trace);
    let decided = named(&spans, "publish aegis.v1.decision", "policy");
    let acted = named(&spans, "process aegis.v1.decision", "executor");
    let told = named(&spans, "publish aegis.v1.action", "executor");
    let recorded = named(&spans, "process aegis.v1.action", "audit-sink");
    assert_eq!(acted.links, [(trace.to_owned(), decided.id.clone())]);
    assert_eq!(acted.parent, "", "what is answered is linked, not a parent");
    assert_eq!(told.parent, acted.id);
    assert_eq!(recorded.links, [(trace.to_owned(), told.id.clone())]);
    assert_eq!(acted.service, "aegis-executor");
    let decision = outcome.decision.to_string();
    let incident = outcome.incident.unwrap().to_string();
    for (name, value) in [
        ("messaging.system", "nats"),
        ("messaging.operation.name", "process"),
        ("aegis.decision", &decision),
        ("aegis.incident", &incident),
        ("k8s.cluster.name", "demo"),
    ] {
        assert_eq!(acted.attributes[name], value);
    }
}

/// The executor's log says of the outcome to which trace and incident it belongs.
pub(crate) fn is_in_the_logs(logs: &Path, outcome: &Outcome, trace: &str) {
    let log = std::fs::read_to_string(logs.join("executor.log")).unwrap();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let decision = outcome.decision.to_string();
    let told: Vec<Value> = lines
        .filter(|line: &Value| line["decision"] == decision.as_str())
        .collect();
    assert!(!told.is_empty(), "{log}");
    let incident = outcome.incident.unwrap().to_string();
    for line in told {
        assert_eq!(line["span"]["trace_id"], trace, "{line}");
        assert_eq!(line["span"]["incident"], incident.as_str(), "{line}");
    }
}
