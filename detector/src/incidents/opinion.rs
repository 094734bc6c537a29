//! A second opinion on a failure's name, by a forest that learnt from incidents whose end is known.
//!
//! It is asked only where the rules are not sure and recommend nothing: then the likelier name is said. So an
//! opinion neither adds an act nor takes one away.

use std::sync::Arc;

use aegis_schemas::{Digest, FailureKind};
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error, StrDeserializer};

use super::classify::Diagnosis;
use crate::diagnosis::{Case, Model};

/// From which confidence of theirs, in thousandths, the rules need no second opinion.
const SURE: u16 = 700;

/// A model with the digest that it is known by.
#[derive(Clone, Debug)]
pub(super) struct Learnt {
    model: Arc<Model>,
    digest: Digest,
}

impl Learnt {
    /// The model of that text; `None` if it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let model = Arc::new(Model::parse(text).ok()?);
        let digest = Digest::of(text.as_bytes());
        Some(Self { model, digest })
    }

    /// The SHA-256 of the text.
    pub(super) const fn digest(&self) -> Digest {
        self.digest
    }

    /// The diagnosis of the rules, or what the forest makes of the case if that is likelier. The case is asked
    /// for if need be.
    pub(super) fn heard(&self, by_rules: Diagnosis, case: impl FnOnce() -> Case) -> Diagnosis {
        if by_rules.confidence >= SURE {
            return by_rules;
        }
        let case = case();
        let (kind, probability) = self.model.kind(&case);
        let kind = named(kind).filter(|kind| *kind != FailureKind::Unknown);
        let likely = (probability * 1_000.0) as u16;
        let other = |kind: &FailureKind| *kind != by_rules.kind && likely > by_rules.confidence;
        let Some(kind) = kind.filter(other) else {
            return by_rules;
        };
        let mut because = by_rules.because;
        because.push(format!(
            "{} by the model sha256:{}, by rules alone {}",
            in_words(kind),
            self.digest,
            in_words(by_rules.kind)
        ));
        Diagnosis {
            kind,
            confidence: likely,
            because,
            ..by_rules
        }
    }
}

fn in_words(kind: FailureKind) -> String {
    kind.as_str().replace('_', " ")
}

/// The kind of that name, if incidents know it.
fn named(kind: &str) -> Option<FailureKind> {
    let name: StrDeserializer<'_, Error> = kind.into_deserializer();
    FailureKind::deserialize(name).ok()
}
