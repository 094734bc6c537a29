//! How bad it is for the users of a workload.

use aegis_schemas::{Entity, Severity};

use super::foretold;
use super::symptom::{Kind, Symptom};
use super::world::World;

/// The severity that is said: what people are told of is worth a warning at least.
pub(super) fn shown(world: &World, entity: &Entity, symptoms: &[Symptom]) -> Severity {
    let told = symptoms.iter().filter(|symptom| symptom.kind.is_told());
    let worst = told.map(foretold::severity).max();
    severity(world, entity, symptoms).max(worst.unwrap_or(Severity::Info))
}

/// The severity of `symptoms` of `entity` that are there.
pub(super) fn severity(world: &World, entity: &Entity, symptoms: &[Symptom]) -> Severity {
    let (ready, replicas) = world.workloads.get(entity).map_or((0, 0), |workload| {
        (workload.state.ready, workload.state.replicas)
    });
    let value = |kind: Kind| {
        symptoms
            .iter()
            .filter(|symptom| symptom.kind == kind)
            .map(|symptom| symptom.value)
            .fold(0.0, f64::max)
    };
    let has = |kind: Kind| symptoms.iter().any(|symptom| symptom.kind == kind);
    let nobody_serves = replicas > 0 && ready == 0;
    if nobody_serves || has(Kind::ScaledToZero) || value(Kind::Errors) >= 0.5 {
        return Severity::Critical;
    }
    let crashes = has(Kind::CrashLoop) || has(Kind::ImagePull) || has(Kind::OutOfMemory);
    let half_gone = replicas > 1 && ready * 2 <= replicas;
    if crashes || half_gone || value(Kind::Errors) >= 0.05 || value(Kind::Cpu) >= 0.9 {
        return Severity::Error;
    }
    if symptoms.iter().any(|symptom| symptom.kind.is_harm()) {
        Severity::Warning
    } else {
        Severity::Info
    }
}
