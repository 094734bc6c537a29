//! How a Deployment moves its pods from old ReplicaSets to the new one.

use std::sync::Arc;

use serde_json::Value;

use super::deployment::DESIRED;
use super::portion;
use crate::api::cluster::Cluster;
use crate::api::json;

/// How many pods there may be above the wanted number.
pub(super) fn surge(deployment: &Value) -> i64 {
    if json::text(deployment, "/spec/strategy/type") == "Recreate" {
        return 0;
    }
    let value = deployment.pointer("/spec/strategy/rollingUpdate/maxSurge");
    portion(value, json::int(deployment, "/spec/replicas", 1), true, 1)
}

/// How many pods may be missing.
pub(super) fn unavailable(deployment: &Value) -> i64 {
    let replicas = json::int(deployment, "/spec/replicas", 1);
    if json::text(deployment, "/spec/strategy/type") == "Recreate" {
        return 0;
    }
    let value = deployment.pointer("/spec/strategy/rollingUpdate/maxUnavailable");
    let most = portion(value, replicas, false, 0);
    // Rounding must not leave a rollout without room to move.
    let stuck = most == 0 && surge(deployment) == 0;
    if stuck { 1 } else { most.min(replicas) }
}

fn replicas(set: &Value) -> i64 {
    json::int(set, "/spec/replicas", 0)
}

fn total(sets: &[Arc<Value>]) -> i64 {
    sets.iter().map(|set| replicas(set)).sum()
}

fn available(sets: &[Arc<Value>]) -> i64 {
    sets.iter()
        .map(|set| json::int(set, "/status/availableReplicas", 0))
        .sum()
}

fn without(sets: &[Arc<Value>], new: &Arc<Value>) -> Vec<Arc<Value>> {
    sets.iter()
        .filter(|set| !Arc::ptr_eq(set, new))
        .cloned()
        .collect()
}

impl Cluster {
    /// One step of a rolling update; the next follows when a set reports.
    pub(super) fn roll(&mut self, deployment: &Value, sets: &[Arc<Value>], new: &Arc<Value>) {
        let wanted = json::int(deployment, "/spec/replicas", 1);
        let mine = replicas(new);
        let room = wanted + surge(deployment) - total(sets);
        let target = if mine > wanted {
            wanted
        } else {
            mine + room.min(wanted - mine).max(0)
        };
        if target != mine || json::annotation(new, DESIRED).is_none() {
            self.scale_set(deployment, new, target);
            if target != mine {
                return;
            }
        }
        let old = without(sets, new);
        if total(&old) > 0 {
            self.scale_down(deployment, sets, &old, new);
        }
    }

    fn scale_down(
        &mut self,
        deployment: &Value,
        sets: &[Arc<Value>],
        old: &[Arc<Value>],
        new: &Value,
    ) {
        let least = json::int(deployment, "/spec/replicas", 1) - unavailable(deployment);
        let new_missing = replicas(new) - json::int(new, "/status/availableReplicas", 0);
        let mut room = total(sets) - least - new_missing;
        // What does not serve costs nothing to take away.
        let mut left: Vec<i64> = old.iter().map(|set| replicas(set)).collect();
        for (set, left) in old.iter().zip(&mut left) {
            let broken = *left - json::int(set, "/status/availableReplicas", 0);
            let take = broken.min(room).max(0);
            *left -= take;
            room -= take;
        }
        let mut spare = available(sets) - least;
        for left in &mut left {
            let take = (*left).min(spare).min(room).max(0);
            *left -= take;
            spare -= take;
            room -= take;
        }
        for (set, left) in old.iter().zip(left) {
            if left != replicas(set) {
                self.scale_set(deployment, set, left);
            }
        }
    }

    /// Takes all old pods away before the first new one starts.
    pub(super) fn recreate(&mut self, deployment: &Value, sets: &[Arc<Value>], new: &Arc<Value>) {
        let old = without(sets, new);
        for set in old.iter().filter(|set| replicas(set) > 0) {
            self.scale_set(deployment, set, 0);
        }
        let still_there = old.iter().any(|set| {
            !self
                .pods_of(json::namespace(set), json::uid(set))
                .is_empty()
        });
        let wanted = json::int(deployment, "/spec/replicas", 1);
        if total(&old) == 0 && !still_there && replicas(new) != wanted {
            self.scale_set(deployment, new, wanted);
        }
    }

    /// Whether the wanted number changed since the sets were last scaled.
    pub(super) fn resized(&self, deployment: &Value, sets: &[Arc<Value>]) -> bool {
        let wanted = json::int(deployment, "/spec/replicas", 1);
        sets.iter().filter(|set| replicas(set) > 0).any(|set| {
            json::annotation(set, DESIRED)
                .and_then(|text| text.parse::<i64>().ok())
                .is_some_and(|known| known != wanted)
        })
    }

    /// Scales without rolling: in the middle of a rollout each set gets its
    /// share, so that a bad template does not get all the new pods.
    pub(super) fn resize(&mut self, deployment: &Value, sets: &[Arc<Value>], new: Option<&Value>) {
        let wanted = json::int(deployment, "/spec/replicas", 1);
        let mut live: Vec<_> = sets.iter().filter(|set| replicas(set) > 0).collect();
        match live.as_slice() {
            [] => {
                if let Some(new) = new {
                    self.scale_set(deployment, new, wanted);
                }
                return;
            }
            [only] => {
                self.scale_set(deployment, only, wanted);
                return;
            }
            _ => {}
        }
        let rolling = json::text(deployment, "/spec/strategy/type") != "Recreate";
        let allowed = if wanted > 0 && rolling {
            wanted + surge(deployment)
        } else {
            wanted
        };
        let sum: i64 = live.iter().map(|set| replicas(set)).sum();
        live.sort_by_key(|set| std::cmp::Reverse(replicas(set)));
        let mut shares: Vec<i64> = live
            .iter()
            .map(|set| (replicas(set) * allowed + sum / 2) / sum)
            .collect();
        let mut rest = allowed - shares.iter().sum::<i64>();
        for share in &mut shares {
            let given = rest.max(-*share);
            *share += given;
            rest -= given;
        }
        for (set, share) in live.into_iter().zip(shares) {
            self.scale_set(deployment, set, share);
        }
    }
}
