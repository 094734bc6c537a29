//! Serves an installation's API for another program, and runs that: `serve PROGRAM ARGUMENTS`. In the
//! arguments `{url}` and `{token}` stand for where the API is and for an administrator's access token.

use std::process::ExitCode;

use aegis_e2e::{Api, Options, Stack};
use anyhow::{Context, Result};

/// The administrator.
const NAME: &str = "fuzzing-administrator";
/// Whoever asks that much meets no limit.
const SETTINGS: [(&str, &str); 3] = [
    ("GATEWAY__PER_ADDRESS", "100000000"),
    ("GATEWAY__PER_USER", "100000000"),
    ("GATEWAY__ACCESS_LIFETIME", "12h"),
];

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Answers whether the program succeeded.
async fn run() -> Result<bool> {
    let options =
        Options::scenario("healthy-day").roles(&["audit-sink", "ingest", "policy", "gateway"]);
    let options = SETTINGS
        .into_iter()
        .fold(options, |options, (name, value)| {
            options.setting(name, value)
        });
    let stack = Stack::start(options).await?;
    stack.person(NAME, &["admin"]).await?;
    let url = stack.gateway();
    let api = Api::sign_in(&url, NAME).await?;
    let filled = std::env::args()
        .skip(1)
        .map(|argument| {
            argument
                .replace("{url}", &url)
                .replace("{token}", api.token())
        })
        .collect::<Vec<_>>();
    let (program, arguments) = filled.split_first().context("which program?")?;
    let status = tokio::process::Command::new(program)
        .args(arguments)
        .status()
        .await
        .with_context(|| format!("cannot run `{program}`"))?;
    stack.stop().await;
    Ok(status.success())
}
