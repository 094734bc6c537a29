//! A superuser of the database who edits the record.

use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::Finding;
use crate::forge::signed;
use crate::{Ground, until};

/// How long the audit sink may take to sign what it stored.
const SIGNED_WITHIN: Duration = Duration::from_secs(20);

/// What the verifier finds in a record that nobody touched.
const WHOLE: &str = "it holds";
/// What the database says to a statement.
const REFUSED: &str = "the database refuses";

/// Edits, removes and empties what is on record: with the triggers in force, and past them.
pub(super) async fn edit() -> Result<Vec<Finding>> {
    let mut ground = Ground::start().await?;
    let warrant = ground.good(5).await?;
    let message = signed(&ground.policy, warrant, |_| {});
    ground.outcome(message).await?;
    let entries = ground.watch.all().await?;
    let decision = entries.iter().find(|entry| entry.warrant().is_some());
    let idx = decision.context("no decision is on record")?.idx;
    // What is not signed yet has nobody who vouches for it, and nobody adds anything while it is touched.
    until("the record to be signed", SIGNED_WITHIN, || async {
        verified(&ground, idx).await == WHOLE
    })
    .await?;
    ground.stack.kill("audit-sink").await?;
    let url = ground.stack.database_admin()?;
    let mut admin = PgConnection::connect(&url.replace("/postgres?", "/aegis?")).await?;

    let flip = format!(
        "UPDATE audit.audit_entry SET leaf = set_byte(leaf, 60, get_byte(leaf, 60) # 1) WHERE idx = {idx}"
    );
    let delete = format!("DELETE FROM audit.audit_entry WHERE idx = {idx}");
    let past_triggers = "SET session_replication_role = replica";
    let broken = format!("it does not hold, and {idx} is named");
    let mut findings = Vec::new();
    for (tried, statement, expected) in [
        ("a flipped bit", &*flip, REFUSED),
        ("an entry removed", &*delete, REFUSED),
        ("all of it emptied", "TRUNCATE audit.audit_entry", REFUSED),
        ("past the triggers", past_triggers, WHOLE),
        ("past the triggers, a flipped bit", &*flip, &*broken),
        (
            "past the triggers, the same bit flipped back",
            &*flip,
            WHOLE,
        ),
        ("past the triggers, an entry removed", &*delete, &*broken),
    ] {
        let statement = AssertSqlSafe(statement.to_owned());
        let seen = match sqlx::query(statement).execute(&mut admin).await {
            Err(_) => REFUSED.to_owned(),
            Ok(_) => verified(&ground, idx).await,
        };
        findings.push(Finding::of(tried, expected, seen));
    }
    ground.stack.stop().await;
    Ok(findings)
}

/// What the verifier says of the record, and whether it names the entry.
async fn verified(ground: &Ground, idx: u64) -> String {
    let words = |said: &str| {
        let mut words = said.split(|c: char| !c.is_ascii_digit());
        words.any(|word| word == idx.to_string())
    };
    match ground.stack.aegis(&["audit", "verify"]).await {
        Ok(_) => WHOLE.to_owned(),
        Err(said) if words(&said.to_string()) => {
            format!("it does not hold, and {idx} is named")
        }
        Err(said) => format!("it does not hold: {said}"),
    }
}
