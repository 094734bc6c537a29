//! Which parts of a process are ready for work.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// The readiness of every component of a process; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<BTreeMap<String, Option<String>>>>);

/// The readiness of one component.
#[derive(Clone, Debug)]
pub struct Component {
    health: Health,
    name: String,
}

/// What `/readyz` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether all components are ready.
    pub ready: bool,
    /// Why each component is not; `null` for those that are.
    pub components: BTreeMap<String, Option<String>>,
}

impl Health {
    /// No component yet, which counts as not ready.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a component that is still starting.
    #[must_use]
    pub fn component(&self, name: &str) -> Component {
        self.set(name, Some("starting".to_owned()));
        Component {
            health: self.clone(),
            name: name.to_owned(),
        }
    }

    /// All components as they are now.
    #[must_use]
    pub fn report(&self) -> Report {
        let components = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        Report {
            ready: !components.is_empty() && components.values().all(Option::is_none),
            components,
        }
    }

    fn set(&self, name: &str, reason: Option<String>) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), reason);
    }
}

impl Component {
    /// It works.
    pub fn ready(&self) {
        self.health.set(&self.name, None);
    }

    /// It does not, and why.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.health.set(&self.name, Some(reason.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_when_every_component_is() {
        let health = Health::new();
        assert!(!health.report().ready, "nothing runs yet");
        let (policy, executor) = (health.component("policy"), health.component("executor"));
        policy.ready();
        assert!(!health.report().ready);
        executor.ready();
        assert!(health.report().ready);
        policy.not_ready("lease lost");
        assert_eq!(
            health.report().components["policy"].as_deref(),
            Some("lease lost")
        );
    }
}
