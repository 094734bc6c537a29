//! Who is told of what.

use std::collections::BTreeSet;

use aegis_schemas::{Cluster, EntityKind, Namespace, Severity};
use serde::{Deserialize, Serialize};

use crate::notice::Notice;

/// When a route is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// As soon as it is known.
    #[default]
    Always,
    /// Once Aegis does not get on without people.
    PeopleNeeded,
}

/// Who is told of some of it; every route that fits is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Route {
    /// Names of receivers.
    pub receivers: Vec<String>,
    /// The least severity.
    pub min_severity: Severity,
    /// At once, or only when people are needed.
    pub when: When,
    /// Only of these clusters; empty for all.
    pub clusters: Vec<Cluster>,
    /// Only of these namespaces; empty for all.
    pub namespaces: Vec<Namespace>,
    /// Only with a root of these kinds, such as `deployment`; empty for all.
    pub kinds: Vec<EntityKind>,
}

impl Route {
    /// Whether it is taken for `notice`.
    #[must_use]
    pub fn fits(&self, notice: &Notice) -> bool {
        let entity = notice.entity.as_ref();
        let namespace = entity.and_then(|entity| entity.namespace.as_ref());
        notice.severity >= self.min_severity
            && (self.when == When::Always || notice.needs_people)
            // What belongs to no cluster concerns all.
            && (notice.cluster.is_none() || among(&self.clusters, notice.cluster.as_ref()))
            && among(&self.namespaces, namespace)
            && among(&self.kinds, entity.map(|entity| &entity.kind))
    }
}

fn among<T: PartialEq>(list: &[T], one: Option<&T>) -> bool {
    list.is_empty() || one.is_some_and(|one| list.contains(one))
}

/// The receivers of every route that is taken for `notice`.
#[must_use]
pub fn receivers<'a>(routes: &'a [Route], notice: &Notice) -> BTreeSet<&'a str> {
    routes
        .iter()
        .filter(|route| route.fits(notice))
        .flat_map(|route| route.receivers.iter().map(String::as_str))
        .collect()
}
