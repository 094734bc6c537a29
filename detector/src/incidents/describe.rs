//! What is said of an incident: its evidence, its diagnosis, its causes, what to do and a summary.

use std::collections::{BTreeMap, BTreeSet};

use aegis_schemas::{
    Action, CauseKind, Digest, Entity, FailureKind, Grouped, GroupedBy, Incident, IncidentPhase,
    Recommendation, Timestamp, codec,
};

use super::classify::{Case, Diagnosis, classify};
use super::config::Config;
use super::core::{Core, State};
use super::group::{Group, Groups};
use super::open::Open;
use super::regroup::Merged;
use super::seen::seen;
use super::symptom::{Kind, Symptom};
use super::{causes, recommend, severity};

/// The most evidence and the most affected entities that are said.
const MAX_SAID: usize = 20;

/// Who belongs to an incident.
pub(super) struct Members<'a> {
    pub(super) root: &'a Entity,
    /// All who were sick with it, some of whom may be well by now.
    pub(super) all: &'a BTreeSet<Entity>,
    /// Those of them that are there by a person's word.
    pub(super) joined: &'a BTreeMap<Entity, Merged>,
    /// Those that the root explains now.
    pub(super) group: &'a Group,
}

impl<'a> Members<'a> {
    /// Those that are sick now: the root's own, and those that are there by a person's word.
    fn sick(&self, state: &State) -> (Vec<&'a Entity>, Vec<&'a Entity>) {
        let is_sick = |member: &&Entity| state.sick.contains_key(*member);
        let sick = self.all.iter().filter(is_sick);
        sick.partition(|member| !self.is_merged(member))
    }

    /// Whether the rules alone would not have it there.
    fn is_merged(&self, member: &Entity) -> bool {
        let way = self.group.get(member);
        way.map_or_else(|| self.joined.contains_key(member), |way| way.merged)
    }

    fn why(&self, member: &Entity) -> (GroupedBy, String) {
        let way = self.group.get(member);
        let told = way.map(|way| (way.by(), way.told()));
        let merged = self.joined.get(member).filter(|_| self.is_merged(member));
        match (merged, told) {
            (Some(Merged { from, by, .. }), told) => {
                let way = told.map_or_else(String::new, |(_, told)| told);
                let whom = if way.is_empty() { "it" } else { "which" };
                let comma = if way.is_empty() { "" } else { ", " };
                let told =
                    format!("{way}{comma}{whom} was in the incident {from}, which `{by}` merged");
                (GroupedBy::Person, told)
            }
            (None, Some((Some(by), told))) => (by, told),
            (None, _) => {
                let told = "it was sick with it before and has not recovered";
                (GroupedBy::Before, told.to_owned())
            }
        }
    }
}

impl Core {
    /// What is known of an incident now.
    pub(super) fn describe(&self, before: &Incident, members: &Members<'_>) -> Option<Incident> {
        let state = &self.state;
        let root = members.root;
        let symptoms = state.sick.get(root)?;
        let (mut affected, merged) = members.sick(state);
        let case = case(&self.config, state, root);
        let by_rules = self.weighed(root, classify(&case));
        let recommendations = steady(&before.recommendations, self.acts(&case, &by_rules));
        let diagnosis = match &self.learnt {
            // Of what is only foretold it has learnt nothing, and of what people merge neither.
            Some(learnt) if recommendations.is_empty() && is_harmed(symptoms) => {
                let own = affected.iter().copied().cloned().collect();
                learnt.heard(by_rules, || seen(&self.config, state, root, &own))
            }
            _ => by_rules,
        };
        let causes = causes::rank(&case, &diagnosis, &state.sick);
        let worst = |of: &[&Entity]| {
            let sick = of.iter().filter_map(|of| Some((of, state.sick.get(*of)?)));
            sick.map(|(of, symptoms)| severity::shown(&state.world, of, symptoms))
                .max()
        };
        let (own_severity, merged_in) = (worst(&affected)?, worst(&merged));
        let severity = merged_in.map_or(own_severity, |merged| merged.max(own_severity));
        let own = affected.clone();
        affected.extend(merged);
        affected.truncate(MAX_SAID);
        // Whoever reads it can tell whose word brought in what.
        let told = affected.iter().skip(own.len());
        let sick = (own.iter().chain(told)).filter_map(|of| Some((of, state.sick.get(*of)?)));
        let mut evidence: Vec<_> = sick
            .flat_map(|(of, symptoms)| symptoms.iter().map(|s| s.evidence(of)))
            .collect();
        // The root's own first, then the newest.
        evidence.sort_by(|a, b| {
            (b.entity == *root, b.at)
                .cmp(&(a.entity == *root, a.at))
                .then_with(|| a.entity.cmp(&b.entity))
        });
        evidence.truncate(MAX_SAID);
        let others = affected.iter().filter(|member| **member != root);
        Some(Incident {
            incident: before.incident,
            phase: IncidentPhase::Updated,
            entity: root.clone(),
            severity,
            kind: diagnosis.kind,
            confidence: diagnosis.confidence,
            opened: before.opened,
            newest_evidence: newest(symptoms).unwrap_or(before.newest_evidence),
            grouped: others.map(|member| self.grouped(members, member)).collect(),
            own_severity: (own_severity < severity).then_some(own_severity),
            affected: affected.into_iter().cloned().collect(),
            evidence,
            summary: summary(root, &diagnosis.kind, diagnosis.cause, &diagnosis.because),
            causes,
            recommendations,
        })
    }

    /// The members of an open incident that a diagnosis sees, the same to learn from and to be asked: those that
    /// are sick now and not there by a person's word.
    pub(super) fn own_members(&self, open: &Open) -> BTreeSet<Entity> {
        // Where nobody merged anything, no way leads there by a person's word.
        let mut groups = if open.joined.is_empty() {
            Groups::new()
        } else {
            self.groups()
        };
        let members = Members {
            root: &open.root,
            all: &open.members,
            joined: &open.joined,
            group: &groups.remove(&open.root).unwrap_or_default(),
        };
        let (own, _) = members.sick(&self.state);
        own.into_iter().cloned().collect()
    }

    /// Why a member that is not the root belongs to an incident.
    fn grouped(&self, members: &Members<'_>, member: &Entity) -> Grouped {
        let (by, mut because) = members.why(member);
        let since = |of: &Entity| self.state.sick_since.get(of).map(|at| at.as_millis());
        if let (Some(root), Some(this)) = (since(members.root), since(member)) {
            let s = (this - root) / 1_000;
            because += &match s {
                0 => "; both fell sick at once".to_owned(),
                1.. => format!("; it fell sick {s} s later"),
                _ => format!("; it fell sick {} s earlier", -s),
            };
        }
        Grouped {
            entity: member.clone(),
            by,
            because,
        }
    }

    /// The diagnosis in the light of what operators said of such ones, and of incidents of that root.
    fn weighed(&self, root: &Entity, mut diagnosis: Diagnosis) -> Diagnosis {
        let state = &self.state;
        let sort = (diagnosis.kind, state.world.class_of(root).to_owned());
        let Diagnosis {
            confidence,
            because,
            ..
        } = &mut diagnosis;
        state
            .experience
            .weigh_diagnosis(&sort, confidence, because, state.now);
        let (tolerance, opinions) = state.experience.tolerance(root, state.now);
        if opinions > 0 {
            because.push(format!(
                "of late operators called {opinions} incidents of it no problem: bad answers count from {tolerance:.1} times the usual size"
            ));
        }
        diagnosis
    }

    /// What could be done, in the light of what such acts came to.
    fn acts(&self, case: &Case<'_>, diagnosis: &Diagnosis) -> Vec<Recommendation> {
        let mut acts = recommend::recommend(case, diagnosis);
        let class = self.state.world.class_of(case.root);
        let experience = &self.state.experience;
        experience.weigh_acts((diagnosis.kind, class), &mut acts, self.state.now);
        acts
    }
}

/// Whether anything is wrong by now.
fn is_harmed(symptoms: &[Symptom]) -> bool {
    symptoms.iter().any(|symptom| symptom.kind.is_harm())
}

/// What the diagnosis of `root` is made from.
pub(super) fn case<'a>(config: &'a Config, state: &'a State, root: &'a Entity) -> Case<'a> {
    Case {
        config,
        world: &state.world,
        now: state.now,
        root,
        symptoms: state.sick.get(root).map_or(&[], Vec::as_slice),
        since: state.sick_since.get(root).copied().unwrap_or(state.now),
    }
}

/// When the newest evidence is of: of harm, if there is any, for nothing else says how fresh that is.
fn newest(symptoms: &[Symptom]) -> Option<Timestamp> {
    let newest = |is: fn(Kind) -> bool| {
        let matter = symptoms.iter().filter(|symptom| is(symptom.kind));
        matter.map(|symptom| symptom.at).max()
    };
    newest(Kind::is_harm).or_else(|| newest(Kind::is_told))
}

/// Keeps a number of replicas that was recommended before unless the need has grown by more than a
/// quarter: an approval is bound to the number, and noise must not void it.
fn steady(before: &[Recommendation], mut fresh: Vec<Recommendation>) -> Vec<Recommendation> {
    for recommendation in &mut fresh {
        let target = recommendation.target.clone();
        let Action::Scale { replicas, from } = &mut recommendation.action else {
            continue;
        };
        let earlier = before.iter().find_map(|old| match old.action {
            Action::Scale {
                replicas: to,
                from: then,
            } if old.target == target => (then == *from).then_some(to),
            _ => None,
        });
        if let Some(earlier) = earlier
            && *replicas - earlier <= (earlier / 4).max(1)
        {
            *replicas = earlier;
        }
    }
    fresh
}

/// A digest of what makes people or policy think again.
pub(super) fn digest(incident: &Incident) -> Digest {
    let cause = incident
        .causes
        .first()
        .map(|cause| (&cause.entity, cause.kind));
    let acts: Vec<_> = incident
        .recommendations
        .iter()
        .map(|recommendation| {
            let Recommendation {
                action,
                target,
                against,
                ..
            } = recommendation;
            (action, target, against.is_empty())
        })
        .collect();
    let essence = (
        &incident.entity,
        incident.kind,
        incident.severity,
        cause,
        acts,
    );
    codec::encode(&essence).map_or_else(|_| Digest::default(), |bytes| Digest::of(&bytes))
}

fn summary(root: &Entity, kind: &FailureKind, cause: CauseKind, because: &[String]) -> String {
    let cause = match cause {
        CauseKind::RecentChange => "after a recent change",
        CauseKind::ExhaustedResource => "a resource runs out",
        CauseKind::Upstream => "because of what it depends on",
        CauseKind::ReplicaState => "in one replica only",
        CauseKind::Load => "under more load than usual",
        CauseKind::Itself => "with no cause outside it",
    };
    let why = because.first().map_or("", String::as_str);
    let name = kind.as_str().replace('_', " ");
    format!("{name} of {} {cause}: {why}", root.short())
}
