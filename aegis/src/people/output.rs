//! What is printed: tables for people, JSON for scripts.

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::Value;

use super::row;
use crate::exit::Ended;

/// How it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// For scripts.
    Json,
}

/// What is printed.
#[derive(Debug, Args)]
pub struct Output {
    /// For people or for scripts.
    #[arg(
        long,
        short,
        value_enum,
        default_value = "table",
        value_name = "FORMAT"
    )]
    output: Format,
    /// As `-o json`.
    #[arg(long, hide = true)]
    json: bool,
}

impl Output {
    /// Whether JSON is wanted.
    pub(super) fn is_json(&self) -> bool {
        self.json || self.output == Format::Json
    }
}

/// Prints JSON.
///
/// # Errors
///
/// When it cannot be written.
pub(super) fn print_json(value: &Value) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints rows by `columns`, or what is said when there are none; without a table, all of each row.
///
/// # Errors
///
/// When JSON cannot be written.
pub(super) fn print(rows: &Value, output: &Output, columns: &[&str], nothing: &str) -> Result<()> {
    if output.is_json() {
        return print_json(rows);
    }
    let rows = rows.as_array().cloned().unwrap_or_default();
    if rows.is_empty() {
        eprintln!("{nothing}");
        return Ok(());
    }
    let cell = |row: &Value, column: &str| {
        if column.ends_with("_at") {
            row::time(row, column)
        } else {
            row::cell(row, column)
        }
    };
    let widths: Vec<usize> = columns
        .iter()
        .map(|column| {
            let cells = rows.iter().map(|row| cell(row, column).chars().count());
            cells.max().unwrap_or(0).max(column.len())
        })
        .collect();
    let line = |cells: Vec<String>| {
        let padded: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        println!("{}", padded.join("  ").trim_end());
    };
    line(columns.iter().map(|column| column.to_uppercase()).collect());
    for row in &rows {
        line(columns.iter().map(|column| cell(row, column)).collect());
    }
    Ok(())
}

/// Says what policy made of a command; a denial is a failure for scripts.
pub(super) fn report(answered: &Value) -> Result<()> {
    let Some(decision) = answered.get("decision") else {
        eprintln!("the command is on the log; policy has not answered yet");
        return Ok(());
    };
    let verdict = decision
        .get("verdict")
        .and_then(Value::as_str)
        .unwrap_or("?");
    println!("{verdict}");
    for reason in decision["reasons"].as_array().into_iter().flatten() {
        let text = |name: &str| reason.get(name).and_then(Value::as_str).unwrap_or("");
        println!("  {}: {}", text("policy"), text("text"));
    }
    if verdict == "deny" {
        return Err(Ended::Denied("policy denied it".to_owned()).into());
    }
    Ok(())
}
