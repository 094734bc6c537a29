//! PodDisruptionBudgets.

use std::collections::BTreeMap;

use aegis_schemas::signal::DisruptionBudgetState;
use aegis_schemas::{Entity, SignalBody};
use serde_json::Value;

use super::object::Object;

/// What is remembered of a budget.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    uid: String,
    labels: BTreeMap<String, String>,
    expressions: Vec<Value>,
    allowed: i32,
}

impl Budget {
    pub(super) fn read(object: Object<'_>) -> Self {
        Self {
            uid: object.uid(),
            labels: object.texts("/spec/selector/matchLabels", |_| true),
            expressions: object.list("/spec/selector/matchExpressions").to_vec(),
            allowed: object.int("/status/disruptionsAllowed"),
        }
    }

    /// Whether it counts pods with these labels.
    pub(super) fn selects(&self, pod: &BTreeMap<String, String>) -> bool {
        let labels = self
            .labels
            .iter()
            .all(|(key, value)| pod.get(key) == Some(value));
        labels && self.expressions.iter().all(|one| holds(Object(one), pod))
    }

    pub(super) fn state(&self, workloads: Vec<Entity>) -> SignalBody {
        SignalBody::DisruptionBudget(DisruptionBudgetState {
            uid: self.uid.clone(),
            workloads,
            disruptions_allowed: self.allowed,
        })
    }
}

fn holds(expression: Object<'_>, pod: &BTreeMap<String, String>) -> bool {
    let value = pod.get(expression.text("/key"));
    let listed = || {
        let value = value.map(String::as_str);
        value.is_some()
            && expression
                .list("/values")
                .iter()
                .any(|one| one.as_str() == value)
    };
    match expression.text("/operator") {
        "In" => listed(),
        "NotIn" => !listed(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}
