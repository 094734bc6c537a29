//! Recommends acts for a diagnosis, with reasons for and against. What is *against* an act is what the
//! detector knows; whether it is allowed is policy's to say.

use aegis_schemas::signal::Revision;
use aegis_schemas::{Action, Blast, CauseKind, Entity, FailureKind, Recommendation, Target};

use super::classify::{Case, Diagnosis};
use super::objects::{Pod, Workload};
use super::symptom::Kind;

/// The acts that would help, best first; empty when nothing in the catalogue does.
pub(super) fn recommend(case: &Case<'_>, diagnosis: &Diagnosis) -> Vec<Recommendation> {
    let Some(workload) = case.workload() else {
        return Vec::new();
    };
    let confidence = diagnosis.confidence;
    if let Some(back) = give_back(case, workload, diagnosis) {
        return vec![back];
    }
    match diagnosis.kind {
        // One that was taken back is not taken back again.
        FailureKind::BadRollout if case.recent_change().is_some() => {
            rollback(case, workload, confidence).into_iter().collect()
        }
        FailureKind::ImagePull if case.suspect_change().is_some() => {
            rollback(case, workload, confidence).into_iter().collect()
        }
        FailureKind::CrashLoop => restart_sick_pods(case, workload, Kind::CrashLoop, confidence),
        FailureKind::MemoryLeak => leak(case, workload, confidence),
        FailureKind::LoadSpike | FailureKind::CpuSaturation => {
            scale_out(case, workload, confidence).into_iter().collect()
        }
        FailureKind::ScaledToZero => scale_back(case, workload, confidence).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn target(case: &Case<'_>, workload: &Workload) -> Target {
    Target {
        entity: case.root.clone(),
        workload: case.root.clone(),
        gvk: workload.state.gvk.clone(),
        uid: workload.state.uid.clone(),
        generation: workload.state.generation,
    }
}

fn replicas(workload: &Workload) -> u32 {
    u32::try_from(workload.state.replicas).unwrap_or(0)
}

/// Back to the newest other revision that proved healthy, or that still has ready pods.
fn rollback(case: &Case<'_>, workload: &Workload, confidence: u16) -> Option<Recommendation> {
    let state = &workload.state;
    let proved = |revision: &&Revision| workload.healthy.contains_key(&revision.template_hash);
    let others = || {
        state
            .revisions
            .iter()
            .filter(|revision| revision.number != state.revision)
    };
    let newest = |a: &&Revision, b: &&Revision| a.number.cmp(&b.number);
    let (revision, why) = others()
        .filter(proved)
        .max_by(newest)
        .map(|revision| (revision, "it proved healthy before"))
        .or_else(|| {
            others()
                .filter(|revision| revision.ready > 0)
                .max_by(newest)
                .map(|revision| (revision, "its pods are still ready"))
        })?;
    let unavailable = state.replicas.saturating_sub(state.ready).max(0);
    Some(Recommendation {
        action: Action::Rollback {
            revision: revision.number,
            template_hash: revision.template_hash.clone(),
        },
        target: target(case, workload),
        confidence,
        blast: Blast {
            // A rollout takes down what maxUnavailable allows, a quarter by default, beside what is
            // down already.
            pods: replicas(workload)
                .div_ceil(4)
                .max(u32::try_from(unavailable).unwrap_or(0))
                .min(replicas(workload)),
            of: replicas(workload),
        },
        because: vec![format!(
            "revision {} ({}): {why}",
            revision.number,
            revision.images.join(", ")
        )],
        against: deleting(workload),
    })
}

fn restart_sick_pods(
    case: &Case<'_>,
    workload: &Workload,
    kind: Kind,
    confidence: u16,
) -> Vec<Recommendation> {
    let Some(symptom) = case.get(kind) else {
        return Vec::new();
    };
    let hit = symptom.pods.len();
    let pods = case.world.pods_of(case.root).count();
    let mut against = deleting(workload);
    if hit * 2 > pods && pods > 1 {
        against.push(format!(
            "{hit} of {pods} pods are hit: the cause is not in one replica"
        ));
    }
    if let Some(seen) = case.configuration_change() {
        against.push(format!(
            "`{}` changed its configuration shortly before: a new pod starts with the same one",
            seen.change.by
        ));
    }
    symptom
        .pods
        .iter()
        .filter_map(|name| Some((name, case.world.pods.get(name)?)))
        .take(1)
        .map(|(name, pod)| restart_pod(case, workload, (name, pod), confidence, against.clone()))
        .collect()
}

fn restart_pod(
    case: &Case<'_>,
    workload: &Workload,
    (name, pod): (&Entity, &Pod),
    confidence: u16,
    mut against: Vec<String>,
) -> Recommendation {
    if pod.state.ready && workload.state.ready <= 1 {
        against.push("it is the last ready pod".to_owned());
    }
    Recommendation {
        action: Action::RestartPod {
            delete: !pod.state.ready,
        },
        target: Target {
            entity: name.clone(),
            workload: case.root.clone(),
            gvk: "v1/Pod".to_owned(),
            uid: pod.state.uid.clone(),
            generation: 0,
        },
        confidence,
        blast: Blast {
            pods: 1,
            of: replicas(workload),
        },
        because: vec![if pod.state.ready {
            "a new pod starts without what this one has gathered".to_owned()
        } else {
            "it is not ready, and a new pod starts from a clean state".to_owned()
        }],
        against,
    }
}

/// One leaking pod is replaced; when most leak, all are, one after the other.
fn leak(case: &Case<'_>, workload: &Workload, confidence: u16) -> Vec<Recommendation> {
    let hit: Vec<&Entity> = [Kind::Memory, Kind::OutOfMemory, Kind::MemoryForetold]
        .into_iter()
        .filter_map(|kind| case.get(kind))
        .flat_map(|symptom| &symptom.pods)
        .collect();
    if let [first, ..] = hit.as_slice()
        && let Some(pod) = case.world.pods.get(*first)
    {
        return vec![restart_pod(
            case,
            workload,
            (first, pod),
            confidence,
            deleting(workload),
        )];
    }
    let mut against = deleting(workload);
    if workload.is_rolling() {
        against.push("a rollout is running".to_owned());
    }
    if workload.state.on_delete {
        against.push("its pods are replaced only when somebody deletes them".to_owned());
    }
    vec![Recommendation {
        action: Action::RolloutRestart,
        target: target(case, workload),
        confidence,
        blast: Blast {
            pods: replicas(workload).div_ceil(4),
            of: replicas(workload),
        },
        because: vec!["all replicas leak: new ones start fresh".to_owned()],
        against,
    }]
}

/// As many replicas as bring CPU to the target, by what CPU says and by what the requests say: at its limit
/// CPU no longer tells how much more is asked for, and it rises later than they do.
fn scale_out(case: &Case<'_>, workload: &Workload, confidence: u16) -> Option<Recommendation> {
    let cpu = case.get(Kind::Cpu)?;
    let from = workload.state.replicas;
    if from <= 0 {
        return None;
    }
    let by_cpu = f64::from(from) * cpu.value / case.config.scale_target_utilisation;
    // The usual load was borne by the usual replicas, not by those added or taken away since.
    let usual = workload.usual_replicas(case.now);
    let by_load = case
        .get(Kind::LoadHigh)
        .filter(|load| load.expected > 0.0)
        .map_or(0.0, |load| {
            f64::from(usual) * load.value / load.expected * cpu.expected
                / case.config.scale_target_utilisation
        });
    let ceiling = (f64::from(from) * case.config.scale_max_factor).ceil();
    let wanted = by_cpu
        .max(by_load)
        .ceil()
        .clamp(f64::from(from) + 1.0, ceiling);
    let to = (wanted as i32).min(case.config.scale_max_replicas);
    let mut against = against_scaling(case, workload);
    if to <= from {
        against.push(format!("{from} replicas are the most that is allowed"));
    }
    Some(Recommendation {
        action: Action::Scale { replicas: to, from },
        target: target(case, workload),
        confidence,
        blast: Blast {
            pods: 0,
            of: replicas(workload),
        },
        because: vec![format!(
            "{to} replicas bring CPU near {:.0} %",
            case.config.scale_target_utilisation * 100.0
        )],
        against,
    })
}

fn scale_back(case: &Case<'_>, workload: &Workload, confidence: u16) -> Option<Recommendation> {
    let healthy = workload.healthy_replicas;
    (healthy > 0).then(|| Recommendation {
        action: Action::Scale {
            replicas: healthy,
            from: 0,
        },
        target: target(case, workload),
        confidence,
        blast: Blast::default(),
        because: vec![format!("{healthy} replicas were healthy last")],
        against: against_scaling(case, workload),
    })
}

/// As many replicas as there were before somebody took some away, if that is what is wrong.
fn give_back(
    case: &Case<'_>,
    workload: &Workload,
    diagnosis: &Diagnosis,
) -> Option<Recommendation> {
    let by_load = matches!(
        diagnosis.kind,
        FailureKind::CpuSaturation | FailureKind::Latency | FailureKind::ErrorSpike
    );
    if !by_load || diagnosis.cause != CauseKind::RecentChange {
        return None;
    }
    let (seen, before) = case.fewer_replicas()?;
    if case.get(Kind::LoadHigh).is_some() {
        return None;
    }
    let from = workload.state.replicas;
    let to = before.min(case.config.scale_max_replicas);
    (from > 0 && to > from).then(|| Recommendation {
        action: Action::Scale { replicas: to, from },
        target: target(case, workload),
        confidence: diagnosis.confidence,
        blast: Blast {
            pods: 0,
            of: replicas(workload),
        },
        because: vec![format!(
            "it had {before} replicas before `{}` took some away",
            seen.change.by
        )],
        against: against_scaling(case, workload),
    })
}

fn against_scaling(case: &Case<'_>, workload: &Workload) -> Vec<String> {
    let mut against = deleting(workload);
    if let Some((autoscaler, _)) = case.world.autoscaler_of(case.root) {
        against.push(format!("{} owns its replicas", autoscaler.short()));
    }
    if workload.is_rolling() {
        against.push("a rollout is running".to_owned());
    }
    against
}

fn deleting(workload: &Workload) -> Vec<String> {
    if workload.state.deleting {
        vec!["it is being deleted".to_owned()]
    } else {
        Vec::new()
    }
}
