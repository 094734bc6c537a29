//! The dependency fence of `deny.toml`, checked without cargo-deny: a crate with `wrappers` may be a
//! direct dependency of those alone.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// Checks the workspace at `root` against its `deny.toml`.
///
/// # Errors
///
/// Names every dependency that the fence forbids.
pub fn check(root: &Path) -> Result<()> {
    let rules: toml::Table = std::fs::read_to_string(root.join("deny.toml"))
        .context("cannot read deny.toml")?
        .parse()
        .context("deny.toml is not TOML")?;
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root)
        .output()
        .context("cannot run cargo")?;
    ensure!(
        output.status.success(),
        "cargo metadata fails: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let broken = breaches(&rules, &metadata);
    if !broken.is_empty() {
        bail!("the dependency fence is broken:\n  {}", broken.join("\n  "));
    }
    Ok(())
}

/// Every direct dependency that `rules` forbid, in words.
fn breaches(rules: &toml::Table, metadata: &Value) -> Vec<String> {
    let list = |value: Option<&toml::Value>| value.and_then(toml::Value::as_array).cloned();
    let denied = list(rules.get("bans").and_then(|bans| bans.get("deny"))).unwrap_or_default();
    let fences: Vec<(String, Vec<String>)> = denied
        .iter()
        .filter_map(|rule| {
            let name = rule.get("name")?.as_str()?.to_owned();
            let wrappers = list(rule.get("wrappers"))?;
            let names = wrappers
                .iter()
                .filter_map(|name| Some(name.as_str()?.to_owned()));
            Some((name, names.collect()))
        })
        .collect();
    let mut broken = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let who = package["name"].as_str().unwrap_or_default();
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let on = dependency["name"].as_str().unwrap_or_default();
            let forbidden = fences
                .iter()
                .any(|(name, wrappers)| name == on && !wrappers.iter().any(|may| may == who));
            // Outside the workspace, optional dependencies are listed whether or not they are used.
            let ours = package["source"].is_null();
            if forbidden && ours {
                broken.push(format!("`{who}` depends on `{on}`"));
            }
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_wrappers_of_a_crate_may_depend_on_it() {
        let rules = r#"[bans]
deny = [{ name = "kube", wrappers = ["executor"] }]"#
            .parse()
            .expect("TOML");
        let metadata = serde_json::json!({"packages": [
            {"name": "executor", "source": null, "dependencies": [{"name": "kube"}]},
            {"name": "policy", "source": null, "dependencies": [{"name": "kube"}, {"name": "serde"}]},
        ]});
        assert_eq!(breaches(&rules, &metadata), ["`policy` depends on `kube`"]);
    }
}
