//! What the server says about itself.

use serde_json::{Value, json};

use super::resources::{RESOURCES, Resource};

/// The document at `path`, if it is one of discovery.
pub(crate) fn document(path: &str) -> Option<Value> {
    let segments: Vec<_> = path.split('/').filter(|s| !s.is_empty()).collect();
    match segments.as_slice() {
        ["version"] => Some(version()),
        ["api"] => Some(json!({"kind": "APIVersions", "versions": ["v1"]})),
        ["api", "v1"] => resources("", "v1"),
        ["apis"] => Some(groups()),
        ["apis", name] => groups()["groups"]
            .as_array()?
            .iter()
            .find(|group| group["name"] == *name)
            .cloned(),
        ["apis", group, version] => resources(group, version),
        _ => None,
    }
}

fn version() -> Value {
    json!({
        "major": "1",
        "minor": "36",
        "gitVersion": "v1.36.0+aegis-simulator",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "rustc",
        "platform": "simulated",
    })
}

fn groups() -> Value {
    let mut names: Vec<_> = RESOURCES
        .iter()
        .filter(|resource| !resource.group.is_empty())
        .map(|resource| (resource.group, resource.version))
        .collect();
    names.dedup();
    let groups: Vec<_> = names
        .into_iter()
        .map(|(group, version)| {
            let version = json!({
                "groupVersion": format!("{group}/{version}"), "version": version,
            });
            json!({
                "kind": "APIGroup", "apiVersion": "v1",
                "name": group, "versions": [version], "preferredVersion": version,
            })
        })
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

fn resources(group: &str, version: &str) -> Option<Value> {
    let mut listed = Vec::new();
    for resource in &RESOURCES {
        if resource.group == group && resource.version == version {
            list(resource, &mut listed);
        }
    }
    let api_version = match group {
        "" => version.to_owned(),
        group => format!("{group}/{version}"),
    };
    (!listed.is_empty()).then(|| {
        json!({
            "kind": "APIResourceList", "apiVersion": "v1",
            "groupVersion": api_version, "resources": listed,
        })
    })
}

fn list(resource: &Resource, listed: &mut Vec<Value>) {
    let verbs = [
        "create",
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "update",
        "watch",
    ];
    listed.push(json!({
        "name": resource.plural, "singularName": resource.name.to_lowercase(),
        "namespaced": resource.namespaced, "kind": resource.name, "verbs": verbs,
    }));
    for subresource in resource.subresources {
        let (kind, verbs): (_, &[&str]) = match *subresource {
            "scale" => ("Scale", &["get", "patch", "update"]),
            "eviction" => ("Eviction", &["create"]),
            _ => (resource.name, &["get", "patch", "update"]),
        };
        listed.push(json!({
            "name": format!("{}/{subresource}", resource.plural), "singularName": "",
            "namespaced": resource.namespaced, "kind": kind, "verbs": verbs,
        }));
    }
}
