//! An executor that stands still, is taken for dead, and wakes up.

use aegis_executor::accept::MAX_LIFETIME;
use anyhow::Result;
use serde_json::json;

use super::Finding;
use crate::forge::signed;
use crate::{Ground, until};

const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/cart";

/// Stops an executor with a decision in hand until another one has carried out that one and a later one.
pub(super) async fn run() -> Result<Vec<Finding>> {
    let mut ground = Ground::start().await?;
    let mut findings = Vec::new();
    ground.stack.pause("executor")?;
    let mut held = ground.good(5).await?;
    // Nobody else gets it before a minute has passed.
    held.exp = held.iat + MAX_LIFETIME;
    let seq = ground.policy.say(&held).await?;
    ground.stack.start_another("executor", "successor").await?;
    let outcome = ground.outcome_of(seq).await?;
    let tried = "the successor with what the first one holds";
    findings.push(Finding::of(tried, "applied", outcome.phase.as_str()));
    let later = ground.good(6).await?;
    let later = signed(&ground.policy, later, |_| {});
    let outcome = ground.outcome(later).await?;
    let tried = "the successor with a later decision";
    findings.push(Finding::of(tried, "applied", outcome.phase.as_str()));

    ground.stack.go_on("executor")?;
    let stack = &ground.stack;
    let woken = || async {
        let ended = stack.counter("executor", "aegis_executor_outcomes_total");
        ended.await.is_ok_and(|ended| ended >= 1.0)
    };
    until("the first one with what it held", MAX_LIFETIME, woken).await?;
    let writes = format!("{} writes in all", stack.writes().await?.len());
    let tried = "the first one with what it still holds";
    findings.push(Finding::of(tried, "2 writes in all", writes));

    // As if it had been stopped between its last look and its write.
    let change = json!({
        "metadata": { "annotations": { "aegis.dev/fence": held.fence.to_string() } },
        "spec": { "replicas": 5 },
    });
    let written = stack.patch_as("aegis-executor", DEPLOYMENT, change).await;
    let seen = match written {
        Ok(_) => "the API server takes it".to_owned(),
        Err(said) if said.to_string().contains("stale fence") => "stale fence".to_owned(),
        Err(said) => said.to_string(),
    };
    findings.push(Finding::of("its write alone", "stale fence", seen));
    ground.stack.stop().await;
    Ok(findings)
}
