//! Merging and splitting incidents: asked for, then waited for, since no decision answers it.

use std::time::Duration;

use anyhow::{Result, bail};
use reqwest::Method;
use serde_json::{Value, json};

use super::row::{cell, list, short, text};
use crate::session::Session;

/// How long it is waited for, and how often looked.
const WITHIN: Duration = Duration::from_secs(15);
const EVERY: Duration = Duration::from_millis(500);

/// Merges an incident into another.
///
/// # Errors
///
/// When the gateway refuses, one of them is not open, or nothing comes of it.
pub(super) async fn merge(id: &str, into: &str, reason: &str) -> Result<()> {
    let mut session = Session::load()?;
    for one in [id, into] {
        let incident = get(&mut session, &format!("/incidents/{one}")).await?;
        if text(&incident, "state") != Some("open") {
            bail!(
                "`{one}` is {}: only open incidents are merged",
                cell(&incident, "state")
            );
        }
    }
    let body = json!({"into": into, "reason": reason});
    let asked = format!("/incidents/{id}/merge");
    session.ask(Method::POST, &asked, Some(&body)).await?;
    let over = |incident: &Value| text(incident, "state") == Some("resolved");
    wait(&mut session, &format!("/incidents/{id}"), over).await?;
    println!("merged; see `aegis incidents show {into}`");
    Ok(())
}

/// Takes an affected entity out of an incident.
///
/// # Errors
///
/// When the gateway refuses, the entity is not one of the others that are affected, or nothing comes of it.
pub(super) async fn split(id: &str, entity: &str, reason: &str) -> Result<()> {
    let mut session = Session::load()?;
    let incident = get(&mut session, &format!("/incidents/{id}")).await?;
    let entity = chosen(&incident, entity)?;
    let body = json!({"entity": entity, "reason": reason});
    let asked = format!("/incidents/{id}/split");
    session.ask(Method::POST, &asked, Some(&body)).await?;
    let own = format!("/incidents?state=open&entity={}", path_of(&entity));
    let opened = |rows: &Value| rows.as_array().is_some_and(|rows| !rows.is_empty());
    let rows = wait(&mut session, &own, opened).await?;
    println!(
        "split; see `aegis incidents show {}`",
        cell(&rows[0], "incident")
    );
    Ok(())
}

/// The affected entity that is called so, as `kind/name` or in full; what the incident is about stays.
fn chosen(incident: &Value, name: &str) -> Result<Value> {
    let root = text(incident, "entity").unwrap_or_default();
    let all = list(incident, "affected").iter();
    let others: Vec<&Value> = all.filter(|one| path_of(one) != root).collect();
    let fits = |one: &&&Value| short(one) == name || path_of(one) == name;
    let found: Vec<&&Value> = others.iter().filter(fits).collect();
    match found.as_slice() {
        [only] => Ok((**only).clone()),
        _ if others.is_empty() => {
            bail!("nothing but `{root}` is affected: there is nothing to split")
        }
        found => {
            let named: Vec<String> = others.iter().map(|one| path_of(one)).collect();
            let how = if found.is_empty() {
                "none"
            } else {
                "more than one"
            };
            bail!(
                "{how} of those affected is called `{name}`: {}",
                named.join(", ")
            )
        }
    }
}

/// An entity in full.
fn path_of(entity: &Value) -> String {
    let parts = ["cluster", "namespace", "kind", "name"];
    let parts = parts.iter().filter_map(|part| text(entity, part));
    parts.collect::<Vec<_>>().join("/")
}

async fn get(session: &mut Session, path: &str) -> Result<Value> {
    session.ask(Method::GET, path, None).await
}

/// What is there once it is as wanted.
async fn wait(session: &mut Session, path: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
    let until = tokio::time::Instant::now() + WITHIN;
    loop {
        let found = get(session, path).await?;
        if is(&found) {
            return Ok(found);
        }
        if tokio::time::Instant::now() >= until {
            bail!("it is on the log, but nothing came of it so far: look at the incident again");
        }
        tokio::time::sleep(EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_split_off_is_one_of_the_others_that_are_affected() {
        let entity = |namespace: &str, name: &str| json!({ "cluster": "demo", "namespace": namespace, "kind": "deployment", "name": name });
        let incident = json!({
            "entity": "demo/shop/deployment/pay",
            "affected": [entity("shop", "pay"), entity("shop", "cart"), entity("shop", "web"), entity("blog", "web")],
        });
        let table = [
            ("deployment/cart", Ok("demo/shop/deployment/cart")),
            ("demo/blog/deployment/web", Ok("demo/blog/deployment/web")),
            ("deployment/web", Err("more than one")),
            ("deployment/pay", Err("none of those")),
            ("cart", Err("demo/shop/deployment/cart, demo/shop")),
        ];
        for (name, expected) in table {
            match (chosen(&incident, name), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(path_of(&found), expected),
                (Err(error), Err(expected)) => {
                    assert!(error.to_string().contains(expected), "{error}");
                }
                (found, expected) => panic!("{name}: {found:?}, not {expected:?}"),
            }
        }
        let alone =
            json!({ "entity": "demo/shop/deployment/pay", "affected": [entity("shop", "pay")] });
        let error = chosen(&alone, "deployment/pay").expect_err("it is the root");
        assert!(error.to_string().contains("nothing to split"), "{error}");
    }
}
