//! Ranks causes: the diagnosis first, then everything else that could be behind it.

use std::collections::BTreeMap;

use aegis_schemas::{Cause, CauseKind, Entity};

use super::classify::{Case, Diagnosis, OWN_MANAGER, blame_change};
use super::config::seconds;
use super::symptom::{Kind, Symptom};

/// The most causes that are said.
const MAX_CAUSES: usize = 6;

/// All causes, most likely first.
pub(super) fn rank(
    case: &Case<'_>,
    diagnosis: &Diagnosis,
    sick: &BTreeMap<Entity, Vec<Symptom>>,
) -> Vec<Cause> {
    let mut causes = vec![Cause {
        entity: diagnosis.entity.clone(),
        kind: diagnosis.cause,
        confidence: diagnosis.confidence,
        because: diagnosis.because.clone(),
    }];
    causes.extend(other_changes(case));
    causes.extend(exhausted(case));
    causes.extend(sick_callees(case, sick));
    // The diagnosis stays first: the others are what else a person would look at.
    let mut rest = causes.split_off(1);
    rest.retain(|cause| (&cause.entity, cause.kind) != (&causes[0].entity, causes[0].kind));
    rest.sort_by(|a, b| {
        b.confidence
            .cmp(&a.confidence)
            .then_with(|| a.entity.cmp(&b.entity))
    });
    rest.dedup_by(|a, b| a.entity == b.entity && a.kind == b.kind);
    let ceiling = causes[0].confidence;
    causes.extend(rest.into_iter().map(|cause| Cause {
        confidence: cause.confidence.min(ceiling.saturating_sub(1)),
        ..cause
    }));
    causes.truncate(MAX_CAUSES);
    causes
}

fn other_changes<'a>(case: &'a Case<'_>) -> impl Iterator<Item = Cause> + 'a {
    case.workload()
        .into_iter()
        .flat_map(|workload| workload.changes.iter().rev())
        .filter(|seen| {
            seen.change.by != OWN_MANAGER
                && case.now.since(seen.at) <= seconds(case.config.change_window_s)
                && seen.at <= case.since
        })
        .map(|seen| Cause {
            entity: case.root.clone(),
            kind: CauseKind::RecentChange,
            confidence: 300,
            because: vec![blame_change(seen, case)],
        })
        .take(1)
}

fn exhausted<'a>(case: &'a Case<'_>) -> impl Iterator<Item = Cause> + 'a {
    [Kind::Cpu, Kind::Memory, Kind::Pool]
        .into_iter()
        .filter_map(|kind| case.get(kind))
        .map(|symptom| Cause {
            entity: case.root.clone(),
            kind: CauseKind::ExhaustedResource,
            confidence: 350,
            because: vec![symptom.text.clone()],
        })
}

fn sick_callees<'a>(
    case: &'a Case<'_>,
    sick: &'a BTreeMap<Entity, Vec<Symptom>>,
) -> impl Iterator<Item = Cause> + 'a {
    case.world.callees(case.root).filter_map(move |callee| {
        let symptom = sick.get(callee)?.iter().find(|s| s.kind.is_harm())?;
        Some(Cause {
            entity: callee.clone(),
            kind: CauseKind::Upstream,
            confidence: 400,
            because: vec![format!("it calls {}: {}", callee.short(), symptom.text)],
        })
    })
}
