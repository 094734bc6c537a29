//! Judges one act: every guard is heard, the policies are asked, and the strictest answer wins.

use aegis_schemas::{
    Action, ActionKind, Digest, FailureKind, Mode, Reason, Target, Timestamp, Verdict, codec,
};

use crate::core::State;
use crate::dossier::Dossier;
use crate::guards;
use crate::objection::{Effect, Objection};
use crate::rules::{CaseFacts, Facts, Principal, Rules, Said, Settings};

/// An act that is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Case<'a> {
    /// Who wants it.
    pub(crate) by: Principal<'a>,
    pub(crate) action: &'a Action,
    pub(crate) target: &'a Target,
    /// The incident that it is for; none when a person wants it.
    pub(crate) incident: Option<&'a Dossier>,
    /// How sure the detector is of it, in thousandths.
    pub(crate) confidence: u16,
    /// A person said yes to exactly this.
    pub(crate) approved: bool,
}

impl Case<'_> {
    pub(crate) const fn kind(&self) -> ActionKind {
        self.action.kind()
    }

    pub(crate) fn failure(&self) -> Option<FailureKind> {
        self.incident.map(|dossier| dossier.incident.kind)
    }

    pub(crate) const fn is_by_person(&self) -> bool {
        matches!(self.by, Principal::Person(_))
    }
}

/// What all guards and policies together say.
#[derive(Clone, Debug)]
pub(crate) struct Ruling {
    pub(crate) objections: Vec<Objection>,
    /// The policies that allow it.
    pub(crate) permits: Vec<Said>,
    pub(crate) at_risk: u32,
    pub(crate) would_allow: bool,
}

impl Ruling {
    /// None means that it is allowed.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        self.objections
            .iter()
            .map(|objection| objection.effect)
            .max()
            .map(|effect| match effect {
                Effect::Ask => Verdict::Ask,
                Effect::Escalate => Verdict::Escalate,
                Effect::Deny => Verdict::Deny,
            })
    }

    pub(crate) fn reasons(&self) -> Vec<Reason> {
        self.objections.iter().map(Objection::reason).collect()
    }

    /// All that would have to change.
    pub(crate) fn flip(&self) -> Option<String> {
        let flips: Vec<&str> = self
            .objections
            .iter()
            .map(|objection| objection.flip.as_str())
            .filter(|flip| !flip.is_empty())
            .collect();
        (!flips.is_empty()).then(|| flips.join("; and "))
    }

    /// When the last objection that no yes lifts ends, if all of them end by themselves.
    pub(crate) fn ends(&self) -> Option<Timestamp> {
        let ends = self.hard().map(|objection| objection.until);
        ends.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// Whether all that no yes lifts ends by itself.
    pub(crate) fn is_passing(&self) -> bool {
        self.hard().all(|objection| objection.passing)
    }

    /// What no yes lifts.
    fn hard(&self) -> impl Iterator<Item = &Objection> {
        let objections = self.objections.iter();
        objections.filter(|objection| objection.effect != Effect::Ask)
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.objections.iter().any(|objection| objection.quiet)
    }

    /// What makes it news, without the numbers that change by the second.
    pub(crate) fn gist(&self, case: &Case<'_>, policy: Digest) -> Digest {
        let ids: Vec<&str> = self
            .objections
            .iter()
            .map(|objection| objection.policy.as_str())
            .collect();
        let gist = (
            self.verdict().map(Verdict::as_str),
            case.action,
            case.target,
            ids,
            self.would_allow,
            policy,
        );
        codec::encode(&gist).map_or_else(|_| Digest::default(), |bytes| Digest::of(&bytes))
    }
}

/// All that a judgement rests on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) rules: &'a Rules,
    /// The activated set, if this version cannot read it.
    pub(crate) unreadable: Option<Digest>,
    pub(crate) state: &'a State,
    pub(crate) now: Timestamp,
}

impl<'a> View<'a> {
    pub(crate) const fn settings(&self) -> &'a Settings {
        self.rules.settings()
    }

    /// Judges an act.
    pub(crate) fn judge(&self, case: &Case<'_>) -> Ruling {
        let at_risk = guards::blast::at_risk(&self.state.world, case.action, case.target);
        let mut objections: Vec<Objection> = guards::ALL
            .iter()
            .filter_map(|guard| guard(self, case))
            .collect();
        let clear = objections.is_empty();
        let mode = self.state.orders.mode(&case.target.workload, case.kind());
        let ask = |mode, approved| self.ask(case, mode, approved, at_risk);
        let answer = ask(mode, case.approved);
        let mut permits = Vec::new();
        if answer.allowed {
            permits = answer.deciding;
        } else if !case.approved && ask(mode, true).allowed {
            // What a yes would lift asks for it.
            objections.extend(said(answer.deciding, Effect::Ask));
        } else if answer.deciding.is_empty() {
            objections.push(nobody_permits(case));
        } else {
            objections.extend(said(answer.deciding, Effect::Deny));
        }
        let would_allow =
            clear && mode == Mode::Observe && !case.is_by_person() && ask(Mode::Act, false).allowed;
        Ruling {
            objections,
            permits,
            at_risk,
            would_allow,
        }
    }

    fn ask(
        &self,
        case: &Case<'_>,
        mode: Mode,
        approved: bool,
        at_risk: u32,
    ) -> crate::rules::Answer {
        let (from, to) = match case.action {
            Action::Scale { replicas, from } => (*from, *replicas),
            _ => (0, 0),
        };
        let facts = CaseFacts {
            mode,
            approved,
            failure: case.failure().map_or("", FailureKind::as_str),
            severity: case.incident.map(Dossier::severity),
            confidence: case.confidence,
            sources: case
                .incident
                .map(|dossier| dossier.sources.clone())
                .unwrap_or_default(),
            from,
            to,
            at_risk,
        };
        self.with_facts(case.by, case.kind().as_str(), case.target, Some(facts))
    }

    /// Whether somebody may say such a thing about an act on a target.
    pub(crate) fn may(
        &self,
        by: Principal<'_>,
        token: &str,
        target: &Target,
    ) -> crate::rules::Answer {
        self.with_facts(by, token, target, None)
    }

    fn with_facts(
        &self,
        principal: Principal<'_>,
        action: &str,
        target: &Target,
        case: Option<CaseFacts>,
    ) -> crate::rules::Answer {
        let world = &self.state.world;
        let nothing = Default::default();
        let known = world.workloads.get(&target.workload);
        self.rules.policies().act(&Facts {
            principal,
            action,
            workload: &target.workload,
            replicas: known.map_or(0, |workload| i64::from(workload.replicas)),
            ready: known.map_or(0, |workload| i64::from(workload.ready)),
            tags: known.map_or(&nothing, |workload| &workload.tags),
            namespace_tags: world.namespace_tags(&target.workload).unwrap_or(&nothing),
            case,
        })
    }
}

fn said(deciding: Vec<Said>, effect: Effect) -> impl Iterator<Item = Objection> {
    deciding
        .into_iter()
        .map(move |said| Objection::new(effect, &said.policy, said.text, said.flip))
}

fn nobody_permits(case: &Case<'_>) -> Objection {
    let who = match case.by {
        Principal::Aegis => "aegis".to_owned(),
        Principal::Person(actor) => {
            let roles: Vec<&str> = actor.roles.iter().map(String::as_str).collect();
            format!("`{}` (roles: {})", actor.name, roles.join(", "))
        }
    };
    Objection::deny(
        "no-permit",
        format!("no policy permits {who} to {}", case.action.describe()),
        "a `permit` for it, or a role that has one",
    )
}
