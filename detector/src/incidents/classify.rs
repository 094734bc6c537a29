//! Names the failure of a root entity from its symptoms and its recent changes: an ordered table of
//! rules, the most certain first, with an honest `unknown` at its end.

use aegis_schemas::{CauseKind, Entity, FailureKind, Timestamp};

use super::config::{Config, seconds};
use super::foretold;
use super::node;
use super::objects::{SeenChange, Workload};
use super::symptom::{Kind, Symptom, restarts_within};
use super::world::World;

/// Changes by Aegis itself are not suspects of the failure that they answer.
pub(super) const OWN_MANAGER: &str = "aegis-executor";

/// How much later than its effect a change may be reported: metrics and the watch race.
pub(super) const REPORT_SLACK_S: u64 = 15;

/// What is said of pods that outlive the template that they are of.
const TAKEN_BACK: &str = "the template was taken back, these pods still have it";

/// The failure's name with its most likely cause.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Diagnosis {
    pub(super) kind: FailureKind,
    pub(super) cause: CauseKind,
    /// Where the cause lies; the root itself but for upstream causes.
    pub(super) entity: Entity,
    /// In thousandths.
    pub(super) confidence: u16,
    pub(super) because: Vec<String>,
}

/// What is looked at.
pub(super) struct Case<'a> {
    pub(super) config: &'a Config,
    pub(super) world: &'a World,
    pub(super) now: Timestamp,
    pub(super) root: &'a Entity,
    pub(super) symptoms: &'a [Symptom],
    /// Since when the root is sick.
    pub(super) since: Timestamp,
}

impl Case<'_> {
    pub(super) fn get(&self, kind: Kind) -> Option<&Symptom> {
        self.symptoms.iter().find(|symptom| symptom.kind == kind)
    }

    pub(super) fn workload(&self) -> Option<&Workload> {
        self.world.workloads.get(self.root)
    }

    /// A change of the template shortly before the onset, unless that template has proved healthy.
    pub(super) fn suspect_change(&self) -> Option<&SeenChange> {
        let workload = self.workload()?;
        self.recent_change().filter(|change| {
            let proved = workload
                .template_hash()
                .and_then(|hash| workload.healthy.get(hash));
            proved.is_none_or(|healthy| *healthy <= change.at)
        })
    }

    /// A change of the template shortly before the onset that nobody replaced since.
    pub(super) fn recent_change(&self) -> Option<&SeenChange> {
        let workload = self.workload()?;
        let change = workload.template_change(OWN_MANAGER)?;
        let before = change.at <= self.since + seconds(REPORT_SLACK_S);
        (self.is_recent(change) && before && !workload.replaced(change)).then_some(change)
    }

    /// The change that Aegis took back since, while the pods with the symptom are still of that template.
    fn taken_back(&self, symptom: &Symptom) -> Option<&SeenChange> {
        let workload = self.workload()?;
        let change = workload.template_change(OWN_MANAGER)?;
        let hash = workload.template_hash()?;
        let mut pods = symptom.pods.iter();
        let still = pods.all(|pod| {
            let known = self.world.pods.get(pod);
            known.is_some_and(|pod| pod.state.template_hash != hash)
        });
        let held = self.is_recent(change) && still && !symptom.pods.is_empty();
        (held && workload.replaced(change)).then_some(change)
    }

    /// A change of the template that may be behind memory that runs out. Pods are ready long before a leak
    /// shows, so that a template was healthy does not clear it, if its pods leak alike.
    fn leaking_change(&self, symptom: &Symptom) -> Option<&SeenChange> {
        if !self.only_new_pods(symptom) {
            return None;
        }
        let pods = self.world.pods_of(self.root).count();
        let alike = symptom.pods.is_empty() || symptom.pods.len() * 2 > pods;
        self.suspect_change()
            .or_else(|| self.recent_change().filter(|_| alike))
    }

    fn is_recent(&self, seen: &SeenChange) -> bool {
        self.now.since(seen.at) <= seconds(self.config.change_window_s)
    }

    /// Somebody took replicas away shortly before the onset, and nobody has changed their number since:
    /// the change, and how many there were.
    pub(super) fn fewer_replicas(&self) -> Option<(&SeenChange, i32)> {
        let workload = self.workload()?;
        let mut changes = workload.changes.iter().rev();
        let seen = changes.find(|seen| seen.change.what == "replicas")?;
        let (from, to): (i32, i32) = (seen.change.from.parse().ok()?, seen.change.to.parse().ok()?);
        let standing = to == workload.state.replicas && seen.change.by != OWN_MANAGER;
        let before = seen.at <= self.since + seconds(REPORT_SLACK_S);
        (from > to && standing && before && self.is_recent(seen)).then_some((seen, from))
    }

    /// Why the template is not blamed.
    fn about_template(&self) -> String {
        let change = self
            .workload()
            .and_then(|workload| workload.template_change(OWN_MANAGER))
            .filter(|seen| self.is_recent(seen));
        match change {
            None => "nobody changed the template".to_owned(),
            Some(_) if self.suspect_change().is_some() => {
                "pods from before the last change of the template fail as well".to_owned()
            }
            Some(seen) if seen.at > self.since => {
                "the last change of the template came after it".to_owned()
            }
            Some(_) => {
                "the last change of the template proved healthy or was taken back".to_owned()
            }
        }
    }

    /// A change of what the workload is configured with, shortly before the onset. No revision brings
    /// the old configuration back.
    pub(super) fn configuration_change(&self) -> Option<&SeenChange> {
        let changes = &self.workload()?.changes;
        changes.iter().rev().find(|seen| {
            seen.change.what == "configuration"
                && seen.change.by != OWN_MANAGER
                && self.is_recent(seen)
                && seen.at <= self.since + seconds(REPORT_SLACK_S)
        })
    }

    /// Whether all pods with the symptom are of the present template.
    fn only_new_pods(&self, symptom: &Symptom) -> bool {
        let Some(hash) = self.workload().and_then(Workload::template_hash) else {
            return true;
        };
        symptom
            .pods
            .iter()
            .filter_map(|pod| self.world.pods.get(pod))
            .all(|pod| pod.state.template_hash == hash)
    }

    pub(super) fn diagnosis(
        &self,
        kind: FailureKind,
        cause: CauseKind,
        confidence: u16,
        because: Vec<String>,
    ) -> Diagnosis {
        Diagnosis {
            kind,
            cause,
            entity: self.root.clone(),
            confidence,
            because,
        }
    }
}

/// The name of the failure and its most likely cause.
pub(super) fn classify(case: &Case<'_>) -> Diagnosis {
    node::runs_out(case)
        .or_else(|| pods_that_fail(case))
        .or_else(|| out_of_resources(case))
        .or_else(|| disk_or_network(case))
        .or_else(|| bad_answers(case))
        .or_else(|| pool_in_use(case))
        .or_else(|| foretold::diagnose(case))
        .unwrap_or_else(|| {
            let because = case.symptoms.iter().map(|s| s.text.clone()).collect();
            let kind = if case.get(Kind::LoadLow).is_some() {
                FailureKind::TrafficDrop
            } else {
                FailureKind::Unknown
            };
            case.diagnosis(kind, CauseKind::Itself, 200, because)
        })
}

fn pods_that_fail(case: &Case<'_>) -> Option<Diagnosis> {
    if let Some(zero) = case.get(Kind::ScaledToZero) {
        return Some(case.diagnosis(
            FailureKind::ScaledToZero,
            CauseKind::RecentChange,
            950,
            vec![zero.text.clone()],
        ));
    }
    let change = case.suspect_change();
    for (kind, named, confidence) in [
        (Kind::ImagePull, FailureKind::ImagePull, 950),
        (Kind::CrashLoop, FailureKind::BadRollout, 950),
        (Kind::OutOfMemory, FailureKind::BadRollout, 850),
        (Kind::NotReady, FailureKind::BadRollout, 850),
    ] {
        let Some(symptom) = case.get(kind) else {
            continue;
        };
        let suspect = change.filter(|_| case.only_new_pods(symptom));
        let (suspect, taken_back) = match suspect {
            Some(suspect) => (Some(suspect), None),
            None => (case.taken_back(symptom), Some(TAKEN_BACK.to_owned())),
        };
        if let Some(suspect) = suspect {
            let because = [symptom.text.clone(), blame_change(suspect, case)];
            let because = because.into_iter().chain(taken_back).collect();
            return Some(case.diagnosis(named, CauseKind::RecentChange, confidence, because));
        }
    }
    if let Some(pull) = case.get(Kind::ImagePull) {
        return Some(case.diagnosis(
            FailureKind::ImagePull,
            CauseKind::Itself,
            700,
            vec![pull.text.clone()],
        ));
    }
    if let Some(oom) = case.get(Kind::OutOfMemory) {
        return Some(out_of_memory(case, oom));
    }
    let Some(crash) = case.get(Kind::CrashLoop) else {
        let evicted = case.get(Kind::Evicted)?;
        return Some(case.diagnosis(
            FailureKind::DiskPressure,
            CauseKind::ExhaustedResource,
            900,
            vec![evicted.text.clone()],
        ));
    };
    let pods = case.world.pods_of(case.root).count();
    let siblings_well = crash.pods.len() * 2 <= pods && pods > 1;
    // Siblings that have not restarted since are well with the old configuration still.
    Some(if let Some(change) = case.configuration_change() {
        case.diagnosis(
            FailureKind::CrashLoop,
            CauseKind::RecentChange,
            750,
            vec![crash.text.clone(), blame_change(change, case)],
        )
    } else if siblings_well {
        case.diagnosis(
            FailureKind::CrashLoop,
            CauseKind::ReplicaState,
            900,
            vec![
                crash.text.clone(),
                "its siblings run the same template and are well".to_owned(),
                case.about_template(),
            ],
        )
    } else {
        case.diagnosis(
            FailureKind::CrashLoop,
            CauseKind::Itself,
            500,
            vec![crash.text.clone(), case.about_template()],
        )
    })
}

/// A limit below what is needed kills again and again, soon after each start; a leak takes its time.
fn out_of_memory(case: &Case<'_>, oom: &Symptom) -> Diagnosis {
    const SOON_S: u64 = 120;
    let again_soon = oom
        .pods
        .iter()
        .filter_map(|pod| case.world.pods.get(pod))
        .any(|pod| {
            restarts_within(pod, case.now, case.config.restart_window_s) >= 3
                && pod
                    .restarts
                    .iter()
                    .zip(pod.restarts.iter().skip(1))
                    .all(|(a, b)| b.since(*a) < seconds(SOON_S))
        });
    if let Some(change) = case.leaking_change(oom) {
        case.diagnosis(
            FailureKind::BadRollout,
            CauseKind::RecentChange,
            750,
            vec![oom.text.clone(), blame_change(change, case)],
        )
    } else if again_soon {
        case.diagnosis(
            FailureKind::OomLimitTooLow,
            CauseKind::ExhaustedResource,
            750,
            vec![
                oom.text.clone(),
                format!("again within {SOON_S} s of each start"),
            ],
        )
    } else {
        case.diagnosis(
            FailureKind::MemoryLeak,
            CauseKind::ExhaustedResource,
            800,
            vec![oom.text.clone(), case.about_template()],
        )
    }
}

fn out_of_resources(case: &Case<'_>) -> Option<Diagnosis> {
    if let Some(memory) = case.get(Kind::Memory) {
        return Some(match case.leaking_change(memory) {
            Some(change) => case.diagnosis(
                FailureKind::BadRollout,
                CauseKind::RecentChange,
                750,
                vec![memory.text.clone(), blame_change(change, case)],
            ),
            None => case.diagnosis(
                FailureKind::MemoryLeak,
                CauseKind::ExhaustedResource,
                800,
                vec![memory.text.clone()],
            ),
        });
    }
    let cpu = case.get(Kind::Cpu)?;
    if let Some(taken) = replicas_taken(case, FailureKind::CpuSaturation, cpu) {
        return Some(taken);
    }
    if let Some(load) = case.get(Kind::LoadHigh) {
        return Some(case.diagnosis(
            FailureKind::LoadSpike,
            CauseKind::Load,
            900,
            vec![cpu.text.clone(), load.text.clone()],
        ));
    }
    Some(match case.suspect_change() {
        Some(change) => case.diagnosis(
            FailureKind::BadRollout,
            CauseKind::RecentChange,
            800,
            vec![cpu.text.clone(), blame_change(change, case)],
        ),
        None => case.diagnosis(
            FailureKind::CpuSaturation,
            CauseKind::ExhaustedResource,
            750,
            vec![cpu.text.clone()],
        ),
    })
}

/// What fills the disk or loses packets; not where a new version answers badly, which explains both.
fn disk_or_network(case: &Case<'_>) -> Option<Diagnosis> {
    let answers = [
        Kind::Errors,
        Kind::Latency,
        Kind::CallErrors,
        Kind::CallLatency,
    ];
    let is_bad = answers.into_iter().any(|kind| case.get(kind).is_some());
    if is_bad && case.suspect_change().is_some() {
        return None;
    }
    let (kind, cause, symptom) = match (case.get(Kind::Disk), case.get(Kind::PacketLoss)) {
        (Some(disk), _) => (
            FailureKind::DiskPressure,
            CauseKind::ExhaustedResource,
            disk,
        ),
        (None, Some(loss)) => (FailureKind::NetworkLoss, CauseKind::Itself, loss),
        (None, None) => return None,
    };
    Some(case.diagnosis(kind, cause, 800, vec![symptom.text.clone()]))
}

fn bad_answers(case: &Case<'_>) -> Option<Diagnosis> {
    let bad = case.get(Kind::Errors).or_else(|| case.get(Kind::Latency));
    let call = case
        .get(Kind::CallErrors)
        .or_else(|| case.get(Kind::CallLatency));
    let symptom = bad.or(call)?;
    if let Some(change) = case.suspect_change() {
        return Some(case.diagnosis(
            FailureKind::BadRollout,
            CauseKind::RecentChange,
            850,
            vec![symptom.text.clone(), blame_change(change, case)],
        ));
    }
    let kind = if symptom.kind == Kind::Errors {
        FailureKind::ErrorSpike
    } else {
        FailureKind::Latency
    };
    if let Some(taken) = bad.and_then(|bad| replicas_taken(case, kind, bad)) {
        return Some(taken);
    }
    let peer = call.and_then(|call| {
        let name = call.peer.as_ref()?;
        let callee = case
            .world
            .callees(case.root)
            .find(|callee| callee.name == *name)?;
        Some((callee, call))
    });
    if let Some((callee, call)) = peer {
        return Some(Diagnosis {
            kind: FailureKind::DependencyLatency,
            cause: CauseKind::Upstream,
            entity: callee.clone(),
            confidence: 600,
            because: vec![call.text.clone()],
        });
    }
    if let (Some(load), None) = (case.get(Kind::LoadHigh), case.configuration_change()) {
        let because = vec![symptom.text.clone(), load.text.clone()];
        return Some(case.diagnosis(FailureKind::LoadSpike, CauseKind::Load, 600, because));
    }
    Some(match case.configuration_change() {
        Some(change) => case.diagnosis(
            kind,
            CauseKind::RecentChange,
            700,
            vec![symptom.text.clone(), blame_change(change, case)],
        ),
        None => match case.get(Kind::Pool) {
            Some(pool) => {
                let because = vec![symptom.text.clone(), pool.text.clone()];
                case.diagnosis(kind, CauseKind::ExhaustedResource, 500, because)
            }
            None => case.diagnosis(kind, CauseKind::Itself, 400, vec![symptom.text.clone()]),
        },
    })
}

/// All connections of a pool are in use: the failure has no name, what ran out is known.
fn pool_in_use(case: &Case<'_>) -> Option<Diagnosis> {
    let because = vec![case.get(Kind::Pool)?.text.clone()];
    Some(case.diagnosis(
        FailureKind::Unknown,
        CauseKind::ExhaustedResource,
        400,
        because,
    ))
}

/// Fewer replicas bear what more of them bore.
fn replicas_taken(case: &Case<'_>, kind: FailureKind, symptom: &Symptom) -> Option<Diagnosis> {
    // A template that came with it is the likelier cause, and more load asks for more than there were.
    if case.suspect_change().is_some() || case.get(Kind::LoadHigh).is_some() {
        return None;
    }
    let (seen, _) = case.fewer_replicas()?;
    let because = vec![symptom.text.clone(), blame_change(seen, case)];
    Some(case.diagnosis(kind, CauseKind::RecentChange, 850, because))
}

/// The change in words, with how long before the onset it was.
pub(super) fn blame_change(change: &SeenChange, case: &Case<'_>) -> String {
    let said = &change.change;
    format!(
        "`{}` changed the {} {} s before: {} -> {}",
        said.by,
        said.what,
        case.since.since(change.at).as_secs(),
        said.from,
        said.to
    )
}
