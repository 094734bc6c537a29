//! The life of an incident: opened when a root of sickness shows, said again while it lasts, led to
//! another root when that one explains it better, resolved once all is quiet.

use std::collections::{BTreeMap, BTreeSet};

use aegis_schemas::pipeline::Emitter;
use aegis_schemas::{
    Digest, Entity, Event, FailureKind, Incident, IncidentId, IncidentPhase, Severity, Subject,
    Timestamp,
};
use serde::{Deserialize, Serialize};

use super::classify::classify;
use super::config::{Config, seconds};
use super::core::Core;
use super::describe::{case, digest};
use super::group;
use super::symptom::{self, Kind};

/// The most incidents that are open at once; beyond it nothing is opened.
const MAX_OPEN: usize = 1_000;
/// How many times `resolve_after_s` what was sick with a healed root may take to recover before it is
/// taken for a trouble of its own.
const LINGER: u64 = 4;
/// How many times `resolve_after_s` after its end an incident is taken up again when its root is sick
/// again: what flaps is one trouble.
const RELAPSE: u64 = 10;

/// An incident that is not over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Open {
    root: Entity,
    members: BTreeSet<Entity>,
    /// Since when the root is well.
    healed: Option<Timestamp>,
    /// Since when the root and all members are well.
    quiet: Option<Timestamp>,
    said_at: Timestamp,
    said: Digest,
    last: Incident,
}

/// An incident that is over, for a while.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Resolved {
    incident: IncidentId,
    opened: Timestamp,
    at: Timestamp,
}

impl Open {
    pub(super) const fn root(&self) -> &Entity {
        &self.root
    }

    pub(super) const fn members(&self) -> &BTreeSet<Entity> {
        &self.members
    }

    /// As last said.
    pub(super) const fn last(&self) -> &Incident {
        &self.last
    }

    /// Its root is sick, and these with it; whether one of them is new to it.
    fn take_in(&mut self, members: &BTreeSet<Entity>) -> bool {
        let before = self.members.len();
        for member in members {
            if !self.members.contains(member) {
                self.members.insert(member.clone());
            }
        }
        self.healed = None;
        self.quiet = None;
        self.members.len() > before
    }

    /// What was sick with this root and recovers after it is no new incident.
    fn shelters(&self, config: &Config, now: Timestamp, entity: &Entity) -> bool {
        self.healed.is_some_and(|since| {
            self.members.contains(entity)
                && now.since(since) < seconds(LINGER * config.resolve_after_s)
        })
    }
}

/// What becomes of an incident.
enum Lead {
    Over,
    /// Its root is another one; that was the one before.
    Moved(Entity),
    /// It has new members.
    Grown,
    Same,
}

impl Lead {
    const fn until(goes_on: bool) -> Self {
        if goes_on { Self::Same } else { Self::Over }
    }
}

/// By whose root each sick entity is explained.
fn explained(groups: &BTreeMap<Entity, BTreeSet<Entity>>) -> BTreeMap<&Entity, &Entity> {
    let mut explained = BTreeMap::new();
    for (root, members) in groups {
        explained.extend(members.iter().map(|member| (member, root)));
    }
    explained
}

impl Core {
    /// Brings the open incidents up to date with who is sick; answers how many messages were too large.
    /// Those that `touched` has nothing to do with go on, but are said again at the next heartbeat.
    pub(super) fn follow(&mut self, emitter: &mut Emitter<'_>, touched: &BTreeSet<Entity>) -> u64 {
        let config = &self.config;
        let state = &self.state;
        if state.sick.is_empty() && state.open.is_empty() {
            return 0;
        }
        let own_cause = |entity: &Entity| case(config, state, entity).suspect_change().is_some();
        let groups = group::groups(&state.world, &state.sick, own_cause);
        let explained = explained(&groups);
        let mut open = std::mem::take(&mut self.state.open);
        let mut roots: BTreeMap<Entity, IncidentId> = open
            .iter()
            .map(|(id, incident)| (incident.root.clone(), *id))
            .collect();
        let mut said = Vec::new();
        let (mut over, mut over_now) = (Vec::new(), Vec::new());
        for (id, incident) in &mut open {
            let explained = explained.get(&incident.root).copied();
            match self.lead(incident, &groups, explained, &roots) {
                Lead::Over => {
                    over.push(*id);
                    continue;
                }
                Lead::Moved(from) => {
                    roots.remove(&from);
                    roots.insert(incident.root.clone(), *id);
                }
                Lead::Grown => {}
                Lead::Same if !self.concerns(incident, touched) => continue,
                Lead::Same => {}
            }
            said.extend(self.restated(incident));
        }
        for id in over {
            if let Some(incident) = open.remove(&id) {
                roots.remove(&incident.root);
                let resolved = Resolved {
                    incident: id,
                    opened: incident.last.opened,
                    at: self.state.now,
                };
                over_now.push((incident.root.clone(), resolved));
                said.push(Incident {
                    phase: IncidentPhase::Resolved,
                    ..incident.last
                });
            }
        }
        for incident in &said {
            self.name(incident);
        }
        let mut unsayable = say(emitter, said);
        for (root, members) in groups {
            let refused = roots.contains_key(&root) || open.len() >= MAX_OPEN;
            if refused || self.is_dismissed(&root, &members) || !self.opens(&root, &open) {
                continue;
            }
            let relapse = self.state.resolved.get(&root).copied();
            let relapse = relapse.filter(|known| !open.contains_key(&known.incident));
            let (id, since) = relapse.map_or_else(
                || (IncidentId(emitter.next_id()), self.state.now),
                |known| (known.incident, known.opened),
            );
            let Some(incident) = self.opened((id, since), &root, members) else {
                continue;
            };
            self.name(&incident.last);
            unsayable += say(emitter, [incident.last.clone()]);
            roots.insert(root, id);
            open.insert(id, incident);
        }
        self.state.open = open;
        let (now, resolved) = (self.state.now, &mut self.state.resolved);
        resolved.extend(over_now);
        let remembered = seconds(RELAPSE * self.config.resolve_after_s);
        resolved.retain(|_, known| now.since(known.at) < remembered);
        unsayable
    }

    /// Remembers what the rules call an incident. What is seen while an act is judged is the act's doing as
    /// well, what a model says is no rule's, and what is foretold is a guess.
    fn name(&mut self, incident: &Incident) {
        let (config, state) = (&self.config, &self.state);
        let root = &incident.entity;
        let symptoms = state.sick.get(root).map_or(&[][..], Vec::as_slice);
        let is_harmed = symptoms.iter().any(|symptom| symptom.kind.is_harm());
        if !is_harmed || self.is_under_treatment(root) {
            return;
        }
        let kind = classify(&case(config, state, root)).kind;
        let class = state.world.class_of(root).to_owned();
        self.state
            .experience
            .name(incident.incident, root, (kind, class));
    }

    /// Whether what an event touched may change what is said of the incident.
    fn concerns(&self, incident: &Open, touched: &BTreeSet<Entity>) -> bool {
        let is_touched = |entity| touched.contains(entity);
        let callees = || self.state.world.callees(&incident.root);
        !touched.is_empty()
            && (is_touched(&incident.root)
                || incident.members.iter().any(is_touched)
                || callees().any(is_touched))
    }

    /// Finds the incident's root and members of the moment. `explained` is the root of the group that its root
    /// is in, `roots` are those of all incidents.
    fn lead(
        &self,
        incident: &mut Open,
        groups: &BTreeMap<Entity, BTreeSet<Entity>>,
        explained: Option<&Entity>,
        roots: &BTreeMap<Entity, IncidentId>,
    ) -> Lead {
        let now = self.state.now;
        if self.state.muted.contains_key(&incident.root) {
            return Lead::Over;
        }
        if let Some(members) = groups.get(&incident.root) {
            return if incident.take_in(members) {
                Lead::Grown
            } else {
                Lead::Same
            };
        }
        if let Some((root, members)) = explained.and_then(|root| groups.get_key_value(root)) {
            // A better explanation that is an incident already takes this one in.
            if roots.contains_key(root) {
                return Lead::Over;
            }
            let from = std::mem::replace(&mut incident.root, root.clone());
            incident.take_in(members);
            return Lead::Moved(from);
        }
        let healed = *incident.healed.get_or_insert(now);
        let lingering = incident
            .members
            .iter()
            .any(|member| self.state.sick_since.contains_key(member));
        if lingering {
            incident.quiet = None;
            return Lead::until(now.since(healed) < seconds(LINGER * self.config.resolve_after_s));
        }
        let quiet = *incident.quiet.get_or_insert(now);
        Lead::until(now.since(quiet) < seconds(self.config.resolve_after_s))
    }

    /// The incident said again, if it changed in what matters or was last said long ago. A root that
    /// is well gives no new evidence.
    fn restated(&self, incident: &mut Open) -> Option<Incident> {
        if incident.healed.is_some() {
            return None;
        }
        let now = self.state.now;
        let mut fresh = self.describe(&incident.last, &incident.root, &incident.members)?;
        if fresh.entity == incident.last.entity && self.is_under_treatment(&incident.root) {
            // What is seen now is the act's doing as well: until it is judged the diagnosis stands.
            let last = &incident.last;
            fresh.kind = last.kind;
            fresh.confidence = last.confidence;
            fresh.causes.clone_from(&last.causes);
            fresh.recommendations.clone_from(&last.recommendations);
            fresh.summary.clone_from(&last.summary);
        }
        let said = digest(&fresh);
        let due = now.since(incident.said_at) >= seconds(self.config.restate_s);
        if said == incident.said && !due {
            return None;
        }
        incident.said = said;
        incident.said_at = now;
        incident.last = fresh.clone();
        Some(fresh)
    }

    /// Whether operators called the like of it no problem: nothing but answers that are bad, and those of the
    /// root not so much worse than usual as those opinions ask.
    fn is_dismissed(&self, root: &Entity, members: &BTreeSet<Entity>) -> bool {
        let state = &self.state;
        let (tolerance, opinions) = state.experience.tolerance(root, state.now);
        let Some(episode) = state.episodes.get(root).filter(|_| opinions > 0) else {
            return false;
        };
        let all = members.iter().flat_map(|member| state.sick.get(member));
        let mut harms = all.flatten().filter(|symptom| symptom.kind.is_harm());
        let matters = self.config.materiality.of_answers_times(tolerance);
        let mut still = symptom::metric_symptoms(&matters, episode);
        harms.all(|symptom| symptom.kind.is_about_answers())
            && !still.any(|symptom| symptom.kind.is_about_answers())
    }

    /// Whether a sick root without an incident is one by now.
    fn opens(&self, root: &Entity, open: &BTreeMap<IncidentId, Open>) -> bool {
        let (config, state) = (&self.config, &self.state);
        if state.muted.contains_key(root) || state.world.is_syncing(state.now) {
            return false;
        }
        let shows = |is: fn(Kind) -> bool| {
            let symptoms = state.sick.get(root);
            symptoms.is_some_and(|all| all.iter().any(|symptom| is(symptom.kind)))
        };
        if shows(Kind::is_intrinsic) || case(config, state, root).suspect_change().is_some() {
            return true;
        }
        let sheltered = open
            .values()
            .any(|incident| incident.shelters(config, state.now, root));
        let lasting = state
            .sick_since
            .get(root)
            .is_some_and(|since| state.now.since(*since) >= seconds(config.open_after_s));
        // A forecast has seen much longer than that; a harm beside it has not.
        let only_foretold = shows(Kind::is_foretold) && !shows(Kind::is_harm);
        (lasting || only_foretold) && !sheltered
    }

    fn opened(
        &self,
        (id, opened): (IncidentId, Timestamp),
        root: &Entity,
        members: BTreeSet<Entity>,
    ) -> Option<Open> {
        let now = self.state.now;
        let blank = Incident {
            incident: id,
            phase: IncidentPhase::Opened,
            entity: root.clone(),
            severity: Severity::Info,
            kind: FailureKind::Unknown,
            confidence: 0,
            opened,
            newest_evidence: now,
            affected: Vec::new(),
            evidence: Vec::new(),
            causes: Vec::new(),
            recommendations: Vec::new(),
            summary: String::new(),
        };
        let last = Incident {
            phase: IncidentPhase::Opened,
            ..self.describe(&blank, root, &members)?
        };
        Some(Open {
            root: root.clone(),
            members,
            healed: None,
            quiet: None,
            said_at: now,
            said: digest(&last),
            last,
        })
    }
}

fn say(emitter: &mut Emitter<'_>, incidents: impl IntoIterator<Item = Incident>) -> u64 {
    let mut unsayable = 0;
    for incident in incidents {
        let subject = Subject::incident(&incident.entity);
        if emitter.emit(subject, &Event::Incident(incident)).is_err() {
            unsayable += 1;
        }
    }
    unsayable
}
