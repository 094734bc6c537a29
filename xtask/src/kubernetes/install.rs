//! Aegis' users, roles and admission policies as `deploy/` has them, on a control plane of ours.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Client;

/// The service accounts that get a token.
pub(super) const ACCOUNTS: [&str; 2] = ["aegis-executor", "aegis-ingest"];
/// Where they are.
const NAMESPACE: &str = "aegis";
/// How long their tokens are valid, seconds: longer than any test.
const LIFETIME: u32 = 24 * 3600;

/// The files of `deploy/` for the whole cluster.
fn folder() -> PathBuf {
    crate::root().join("deploy/kubernetes")
}

/// Creates what `deploy/` has for the whole cluster.
pub(super) fn install(admin: &Client) -> Result<()> {
    for object in objects(&folder())? {
        admin.create(&collection(&object, NAMESPACE)?, &object)?;
    }
    Ok(())
}

/// A token of a service account of Aegis.
pub(super) fn token(admin: &Client, account: &str) -> Result<String> {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}/token");
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"expirationSeconds": LIFETIME},
    });
    let answer = admin.create(&path, &request)?;
    let token = answer["status"]["token"].as_str();
    Ok(token.context("an answer without a token")?.to_owned())
}

/// What `deploy/` has for a namespace in which Aegis may act.
pub(super) fn role_bindings() -> Result<Vec<Value>> {
    objects(&folder().join("enable"))
}

/// Every object of a folder's files, in the order of kubectl: by the names of the files.
fn objects(folder: &Path) -> Result<Vec<Value>> {
    let listed = fs::read_dir(folder)
        .with_context(|| format!("cannot read the folder `{}`", folder.display()))?;
    let mut files: Vec<PathBuf> = listed
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|end| end == "yaml"));
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        let objects: Vec<Value> = serde_saphyr::from_multiple(&text)
            .with_context(|| format!("`{}` is no YAML", file.display()))?;
        found.extend(objects);
    }
    ensure!(!found.is_empty(), "nothing is in `{}`", folder.display());
    Ok(found)
}

/// The path where an object is created; one that belongs in a namespace and names none, in `namespace`.
pub(super) fn collection(object: &Value, namespace: &str) -> Result<String> {
    let text = |field: &'static str| {
        object[field]
            .as_str()
            .with_context(|| format!("no `{field}`"))
    };
    let (version, kind) = (text("apiVersion")?, text("kind")?);
    let root = if version.contains('/') { "apis" } else { "api" };
    let lower = kind.to_ascii_lowercase();
    let plural = match lower.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{lower}s"),
    };
    let namespace = object["metadata"]["namespace"]
        .as_str()
        .unwrap_or(namespace);
    Ok(match kind {
        "ServiceAccount" | "RoleBinding" => {
            format!("/{root}/{version}/namespaces/{namespace}/{plural}")
        }
        _ => format!("/{root}/{version}/{plural}"),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_policy_is_bound_and_refuses_what_it_cannot_judge() {
        let objects = objects(&folder()).unwrap();
        let of = |kind: &str| {
            let found = objects.iter().filter(|one| one["kind"] == kind);
            found.cloned().collect::<Vec<Value>>()
        };
        let policies = of("ValidatingAdmissionPolicy");
        let names = |all: &[Value], at: &str| -> BTreeSet<String> {
            let name = |one: &Value| one.pointer(at).and_then(Value::as_str).map(str::to_owned);
            all.iter().filter_map(name).collect()
        };
        let bindings = of("ValidatingAdmissionPolicyBinding");
        assert!(!policies.is_empty());
        assert_eq!(
            names(&policies, "/metadata/name"),
            names(&bindings, "/spec/policyName")
        );
        for policy in &policies {
            assert_eq!(policy["spec"]["failurePolicy"], "Fail", "{policy:#}");
        }
        for binding in &bindings {
            assert_eq!(binding["spec"]["validationActions"], json!(["Deny"]));
        }
    }

    #[test]
    fn an_object_is_created_where_its_kind_is() {
        let rbac = "rbac.authorization.k8s.io/v1";
        let admission = "admissionregistration.k8s.io/v1";
        for (version, kind, path) in [
            ("v1", "Namespace", "/api/v1/namespaces"),
            (
                "v1",
                "ServiceAccount",
                "/api/v1/namespaces/shop/serviceaccounts",
            ),
            (
                rbac,
                "RoleBinding",
                "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings",
            ),
            (
                rbac,
                "ClusterRole",
                "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            ),
            (
                admission,
                "ValidatingAdmissionPolicy",
                "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
            ),
        ] {
            let object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "a"}});
            assert_eq!(collection(&object, "shop").unwrap(), path);
        }
    }
}
