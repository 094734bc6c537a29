//! Whether a warrant that is believed may have its effect now.

use std::time::Duration;

use aegis_nats::kv::{HaltState, Seen};
use aegis_schemas::{Action, ActionKind, DecisionId, RefusalCode, Subject, Timestamp, Warrant};

use super::Refusal;
use crate::Limits;
use crate::act::Live;
use crate::board::Claim;

/// How far the clocks of policy and executor may be apart.
pub const SKEW: Duration = Duration::from_secs(5);

/// What stands around a warrant at this moment.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The clock.
    pub now: Timestamp,
    /// The latest `iat` of a warrant that was about to be carried out before.
    pub last_iat: Timestamp,
    /// The subject that it came on.
    pub subject: &'a str,
    /// The sequence that it came with.
    pub seq: u64,
    /// The UID of the cluster that is acted on.
    pub cluster_uid: &'a str,
    /// The claim of the decision, if it has one.
    pub claim: Option<&'a Claim>,
    /// The object; none when there is none of that name.
    pub live: Option<&'a Live>,
    /// Whether the object was read before for this decision, and a write met another version of it.
    pub reread: bool,
    /// The kill switch.
    pub halt: Option<HaltState>,
    /// The halt annotation on the executor's own namespace.
    pub halt_annotation: bool,
    /// The decision that carried this nonce before.
    pub nonce_of: Option<DecisionId>,
    /// The highest fence that this process carried out on the object.
    pub last_fence: u64,
    /// Acts in the last minute, without this one.
    pub acts: u32,
    /// Pods taken down in the last ten minutes, without this act.
    pub pods: u32,
    /// What the audit sink said last.
    pub audit: Option<Seen>,
    /// The limits.
    pub limits: &'a Limits,
}

/// What follows from the facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// The effect is there already: say so again.
    Done,
    /// Act.
    Act,
}

/// Whether `warrant` may have its effect.
///
/// # Errors
///
/// The first rule that speaks against it.
pub fn permit(warrant: &Warrant, facts: &Facts<'_>) -> Result<Permit, Refusal> {
    if done(warrant, facts) {
        return Ok(Permit::Done);
    }
    in_time(warrant, facts)?;
    on_target(warrant, facts)?;
    in_force(warrant, facts.halt, false)?;
    unheard(warrant, facts)?;
    in_force(warrant, None, facts.halt_annotation)?;
    if warrant.undo_of.is_none() {
        within(warrant, facts)?;
    }
    bounded(warrant, facts.limits)?;
    audited(facts)?;
    unchanged(warrant, facts)?;
    Ok(Permit::Act)
}

/// Whether no kill switch speaks against `warrant`.
///
/// # Errors
///
/// [`RefusalCode::Halted`].
pub fn in_force(
    warrant: &Warrant,
    halt: Option<HaltState>,
    annotation: bool,
) -> Result<(), Refusal> {
    let halted = |message: &str| Err(Refusal::new(RefusalCode::Halted, message));
    match halt {
        Some(state) if state.on => return halted("the kill switch is on"),
        Some(state) if warrant.fence <= state.fence => {
            return halted("decided before the kill switch was used; it stays void");
        }
        _ => {}
    }
    if annotation {
        return halted("Aegis's namespace is annotated `aegis.dev/halt=true`, or cannot be read");
    }
    Ok(())
}

/// Whether the effect is on the live object, whatever the clock says.
fn done(warrant: &Warrant, facts: &Facts<'_>) -> bool {
    let target = &warrant.target.object;
    let same = facts.live.filter(|live| live.uid == target.uid);
    if warrant.action.kind() == ActionKind::RestartPod {
        // A uid dies once; whoever claimed it need not see who killed it.
        return facts.claim.is_some() && same.is_none_or(|pod| pod.terminating);
    }
    let carried = same.is_some_and(|live| live.decision == Some(warrant.decision_id));
    // Somebody may have written the object since; that this message had its effect stays true.
    let noted = facts
        .claim
        .is_some_and(|claim| claim.done.is_some() && claim.seq == facts.seq);
    carried || noted
}

fn in_time(warrant: &Warrant, facts: &Facts<'_>) -> Result<(), Refusal> {
    let refuse = |code, message: String| Err(Refusal::new(code, message));
    if facts.now + SKEW < warrant.nbf {
        return refuse(
            RefusalCode::NotYetValid,
            format!("valid from {}, it is {}", warrant.nbf, facts.now),
        );
    }
    if facts.now >= warrant.exp + SKEW {
        return refuse(
            RefusalCode::Expired,
            format!("valid until {}, it is {}", warrant.exp, facts.now),
        );
    }
    if facts.now + SKEW < facts.last_iat {
        return refuse(
            RefusalCode::ClockRegressed,
            format!(
                "it is {}, but a decision of {} was carried out before; check the clock",
                facts.now, facts.last_iat
            ),
        );
    }
    Ok(())
}

fn on_target(warrant: &Warrant, facts: &Facts<'_>) -> Result<(), Refusal> {
    let target = &warrant.target;
    let refuse = |message: String| Err(Refusal::new(RefusalCode::TargetMismatch, message));
    if Subject::decision("allow", &target.object.workload).as_str() != facts.subject {
        return refuse(format!("came on `{}`", facts.subject));
    }
    if target.cluster_uid != facts.cluster_uid {
        return refuse(format!("decided for cluster `{}`", target.cluster_uid));
    }
    if facts.reread {
        return Ok(());
    }
    match facts.live {
        None => refuse(format!("{} is not there", target.object.entity)),
        Some(live) if live.uid != target.object.uid => refuse(format!(
            "{} was made anew: its uid is {}, decided was {}",
            target.object.entity, live.uid, target.object.uid
        )),
        Some(_) => Ok(()),
    }
}

fn unheard(warrant: &Warrant, facts: &Facts<'_>) -> Result<(), Refusal> {
    let refuse = |code, message: &str| Err(Refusal::new(code, message));
    if facts.claim.is_some_and(|claim| claim.done.is_some()) {
        return refuse(
            RefusalCode::Replayed,
            "this decision was carried out before",
        );
    }
    if facts
        .nonce_of
        .is_some_and(|other| other != warrant.decision_id)
    {
        return refuse(
            RefusalCode::Replayed,
            "another decision carried this nonce before",
        );
    }
    let live = facts
        .live
        .filter(|live| live.uid == warrant.target.object.uid)
        .map_or(0, |live| live.fence);
    if warrant.fence <= live.max(facts.last_fence) {
        return refuse(
            RefusalCode::Stale,
            "a later decision about the same object was carried out before",
        );
    }
    Ok(())
}

fn within(warrant: &Warrant, facts: &Facts<'_>) -> Result<(), Refusal> {
    let limits = facts.limits;
    let refuse = |message: String| Err(Refusal::new(RefusalCode::OverLimit, message));
    if facts.acts >= limits.max_acts_per_minute {
        return refuse(format!(
            "{} acts in the last minute, `max_acts_per_minute` is {}",
            facts.acts, limits.max_acts_per_minute
        ));
    }
    let pods = facts.pods.saturating_add(warrant.max_blast.pods);
    if pods > limits.max_pods_per_ten_minutes {
        return refuse(format!(
            "{pods} pods in ten minutes, `max_pods_per_ten_minutes` is {}",
            limits.max_pods_per_ten_minutes
        ));
    }
    Ok(())
}

fn bounded(warrant: &Warrant, limits: &Limits) -> Result<(), Refusal> {
    let Action::Scale { replicas, .. } = warrant.action else {
        return Ok(());
    };
    // An undo puts back what was there, whatever that was.
    let (fewest, most) = match warrant.undo_of {
        Some(_) => (0, i32::MAX),
        None => (1, limits.max_replicas),
    };
    if (fewest..=most).contains(&replicas) {
        return Ok(());
    }
    let message =
        format!("{replicas} replicas are not between {fewest} and {most} (`max_replicas`)");
    Err(Refusal::new(RefusalCode::OverLimit, message))
}

fn audited(facts: &Facts<'_>) -> Result<(), Refusal> {
    let limits = facts.limits;
    let refuse = |message: String| {
        let message = format!("no audit, no action: {message}");
        Err(Refusal::new(RefusalCode::AuditUnhealthy, message))
    };
    let Some(seen) = facts.audit else {
        return refuse("the audit sink never said how it is".to_owned());
    };
    if seen.age > limits.audit_max_silence {
        let age = seen.age.as_secs();
        return refuse(format!("the audit sink was silent for {age} s"));
    }
    // Asked this way round, so that what is no number counts as too much.
    let lag = seen.health.lag_seconds;
    let keeps_up = lag <= limits.audit_max_lag.as_secs_f64();
    if !keeps_up {
        return refuse(format!("the audit log is {lag:.0} s behind"));
    }
    let fill = seen.health.fill * 100.0;
    let has_room = fill <= f64::from(limits.audit_max_fill_percent);
    if !has_room {
        return refuse(format!("{fill:.0} % of a stream is not in the audit log"));
    }
    Ok(())
}

fn unchanged(warrant: &Warrant, facts: &Facts<'_>) -> Result<(), Refusal> {
    let target = &warrant.target.object;
    let refuse = |message: String| Err(Refusal::new(RefusalCode::TargetChanged, message));
    let Some(live) = facts.live.filter(|live| live.uid == target.uid) else {
        return refuse(format!("{} is gone or was made anew", target.entity));
    };
    if live.terminating {
        return refuse(format!("{} is being deleted", target.entity));
    }
    if warrant.action.kind() != ActionKind::RestartPod && live.generation != target.generation {
        return refuse(format!(
            "{} was changed: its generation is {}, decided was {}",
            target.entity, live.generation, target.generation
        ));
    }
    Ok(())
}
