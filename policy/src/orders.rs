//! Standing orders: modes, freezes and the kill switch. They hold until somebody says otherwise.

use std::collections::{BTreeMap, BTreeSet};

use aegis_schemas::{ActionKind, Cluster, Entity, Mode, Scope, StandingOrders, Timestamp};
use serde::{Deserialize, Serialize};

/// The most scopes that modes and freezes are kept for.
pub(crate) const MAX_SCOPES: usize = 1_000;

/// What stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Orders {
    pub(crate) modes: BTreeMap<Scope, Mode>,
    pub(crate) freezes: BTreeMap<Scope, Timestamp>,
    pub(crate) halted: BTreeSet<Cluster>,
}

impl Orders {
    /// The mode for an act on a workload: that of the narrowest scope; of two equally narrow ones the more
    /// careful. Nothing said means observe.
    pub(crate) fn mode(&self, workload: &Entity, action: ActionKind) -> Mode {
        self.modes
            .iter()
            .filter(|(scope, _)| covers(scope, workload, action))
            .map(|(scope, mode)| (narrowness(scope), std::cmp::Reverse(*mode)))
            .max()
            .map_or(Mode::Observe, |(_, std::cmp::Reverse(mode))| mode)
    }

    /// The freeze that covers an act and lasts longest.
    pub(crate) fn freeze(
        &self,
        workload: &Entity,
        action: ActionKind,
        now: Timestamp,
    ) -> Option<(&Scope, Timestamp)> {
        self.freezes
            .iter()
            .filter(|(scope, until)| **until > now && covers(scope, workload, action))
            .map(|(scope, until)| (scope, *until))
            .max_by_key(|(_, until)| *until)
    }

    /// Whether the kill switch of a cluster is on.
    pub(crate) fn is_halted(&self, cluster: &Cluster) -> bool {
        self.halted.contains(cluster)
    }

    /// Forgets freezes that are over.
    pub(crate) fn prune(&mut self, now: Timestamp) {
        self.freezes.retain(|_, until| *until > now);
    }

    /// As a message.
    pub(crate) fn said(&self) -> StandingOrders {
        StandingOrders {
            modes: self
                .modes
                .iter()
                .map(|(scope, mode)| (scope.clone(), *mode))
                .collect(),
            freezes: self
                .freezes
                .iter()
                .map(|(scope, until)| (scope.clone(), *until))
                .collect(),
            halted: self.halted.iter().cloned().collect(),
        }
    }

    /// From a message.
    pub(crate) fn from_said(said: &StandingOrders) -> Self {
        Self {
            modes: said.modes.iter().take(MAX_SCOPES).cloned().collect(),
            freezes: said.freezes.iter().take(MAX_SCOPES).cloned().collect(),
            halted: said.halted.iter().cloned().collect(),
        }
    }
}

fn covers(scope: &Scope, workload: &Entity, action: ActionKind) -> bool {
    scope.cluster == workload.cluster
        && (scope.namespace.is_none() || scope.namespace == workload.namespace)
        && scope.action.is_none_or(|only| only == action)
}

fn narrowness(scope: &Scope) -> usize {
    usize::from(scope.namespace.is_some()) + usize::from(scope.action.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_scope_wins_and_of_two_the_more_careful() {
        let workload: Entity = "c/shop/deployment/cart".parse().expect("an entity");
        let scope = |namespace: Option<&str>, action| Scope {
            cluster: Cluster::parse("c").expect("a name"),
            namespace: namespace.map(|name| name.parse().expect("a name")),
            action,
        };
        let mut orders = Orders::default();
        let mode = |orders: &Orders| orders.mode(&workload, ActionKind::Scale);
        assert_eq!(mode(&orders), Mode::Observe);
        orders.modes.insert(scope(None, None), Mode::Act);
        assert_eq!(mode(&orders), Mode::Act);
        orders
            .modes
            .insert(scope(Some("other"), None), Mode::Observe);
        assert_eq!(mode(&orders), Mode::Act, "another namespace");
        orders.modes.insert(scope(Some("shop"), None), Mode::Act);
        orders
            .modes
            .insert(scope(None, Some(ActionKind::Scale)), Mode::Ask);
        assert_eq!(mode(&orders), Mode::Ask, "equally narrow");
        orders
            .modes
            .insert(scope(Some("shop"), Some(ActionKind::Scale)), Mode::Act);
        assert_eq!(mode(&orders), Mode::Act);
    }
}
