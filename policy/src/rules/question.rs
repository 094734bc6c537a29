//! What the policies are asked, and what they answer.

use std::collections::{BTreeMap, BTreeSet};

use aegis_schemas::{ActionKind, Actor, Entity, EvidenceSource, Mode, Severity};

/// Who wants it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Principal<'a> {
    /// Aegis itself.
    Aegis,
    /// Somebody with roles.
    Person(&'a Actor),
}

/// All that the policies may know of an act that is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) principal: Principal<'a>,
    /// `ActionKind` in `snake_case`, or the token of a command about an act.
    pub(crate) action: &'a str,
    pub(crate) workload: &'a Entity,
    pub(crate) replicas: i64,
    pub(crate) ready: i64,
    pub(crate) tags: &'a BTreeMap<String, String>,
    pub(crate) namespace_tags: &'a BTreeMap<String, String>,
    /// What only acts have; none for what people say about an act.
    pub(crate) case: Option<CaseFacts>,
}

/// The context of an act.
#[derive(Clone, Debug)]
pub(crate) struct CaseFacts {
    pub(crate) mode: Mode,
    pub(crate) approved: bool,
    pub(crate) failure: &'static str,
    pub(crate) severity: Option<Severity>,
    pub(crate) confidence: u16,
    pub(crate) sources: BTreeSet<EvidenceSource>,
    pub(crate) from: i32,
    pub(crate) to: i32,
    pub(crate) at_risk: u32,
}

/// An order that covers a scope.
#[derive(Clone, Debug)]
pub(crate) struct Order<'a> {
    pub(crate) by: &'a Actor,
    pub(crate) token: &'static str,
    pub(crate) cluster: &'a str,
    pub(crate) namespace: Option<&'a str>,
    pub(crate) action: Option<ActionKind>,
    pub(crate) mode: Option<Mode>,
}

/// What a policy said of this case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) policy: String,
    pub(crate) text: String,
    pub(crate) flip: String,
}

/// What all policies together say, with those that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) allowed: bool,
    pub(crate) deciding: Vec<Said>,
}
