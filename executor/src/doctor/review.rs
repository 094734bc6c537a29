//! What the API server says that a user may do.

use std::fmt;

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, ResourceRule, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
    SelfSubjectRulesReview, SelfSubjectRulesReviewSpec,
};
use kube::Api;
use kube::api::PostParams;

use super::rights::Right;

/// Where a right is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Cluster,
    Namespace(String),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster => f.write_str("all namespaces"),
            Self::Namespace(name) => f.write_str(name),
        }
    }
}

/// A user who asks about itself.
pub(super) struct Reviewer {
    name: &'static str,
    client: kube::Client,
}

impl Reviewer {
    pub(super) const fn new(name: &'static str, client: kube::Client) -> Self {
        Self { name, client }
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether the user has a right.
    pub(super) async fn may(&self, scope: &Scope, right: &Right) -> kube::Result<bool> {
        let (resource, subresource) = match right.resource.split_once('/') {
            Some((resource, sub)) => (resource, Some(sub.to_owned())),
            None => (right.resource.as_str(), None),
        };
        let namespace = match scope {
            Scope::Cluster => None,
            Scope::Namespace(name) => Some(name.clone()),
        };
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    group: Some(right.group.clone()),
                    name: right.name.map(str::to_owned),
                    namespace,
                    resource: Some(resource.to_owned()),
                    subresource,
                    verb: Some(right.verb.clone()),
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let api: Api<SelfSubjectAccessReview> = Api::all(self.client.clone());
        let answer = api.create(&PostParams::default(), &review).await?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }

    /// Those of `rights` that the user does not have.
    pub(super) async fn missing(
        &self,
        scope: &Scope,
        rights: &[Right],
    ) -> kube::Result<Vec<String>> {
        let mut missing = Vec::new();
        for right in rights {
            if !self.may(scope, right).await? {
                missing.push(right.to_string());
            }
        }
        Ok(missing)
    }

    /// What the user may do in a namespace that is none of `wanted`.
    pub(super) async fn beyond(
        &self,
        scope: &Scope,
        wanted: &[Right],
    ) -> kube::Result<Vec<String>> {
        let Scope::Namespace(namespace) = scope else {
            return Ok(Vec::new());
        };
        let review = SelfSubjectRulesReview {
            spec: SelfSubjectRulesReviewSpec {
                namespace: Some(namespace.clone()),
            },
            ..SelfSubjectRulesReview::default()
        };
        let api: Api<SelfSubjectRulesReview> = Api::all(self.client.clone());
        let answer = api.create(&PostParams::default(), &review).await?;
        let rules = answer.status.map(|status| status.resource_rules);
        Ok(beyond(&rules.unwrap_or_default(), wanted))
    }
}

/// Reviews of oneself, which everybody may ask for.
const ABOUT_ONESELF: [&str; 3] = [
    "selfsubjectaccessreviews",
    "selfsubjectrulesreviews",
    "selfsubjectreviews",
];

/// What `rules` allow that is none of `wanted`.
fn beyond(rules: &[ResourceRule], wanted: &[Right]) -> Vec<String> {
    let mut found = Vec::new();
    for rule in rules {
        let names = rule.resource_names.as_deref().unwrap_or_default();
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                if ABOUT_ONESELF.contains(&resource.as_str()) {
                    continue;
                }
                for verb in &rule.verbs {
                    let right = Right::new(group, resource, verb);
                    if !is_wanted(&right, names, wanted) {
                        found.push(right.to_string());
                    }
                }
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

fn is_wanted(right: &Right, names: &[String], wanted: &[Right]) -> bool {
    let named = |name: Option<&str>| {
        let same = wanted.iter().filter(|one| {
            (&one.group, &one.resource, &one.verb) == (&right.group, &right.resource, &right.verb)
        });
        let mut names = same.map(|one| one.name);
        names.any(|wanted| wanted.is_none() || wanted == name)
    };
    if names.is_empty() {
        named(None)
    } else {
        names.iter().all(|name| named(Some(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::rights::{BASE, CLUSTER, rights};
    use super::*;

    #[test]
    fn what_no_role_of_ours_grants_is_beyond() {
        let wanted = [rights(CLUSTER), rights(BASE)].concat();
        let every = |verbs: &[&str], group: &str, resources: &[&str], names: &[&str]| {
            let owned = |all: &[&str]| all.iter().map(|&one| one.to_owned()).collect::<Vec<_>>();
            let rule = ResourceRule {
                verbs: owned(verbs),
                api_groups: Some(vec![group.to_owned()]),
                resources: Some(owned(resources)),
                resource_names: (!names.is_empty()).then(|| owned(names)),
            };
            beyond(&[rule], &wanted)
        };
        let none: [&str; 0] = [];
        assert_eq!(every(&["get"], "apps", &["deployments"], &[]), none);
        assert_eq!(every(&["get"], "apps", &["deployments"], &["web"]), none);
        assert_eq!(
            every(&["get"], "", &["namespaces"], &["aegis", "kube-system"]),
            none
        );
        assert_eq!(
            every(
                &["create"],
                "authorization.k8s.io",
                &["selfsubjectaccessreviews"],
                &[]
            ),
            none
        );
        for (verbs, group, resources, names, told) in [
            (["get"], "", ["namespaces"], &[][..], "get namespaces"),
            (
                ["get"],
                "",
                ["namespaces"],
                &["aegis", "shop"][..],
                "get namespaces",
            ),
            (
                ["list"],
                "apps",
                ["deployments"],
                &[],
                "list deployments.apps",
            ),
            (["get"], "", ["deployments"], &[], "get deployments"),
            (["*"], "apps", ["deployments"], &[], "* deployments.apps"),
            (["get"], "*", ["*"], &[], "get *.*"),
        ] {
            assert_eq!(every(&verbs, group, &resources, names), [told]);
        }
    }
}
