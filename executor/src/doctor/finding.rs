//! One thing that was looked at.

use serde::Serialize;

use super::review::Scope;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Not given on purpose.
    LeftOut,
    /// Aegis cannot do its work, or is not held to its bounds.
    Missing,
    /// Aegis may do what it must not.
    TooWide,
}

/// One thing that was looked at, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub about: String,
    /// How it is.
    pub verdict: Verdict,
    /// What is wrong with it and what to do; empty when nothing is.
    pub advice: String,
}

impl Finding {
    /// Something that is as it should be.
    pub fn ok(about: impl Into<String>) -> Self {
        Self::new(about, Verdict::Ok, String::new())
    }

    /// Something that is not, with what to do.
    pub fn new(about: impl Into<String>, verdict: Verdict, advice: impl Into<String>) -> Self {
        Self {
            about: about.into(),
            verdict,
            advice: advice.into(),
        }
    }

    /// Whether somebody has to do something.
    #[must_use]
    pub const fn is_wrong(&self) -> bool {
        matches!(self.verdict, Verdict::Missing | Verdict::TooWide)
    }

    pub(super) fn missing(about: &str, rights: &[String], advice: &str) -> Self {
        if rights.is_empty() {
            return Self::ok(about);
        }
        let advice = format!("no {}; {advice}", rights.join(", "));
        Self::new(about, Verdict::Missing, advice)
    }

    pub(super) fn left_out(about: &str, advice: &str) -> Self {
        Self::new(about, Verdict::LeftOut, advice)
    }

    pub(super) fn wide(user: &str, scope: &Scope, rights: &[String]) -> Self {
        let about = format!("{user} in {scope}: no more than that");
        if rights.is_empty() {
            return Self::ok(about);
        }
        let advice = format!(
            "it may {}; find the binding: kubectl get rolebindings,clusterrolebindings -A -o wide | grep aegis-{user}",
            rights.join(", ")
        );
        Self::new(about, Verdict::TooWide, advice)
    }
}

/// That there is a namespace to act in.
pub(super) fn namespaces(enabled: &[String]) -> Finding {
    if enabled.is_empty() {
        let advice = "none can be seen; kubectl label namespace NAME aegis.dev/enabled=true";
        return Finding::new("enabled namespaces", Verdict::Missing, advice);
    }
    Finding::ok(format!("enabled namespaces: {}", enabled.join(", ")))
}
