//! `cargo xtask attack` runs this: attacks an installation that it starts, and says what came of it.

use std::process::ExitCode;

use aegis_e2e::attack::{ATTACKS, Attack, named};
use anyhow::Result;

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

/// Runs the attacks that are named, all of them for `all`; answers whether every one was repelled.
async fn run() -> Result<bool> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "all".to_owned());
    let attacks: Vec<&Attack> = match name.as_str() {
        "all" => ATTACKS.iter().collect(),
        name => vec![named(name)?],
    };
    let mut failed = Vec::new();
    for attack in attacks {
        println!("{}: {}", attack.name, attack.about);
        let findings = attack.run().await?;
        for finding in &findings {
            println!("  {finding}");
        }
        if findings.is_empty() || findings.iter().any(|finding| !finding.held) {
            failed.push(attack.name);
        }
    }
    match failed.as_slice() {
        [] => println!("every attack ended as expected"),
        names => println!("NOT as expected: {}", names.join(", ")),
    }
    Ok(failed.is_empty())
}
