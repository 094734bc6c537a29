//! The circuit breaker: what does not help, or helps and comes back, is left to people.
//!
//! It counts a workload's acts against one kind of failure since the last act that a person said yes to
//! and that helped. It is open for a while after the last of them; then Aegis asks. An act that made
//! things worse is not repeated without a yes, whatever it was against.

use aegis_schemas::{AssessmentVerdict, Timestamp};

use super::words;
use crate::acts::Standing;
use crate::judge::{Case, View};
use crate::objection::{Effect, Objection};

pub(super) fn check(view: &View<'_>, case: &Case<'_>) -> Option<Objection> {
    // It is people whom the case is left to.
    if case.approved || case.is_by_person() {
        return None;
    }
    let (settings, now) = (view.settings(), view.now);
    let limits = &settings.breaker;
    let workload = &case.target.workload;
    let (mut useless, mut same) = (0, 0);
    let mut last: Option<Timestamp> = None;
    let mut harmed = false;
    for act in view.state.acts.on(workload) {
        if now.since(act.decided) >= limits.within.0 {
            break;
        }
        if act.undo_of.is_some() {
            continue;
        }
        let regressed = matches!(act.verdict, Some((AssessmentVerdict::Regressed, _)));
        harmed |= regressed && act.action.kind() == case.kind();
        if act.failure != case.failure() {
            continue;
        }
        let ended = match act.standing(settings, now) {
            Standing::Helped(_) if act.by_person => break,
            Standing::Helped(at) => at,
            Standing::Useless(at) | Standing::Futile(at) => {
                useless += 1;
                at
            }
            Standing::Pending | Standing::Void => continue,
        };
        // It is wanted again, so it had no lasting effect.
        same += u32::from(act.action.kind() == case.kind());
        last = last.max(Some(ended));
    }
    let text = if useless >= limits.failures {
        format!("{useless} acts on {} did not help", workload.short())
    } else if same >= limits.repeats {
        let what = case.kind().as_str().replace('_', " ");
        format!(
            "{what} of {} was done {same} times without lasting effect",
            workload.short()
        )
    } else if harmed {
        let what = case.kind().as_str().replace('_', " ");
        let text = format!("{what} of {} made things worse before", workload.short());
        return Some(Objection::new(Effect::Ask, "breaker", text, "approve it"));
    } else {
        return None;
    };
    let end = last? + limits.open_for.0;
    if end > now {
        let flip = format!("a person acts, or wait {}", words(end.since(now)));
        return Some(Objection::new(Effect::Escalate, "breaker", text, flip).until(end));
    }
    Some(Objection::new(Effect::Ask, "breaker", text, "approve it"))
}
