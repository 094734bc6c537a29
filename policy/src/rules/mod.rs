//! What is allowed, as a stranger can read and change it: Cedar policies over a typed schema, and the
//! numbers of the guards. One text holds all three files, so that one `activate` puts them on the log.

mod bundle;
mod cedar;
mod depth;
mod fits;
mod permissions;
mod question;
mod settings;

use std::fmt;
use std::sync::{Arc, LazyLock};

use aegis_schemas::Digest;

pub use self::bundle::{DEFAULT_FILES, bundle, default_bundle};
use self::cedar::Policies;
pub use self::permissions::{Call, Permissions};
pub(crate) use self::question::{Answer, CaseFacts, Facts, Order, Principal, Said};
pub(crate) use self::settings::{Settings, StormLimits};

/// Why a policy set is refused, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Invalid {
    /// The file of the set.
    pub file: &'static str,
    /// The line in it, from 1; none when the whole file is meant.
    pub line: Option<usize>,
    /// What is wrong.
    pub reason: String,
}

impl Invalid {
    fn new(file: &'static str, line: Option<usize>, reason: impl Into<String>) -> Self {
        Self {
            file,
            line,
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.file)?;
        if let Some(line) = self.line {
            write!(f, " line {line}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// A policy set that has been checked.
#[derive(Debug)]
pub struct Rules {
    digest: Digest,
    settings: Settings,
    policies: Policies,
}

impl Rules {
    /// Checks a set as [`bundle`] makes it: strictly, so that a policy which can never hold because of a
    /// slip is refused here, not found out at night.
    ///
    /// # Errors
    ///
    /// What is wrong, in which file and line.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let files = bundle::split(text)?;
        for (file, text) in [
            (bundle::SCHEMA, &files.schema),
            (bundle::POLICIES, &files.policies),
        ] {
            depth::check(file, text)?;
        }
        Ok(Self {
            digest: Digest::of(text.as_bytes()),
            settings: Settings::parse(&files.settings)?,
            policies: Policies::parse(&files.schema, &files.policies)?,
        })
    }

    /// The set that is built in and holds until one is activated.
    #[must_use]
    pub fn built_in() -> Arc<Self> {
        static BUILT_IN: LazyLock<Arc<Rules>> = LazyLock::new(|| {
            Arc::new(
                Rules::parse(&default_bundle()).expect("the built-in set is checked by a test"),
            )
        });
        Arc::clone(&BUILT_IN)
    }

    /// The SHA-256 of the set's text.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The policies of the set, by id, each with its reason.
    pub fn reasons(&self) -> impl Iterator<Item = (&str, &str)> {
        self.policies.reasons()
    }

    pub(crate) const fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) const fn policies(&self) -> &Policies {
        &self.policies
    }
}

/// The line of a byte in a text, from 1.
fn line_of(text: &str, offset: usize) -> usize {
    let end = offset.min(text.len());
    1 + text.as_bytes()[..end]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_set_is_valid() {
        let rules = Rules::built_in();
        assert_eq!(rules.digest(), Digest::of(default_bundle().as_bytes()));
        assert_eq!(
            *rules.settings(),
            Settings::default(),
            "file and code agree"
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_file_and_line() {
        let good = default_bundle();
        for (find, put, said) in [
            (
                "permit (principal is Person",
                "permit (principal is Persona",
                "`policies.cedar` line 1",
            ),
            (
                "context.mode == \"observe\"",
                "context.mood == \"observe\"",
                "mood",
            ),
            ("unless {", "unless [", "`policies.cedar` line"),
            (
                "@id(\"mode-ask\")",
                "@id(\"mode-observe\")",
                "is there twice",
            ),
            ("@id(\"mode-ask\")\n", "", "needs an `@id"),
            (
                "@reason(\"{workload} does not take part\")\n",
                "",
                "needs a `@reason",
            ),
            (
                "window = \"10m\"",
                "window = \"soon\"",
                "`settings.toml` line",
            ),
            (
                "per_cluster = 20",
                "per_clutter = 20",
                "`settings.toml` line",
            ),
            (
                "warrant_lifetime = \"2m\"",
                "warrant_lifetime = \"3m\"",
                "at most",
            ),
            ("nodes = 3", "nodes = 0", "at least 1"),
            ("nodes_percent = 30", "nodes_percent = 130", "at most 100"),
            ("entity Role;", "entity Role", "`schema.cedarschema` line"),
            ("=== settings.toml ===", "=== settings.json ===", "settings"),
        ] {
            assert!(good.contains(find), "{find}");
            let error = Rules::parse(&good.replacen(find, put, 1))
                .expect_err(put)
                .to_string();
            assert!(error.contains(said), "{put}: {error}");
        }
    }
}
