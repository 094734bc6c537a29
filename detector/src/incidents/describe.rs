//! What is said of an incident: its evidence, its diagnosis, its causes, what to do and a summary.

use std::collections::BTreeSet;

use aegis_schemas::{
    Action, CauseKind, Digest, Entity, FailureKind, Incident, IncidentPhase, Recommendation,
    Timestamp, codec,
};

use super::classify::{Case, Diagnosis, classify};
use super::config::Config;
use super::core::{Core, State};
use super::seen::seen;
use super::symptom::{Kind, Symptom};
use super::{causes, recommend, severity};

/// The most evidence and the most affected entities that are said.
const MAX_SAID: usize = 20;

impl Core {
    /// What is known of an incident now.
    pub(super) fn describe(
        &self,
        before: &Incident,
        root: &Entity,
        members: &BTreeSet<Entity>,
    ) -> Option<Incident> {
        let state = &self.state;
        let symptoms = state.sick.get(root)?;
        let case = case(&self.config, state, root);
        let by_rules = self.weighed(root, classify(&case));
        let recommendations = steady(&before.recommendations, self.acts(&case, &by_rules));
        let diagnosis = match &self.learnt {
            // Of what is only foretold it has learnt nothing.
            Some(learnt) if recommendations.is_empty() && is_harmed(symptoms) => {
                learnt.heard(by_rules, || seen(&self.config, state, root, members))
            }
            _ => by_rules,
        };
        let causes = causes::rank(&case, &diagnosis, &state.sick);
        let sick = || {
            members
                .iter()
                .filter_map(|member| Some((member, state.sick.get(member)?)))
        };
        let worst = sick()
            .map(|(member, symptoms)| severity::shown(&state.world, member, symptoms))
            .max()?;
        let mut evidence: Vec<_> = sick()
            .flat_map(|(member, symptoms)| symptoms.iter().map(|s| s.evidence(member)))
            .collect();
        // The root's own first, then the newest.
        evidence.sort_by(|a, b| {
            (b.entity == *root, b.at)
                .cmp(&(a.entity == *root, a.at))
                .then_with(|| a.entity.cmp(&b.entity))
        });
        evidence.truncate(MAX_SAID);
        let mut affected: Vec<Entity> = sick().map(|(member, _)| member.clone()).collect();
        affected.truncate(MAX_SAID);
        Some(Incident {
            incident: before.incident,
            phase: IncidentPhase::Updated,
            entity: root.clone(),
            severity: worst,
            kind: diagnosis.kind,
            confidence: diagnosis.confidence,
            opened: before.opened,
            newest_evidence: newest(symptoms).unwrap_or(before.newest_evidence),
            affected,
            evidence,
            summary: summary(root, &diagnosis.kind, diagnosis.cause, &diagnosis.because),
            causes,
            recommendations,
        })
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

/// When the newest evidence is of: of harm, if there is any, for a forecast says nothing of how fresh that is.
fn newest(symptoms: &[Symptom]) -> Option<Timestamp> {
    let newest = |is: fn(Kind) -> bool| {
        let matter = symptoms.iter().filter(|symptom| is(symptom.kind));
        matter.map(|symptom| symptom.at).max()
    };
    newest(Kind::is_harm).or_else(|| newest(Kind::is_foretold))
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
