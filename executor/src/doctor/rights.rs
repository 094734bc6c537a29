//! What the executor needs, as `deploy/kubernetes/executor.yaml` grants it, and what nobody of Aegis needs.

use std::fmt;

/// A verb on a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Right {
    pub(super) group: String,
    /// The plural, with the subresource where there is one: `pods/eviction`.
    pub(super) resource: String,
    pub(super) verb: String,
    /// The only object; any where there is none.
    pub(super) name: Option<&'static str>,
}

impl Right {
    pub(super) fn new(group: &str, resource: &str, verb: &str) -> Self {
        Self {
            group: group.to_owned(),
            resource: resource.to_owned(),
            verb: verb.to_owned(),
            name: None,
        }
    }

    fn of(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }
}

/// `patch deployments.apps`
impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        match self.name {
            Some(name) => write!(f, " {name}"),
            None => Ok(()),
        }
    }
}

/// A rule as a role has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
    names: &'static [&'static str],
}

const fn rule(
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
) -> Rule {
    Rule {
        group,
        resources,
        verbs,
        names: &[],
    }
}

/// What some rules allow, one by one.
pub(super) fn rights(rules: &[Rule]) -> Vec<Right> {
    let mut all = Vec::new();
    for rule in rules {
        for (resource, verb) in pairs(rule.resources, rule.verbs) {
            let right = Right::new(rule.group, resource, verb);
            if rule.names.is_empty() {
                all.push(right);
            } else {
                all.extend(rule.names.iter().map(|name| right.clone().of(name)));
            }
        }
    }
    all
}

fn pairs<'a>(left: &'a [&str], right: &'a [&str]) -> impl Iterator<Item = (&'a str, &'a str)> {
    left.iter()
        .flat_map(move |one| right.iter().map(move |other| (*one, *other)))
}

/// What is granted as one.
pub(super) struct Capability {
    pub(super) name: &'static str,
    /// Whoever has this was meant to have the capability.
    pub(super) sign: Sign,
    pub(super) rules: &'static [Rule],
}

/// Group, resource and verb.
pub(super) struct Sign(&'static str, &'static str, &'static str);

impl Sign {
    pub(super) fn right(&self) -> Right {
        Right::new(self.0, self.1, self.2)
    }
}

const WORKLOADS: &[&str] = &["deployments", "statefulsets", "daemonsets"];

/// In the whole cluster.
pub(super) const CLUSTER: &[Rule] = &[Rule {
    group: "",
    resources: &["namespaces"],
    verbs: &["get"],
    names: &["kube-system", "aegis"],
}];

/// In each namespace that takes part.
pub(super) const BASE: &[Rule] = &[
    rule("apps", WORKLOADS, &["get"]),
    rule("", &["events"], &["create"]),
];

/// What may be granted in a namespace.
pub(super) const CAPABILITIES: [Capability; 4] = [
    Capability {
        name: "restart-pod",
        sign: Sign("", "pods", "delete"),
        rules: &[
            rule("", &["pods"], &["get", "delete"]),
            rule("", &["pods/eviction"], &["create"]),
            rule("apps", &["replicasets"], &["get"]),
        ],
    },
    Capability {
        name: "restart",
        sign: Sign("apps", "deployments", "restart"),
        rules: &[rule("apps", WORKLOADS, &["patch", "restart"])],
    },
    Capability {
        name: "scale",
        sign: Sign("apps", "deployments", "scale"),
        rules: &[rule(
            "apps",
            &["deployments", "statefulsets"],
            &["patch", "scale"],
        )],
    },
    Capability {
        name: "rollback",
        sign: Sign("apps", "deployments", "rollback"),
        rules: &[
            rule("apps", WORKLOADS, &["patch", "rollback"]),
            rule("apps", &["replicasets", "controllerrevisions"], &["list"]),
            rule("", &["pods"], &["list"]),
        ],
    },
];

/// What neither user may have, whichever authorizer grants it: each of it leads out of all bounds.
pub(super) const FORBIDDEN: &[Rule] = &[
    rule("*", &["*"], &["*"]),
    rule(
        "",
        &["secrets"],
        &["get", "list", "watch", "create", "patch"],
    ),
    rule("", &["pods"], &["create", "patch"]),
    rule(
        "",
        &["pods/exec", "pods/attach", "pods/portforward"],
        &["create", "get"],
    ),
    rule("", &["pods/ephemeralcontainers"], &["patch"]),
    rule("", &["nodes/proxy"], &["get", "create"]),
    rule("", &["namespaces", "nodes"], &["patch"]),
    rule("", &["serviceaccounts/token"], &["create"]),
    rule(
        "",
        &["users", "groups", "serviceaccounts"],
        &["impersonate"],
    ),
    rule("apps", WORKLOADS, &["create", "update", "delete"]),
    rule("batch", &["jobs", "cronjobs"], &["create"]),
    rule(
        "rbac.authorization.k8s.io",
        &[
            "roles",
            "rolebindings",
            "clusterroles",
            "clusterrolebindings",
        ],
        &["create", "patch", "bind", "escalate"],
    ),
    rule(
        "admissionregistration.k8s.io",
        &[
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
        ],
        &["create", "patch", "delete"],
    ),
];
