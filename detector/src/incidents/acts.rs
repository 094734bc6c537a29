//! The acts under judgement: expected from their decision on, judged from their outcome on, dropped when
//! the executor says that nothing was written.

use aegis_schemas::pipeline::Emitter;
use aegis_schemas::{Entity, Event, Outcome, OutcomePhase, Subject, Timestamp, Warrant};

use super::assess::{Act, View};
use super::core::Core;

/// The most acts that are under judgement at once.
const MAX_ACTS: usize = 1_000;
/// The most judged acts whose beginning is remembered.
const MAX_JUDGED: usize = 200;

impl Core {
    /// Remembers how things stand before an act that was allowed.
    pub(super) fn expect(&mut self, warrant: &Warrant) {
        let known = self.state.acts.contains_key(&warrant.decision_id);
        if known || warrant.target.object.entity.cluster != self.cluster || !self.has_room() {
            return;
        }
        let judged = self.state.judged.iter();
        let undone = judged
            .filter(|(decision, _)| Some(*decision) == warrant.undo_of)
            .map(|(_, before)| before.clone())
            .next_back();
        let act = Act::expected(&self.view(), warrant, undone);
        self.state.acts.insert(warrant.decision_id, act);
    }

    /// Takes in what the executor did. It may be said again after a crash, and long after the decision.
    pub(super) fn outcome(&mut self, outcome: &Outcome) {
        let decision = outcome.decision;
        if outcome.phase != OutcomePhase::Applied {
            // A second delivery is refused as replayed: what was applied before stays applied.
            let waits = |act: &Act| !act.is_applied();
            if self.state.acts.get(&decision).is_some_and(waits) {
                self.state.acts.remove(&decision);
            }
            return;
        }
        let judged = self.state.judged.iter().any(|(one, _)| *one == decision);
        if judged {
            return;
        }
        if !self.state.acts.contains_key(&decision) {
            // Its decision was forgotten, with a lost snapshot for one: it was done all the same.
            let act = Act::found(&self.view(), outcome);
            let ours = act.filter(|act| act.workload().cluster == self.cluster);
            let Some(act) = ours.filter(|_| self.has_room()) else {
                return;
            };
            self.state.acts.insert(decision, act);
        }
        let now = self.state.now;
        if let Some(act) = self.state.acts.get_mut(&decision) {
            act.applied(now, outcome);
        }
    }

    /// Whether one more act can be remembered. The oldest that nobody was heard of makes room: should
    /// its outcome come after all, it is made anew from that.
    fn has_room(&mut self) -> bool {
        let acts = &mut self.state.acts;
        if acts.len() < MAX_ACTS {
            return true;
        }
        let waiting = acts.values().filter(|act| !act.is_applied());
        let oldest = waiting
            .min_by_key(|act| (act.decided(), act.decision()))
            .map(Act::decision);
        oldest.is_some_and(|decision| acts.remove(&decision).is_some())
    }

    /// Whether what is seen of an incident that was opened then may be the doing of an act on that workload, which is
    /// not judged yet.
    pub(super) fn is_under_treatment(&self, workload: &Entity, opened: Timestamp) -> bool {
        let mut acts = self.state.acts.values();
        acts.any(|act| act.workload() == workload && act.may_be_seen(opened, self.state.now))
    }

    /// Looks again at every act; says the verdicts that are in.
    pub(super) fn judge(&mut self, emitter: &mut Emitter<'_>) {
        let mut acts = std::mem::take(&mut self.state.acts);
        let view = self.view();
        let (mut unsayable, mut judged, mut learned) = (0, Vec::new(), Vec::new());
        acts.retain(|_, act| {
            if act.is_given_up(view.now) {
                return false;
            }
            let Some(assessment) = act.judge(&view) else {
                return true;
            };
            if let Some((kind, action)) = act.against() {
                let class = view.world.class_of(act.workload()).to_owned();
                let sort = (kind, action, class);
                learned.push((act.workload().clone(), sort, assessment.verdict));
            }
            let subject = Subject::assessment(assessment.verdict.as_str(), act.workload());
            if emitter
                .emit(subject, &Event::Assessment(assessment))
                .is_err()
            {
                unsayable += 1;
            }
            judged.push((act.decision(), act.before().clone()));
            false
        });
        self.state.acts = acts;
        let now = self.state.now;
        for (workload, sort, verdict) in learned {
            self.state.experience.act(workload, sort, verdict, now);
        }
        self.state.judged.extend(judged);
        while self.state.judged.len() > MAX_JUDGED {
            self.state.judged.pop_front();
        }
        self.stats.unsayable += unsayable;
    }

    fn view(&self) -> View<'_> {
        View {
            config: &self.config,
            world: &self.state.world,
            sick: &self.state.sick,
            experience: &self.state.experience,
            now: self.state.now,
        }
    }
}
