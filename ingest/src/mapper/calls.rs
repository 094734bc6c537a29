//! Who calls whom, from the label `peer` of client metrics.

use std::collections::{BTreeMap, BTreeSet};

use aegis_schemas::signal::Calls;
use aegis_schemas::{Entity, EntityKind, Name, Signal, SignalBody, Timestamp};

use crate::{Catalogue, Sample};

/// More peers of one workload are not remembered: the label may be abused for something unbounded.
const MAX_PEERS: usize = 256;

/// The peers that workloads were seen with, since the last restatement and in the period before.
#[derive(Debug, Default)]
pub(super) struct CallGraph {
    now: BTreeMap<Entity, BTreeSet<String>>,
    before: BTreeMap<Entity, BTreeSet<String>>,
    said: BTreeMap<Entity, Vec<Entity>>,
    touched: BTreeSet<Entity>,
}

/// Whom a sample's entity calls.
pub(super) fn peer(sample: &Sample) -> Option<&str> {
    let peer = sample.labels.get("peer").filter(|peer| !peer.is_empty())?;
    sample.name.starts_with("http_client_").then_some(peer)
}

impl CallGraph {
    pub(super) fn saw(&mut self, caller: &Entity, peer: &str) {
        if !self.touched.contains(caller) {
            self.touched.insert(caller.clone());
        }
        if !self.now.contains_key(caller) {
            self.now.insert(caller.clone(), BTreeSet::new());
        }
        if let Some(peers) = self.now.get_mut(caller)
            && peers.len() < MAX_PEERS
            && !peers.contains(peer)
        {
            peers.insert(peer.to_owned());
        }
    }

    /// The callers just seen whose callees are not what was said last.
    pub(super) fn news(&mut self, catalogue: &Catalogue, now: Timestamp) -> Vec<Signal> {
        let mut signals = Vec::new();
        for caller in std::mem::take(&mut self.touched) {
            let callees = self.callees(catalogue, &caller);
            if self.said.get(&caller) != Some(&callees) {
                signals.push(signal(&caller, &callees, now));
                self.said.insert(caller, callees);
            }
        }
        signals
    }

    /// All callers again; the peers that were not seen since the last restatement are forgotten.
    pub(super) fn restate(&mut self, catalogue: &Catalogue, now: Timestamp) -> Vec<Signal> {
        let callers: BTreeSet<Entity> = self.now.keys().chain(self.said.keys()).cloned().collect();
        self.before.clear();
        self.said.clear();
        let mut signals = Vec::new();
        for caller in callers {
            let callees = self.callees(catalogue, &caller);
            signals.push(signal(&caller, &callees, now));
            if !callees.is_empty() {
                self.said.insert(caller, callees);
            }
        }
        self.before = std::mem::take(&mut self.now);
        signals
    }

    fn callees(&self, catalogue: &Catalogue, caller: &Entity) -> Vec<Entity> {
        let Some(namespace) = &caller.namespace else {
            return Vec::new();
        };
        let peers: BTreeSet<&String> = [&self.now, &self.before]
            .into_iter()
            .filter_map(|seen| seen.get(caller))
            .flatten()
            .collect();
        peers
            .into_iter()
            .filter_map(|peer| {
                let known = catalogue.workload_named(namespace, peer);
                known.or_else(|| {
                    Some(Entity::namespaced(
                        catalogue.cluster().clone(),
                        namespace.clone(),
                        EntityKind::Service,
                        Name::parse(peer.as_str()).ok()?,
                    ))
                })
            })
            .collect()
    }
}

fn signal(caller: &Entity, callees: &[Entity], now: Timestamp) -> Signal {
    Signal {
        entity: caller.clone(),
        observed: now,
        source: "metrics".to_owned(),
        body: SignalBody::Calls(Calls {
            callees: callees.to_vec(),
        }),
    }
}
