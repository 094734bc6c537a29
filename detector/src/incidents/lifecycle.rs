//! The life of an incident: opened when a root of sickness shows, said again while it lasts, led to
//! another root when that one explains it better, resolved once all is quiet.

use std::collections::{BTreeMap, BTreeSet};

use aegis_schemas::pipeline::Emitter;
use aegis_schemas::{
    Anomaly, Entity, Event, FailureKind, Incident, IncidentId, IncidentPhase, Severity, Subject,
    Timestamp,
};

use super::classify::classify;
use super::config::seconds;
use super::core::{Core, State};
use super::describe::{Members, case, digest};
use super::group::{Group, Groups};
use super::open::{LINGER, Open, Resolved};
use super::regroup::Asked;
use super::symptom::{self, Kind};

/// The most incidents that are open at once; beyond it nothing is opened.
const MAX_OPEN: usize = 1_000;
/// How many times `resolve_after_s` after its end an incident is taken up again when its root is sick
/// again: what flaps is one trouble.
const RELAPSE: u64 = 10;

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
fn explained(groups: &Groups) -> BTreeMap<&Entity, &Entity> {
    let mut explained = BTreeMap::new();
    for (root, group) in groups {
        explained.extend(group.keys().map(|member| (member, root)));
    }
    explained
}

impl Core {
    /// Brings the open incidents up to date with who is sick and with what a person `asked`; answers how
    /// many messages were too large. Those that `touched` has nothing to do with go on, but are said again at
    /// the next heartbeat.
    pub(super) fn follow(
        &mut self,
        emitter: &mut Emitter<'_>,
        touched: &BTreeSet<Entity>,
        asked: Asked,
    ) -> u64 {
        let mut said: Vec<Incident> = asked.over.into_iter().collect();
        if said.is_empty() && self.state.sick.is_empty() && self.state.open.is_empty() {
            return 0;
        }
        self.release();
        let groups = self.groups();
        let explained = explained(&groups);
        let mut open = std::mem::take(&mut self.state.open);
        let mut roots: BTreeMap<Entity, IncidentId> = open
            .iter()
            .map(|(id, incident)| (incident.root.clone(), *id))
            .collect();
        let mut moved = Vec::new();
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
                    moved.push((from, incident.root.clone()));
                }
                Lead::Grown => {}
                Lead::Same if !self.concerns(incident, touched) => continue,
                Lead::Same => {}
            }
            said.extend(self.restated(incident, groups.get(&incident.root)));
        }
        for id in over {
            if let Some(incident) = open.remove(&id) {
                roots.remove(&incident.root);
                let resolved = Resolved::at(self.state.now, &incident);
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
        let (now, patience) = (self.state.now, seconds(self.config.resolve_after_s));
        let joined: BTreeSet<Entity> = open
            .values()
            .flat_map(|incident| incident.keeps(now, patience).cloned())
            .collect();
        // Before all objects are said nothing is judged by them.
        let own = asked.own.filter(|_| !self.state.world.is_syncing(now));
        for (root, group) in groups {
            let is_asked = own.as_ref() == Some(&root);
            let is_new = !roots.contains_key(&root) && !joined.contains(&root);
            let due = || !self.is_dismissed(&root, &group) && self.opens(&root, &open);
            if open.len() >= MAX_OPEN || !is_new || !(is_asked || due()) {
                continue;
            }
            let relapse = self.state.resolved.get(&root).copied();
            let relapse = relapse.filter(|known| !open.contains_key(&known.incident));
            let (id, since) = relapse.map_or_else(
                || (IncidentId(emitter.id_of(&root.to_string())), now),
                |known| (known.incident, known.opened),
            );
            let Some(incident) = self.opened((id, since), &root, &group) else {
                continue;
            };
            self.name(&incident.last);
            unsayable += say(emitter, [incident.last.clone()]);
            roots.insert(root, id);
            open.insert(id, incident);
        }
        self.state.open = open;
        self.remember(over_now, &moved);
        unsayable
    }

    /// Remembers what is over for a while, and which pairs of roots people keep apart.
    fn remember(&mut self, over: Vec<(Entity, Resolved)>, moved: &[(Entity, Entity)]) {
        let remembered = seconds(RELAPSE * self.config.resolve_after_s);
        let State {
            open,
            resolved,
            apart,
            now,
            ..
        } = &mut self.state;
        resolved.extend(over);
        resolved.retain(|root, known| {
            let has_it = |open: &Open| open.came_with(root) == Some(known.incident);
            now.since(known.at) < remembered || open.values().any(has_it)
        });
        moved.iter().for_each(|(from, to)| apart.moved(from, to));
        apart.retain(|root| open.values().any(|open| open.root == *root));
    }

    /// Remembers what the rules call an incident. What is seen while an act is judged is the act's doing as
    /// well, what a model says is no rule's, and what is foretold is a guess.
    fn name(&mut self, incident: &Incident) {
        let (config, state) = (&self.config, &self.state);
        let root = &incident.entity;
        let symptoms = state.sick.get(root).map_or(&[][..], Vec::as_slice);
        let is_harmed = symptoms.iter().any(|symptom| symptom.kind.is_harm());
        if !is_harmed || self.is_under_treatment(root, incident.opened) {
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
        incident.is_unsaid()
            || !touched.is_empty()
                && (is_touched(&incident.root)
                    || incident.members.iter().any(is_touched)
                    || callees().any(is_touched))
    }

    /// Finds the incident's root and members of the moment. `explained` is the root of the group that its root
    /// is in, `roots` are those of all incidents.
    fn lead(
        &self,
        incident: &mut Open,
        groups: &Groups,
        explained: Option<&Entity>,
        roots: &BTreeMap<Entity, IncidentId>,
    ) -> Lead {
        let now = self.state.now;
        if self.state.muted.contains_key(&incident.root) {
            return Lead::Over;
        }
        if let Some(group) = groups.get(&incident.root) {
            return if incident.gather(group) {
                Lead::Grown
            } else {
                Lead::Same
            };
        }
        if let Some((root, group)) = explained.and_then(|root| groups.get_key_value(root)) {
            // A better explanation that is an incident already takes this one in.
            if roots.contains_key(root) {
                return Lead::Over;
            }
            let from = std::mem::replace(&mut incident.root, root.clone());
            incident.joined.remove(root);
            incident.gather(group);
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
    fn restated(&self, incident: &mut Open, group: Option<&Group>) -> Option<Incident> {
        if incident.healed.is_some() {
            return None;
        }
        let now = self.state.now;
        let members = Members {
            root: &incident.root,
            all: &incident.members,
            joined: &incident.joined,
            group: group?,
        };
        let mut fresh = self.describe(&incident.last, &members)?;
        let opened = incident.last.opened;
        if fresh.entity == incident.last.entity && self.is_under_treatment(&incident.root, opened) {
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
    fn is_dismissed(&self, root: &Entity, group: &Group) -> bool {
        let state = &self.state;
        let (tolerance, opinions) = state.experience.tolerance(root, state.now);
        let Some(episode) = state.episodes.get(root).filter(|_| opinions > 0) else {
            return false;
        };
        let all = group.keys().flat_map(|member| state.sick.get(member));
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
        let no_harm = !shows(Kind::is_harm);
        let only_foretold = shows(Kind::is_foretold) && no_harm;
        // Errors in a log may be a callee's, which shows a little later.
        let only_in_log = shows(|kind| kind == Kind::LogErrors) && no_harm;
        let episode = state.episodes.get(root).map(|one| &one.anomaly);
        let lasts = |one: &Anomaly| state.now.since(one.since) >= seconds(config.open_after_s);
        let logged = only_in_log && episode.is_some_and(lasts);
        (lasting || only_foretold || logged) && !sheltered
    }

    fn opened(
        &self,
        (id, opened): (IncidentId, Timestamp),
        root: &Entity,
        group: &Group,
    ) -> Option<Open> {
        let now = self.state.now;
        let (all, joined) = (group.keys().cloned().collect(), BTreeMap::new());
        let members = Members {
            root,
            all: &all,
            joined: &joined,
            group,
        };
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
            grouped: Vec::new(),
            own_severity: None,
        };
        let last = Incident {
            phase: IncidentPhase::Opened,
            ..self.describe(&blank, &members)?
        };
        Some(Open {
            root: root.clone(),
            members: all,
            joined,
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
