//! Somebody has the tokens of Aegis' service accounts, and a real API server.

use anyhow::{Context, Result};

use super::Finding;
use crate::bounds::Bounds;

/// Asks for everything that neither account may have.
pub(super) async fn escape() -> Result<Vec<Finding>> {
    let started = Bounds::start().await?;
    let mut bounds = started.context("there is no API server to attack")?;
    bounds.escape().await
}
