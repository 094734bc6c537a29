//! The fence: of the admission policies that a real cluster gets with Aegis (`deploy/`) the one rule that
//! a second executor could run into. It is refused as there.
//!
//! It binds the executor's user alone: controllers and people update the
//! same objects and leave the fence as it is.

use serde_json::Value;

use super::error::Refusal;
use super::json;
use super::resources::{Kind, Resource};

/// The user whose writes are fenced.
const FENCED: &str = "aegis-executor";
const FENCE: &str = "aegis.dev/fence";

/// Refuses an update of a workload whose fence does not rise.
pub(crate) fn update(
    user: &str,
    resource: &Resource,
    old: &Value,
    new: &Value,
) -> Result<(), Refusal> {
    let fenced = matches!(
        resource.kind,
        Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet | Kind::ReplicaSet
    );
    if user != FENCED || !fenced {
        return Ok(());
    }
    let before = json::annotation(old, FENCE).map_or(Some(0), |text| text.parse::<u64>().ok());
    let after = json::annotation(new, FENCE).and_then(|text| text.parse::<u64>().ok());
    let rises = matches!((before, after), (Some(before), Some(after)) if after > before);
    if rises {
        Ok(())
    } else {
        let name = json::name(new);
        Err(Refusal::denied(
            resource,
            name,
            "aegis-executor-workloads",
            "stale fence",
        ))
    }
}
