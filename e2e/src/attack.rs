//! Attacks on a running Aegis: each does what an intruder would, and says what should come of it and what
//! came. The tests run them as well.

mod admin;
mod audit;
mod damage;
mod decisions;
mod dedupe;
mod escape;
mod executor;
mod headers;
mod poison;
mod reply;
mod zombie;

use std::pin::Pin;

use anyhow::{Context, Result};

/// One thing that an attack tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was done.
    pub tried: String,
    /// What should come of it.
    pub expected: String,
    /// What came of it.
    pub seen: String,
    /// Whether that is the same.
    pub held: bool,
}

impl Finding {
    /// Compares what should be with what is.
    pub fn of(
        tried: impl Into<String>,
        expected: impl Into<String>,
        seen: impl Into<String>,
    ) -> Self {
        let (expected, seen) = (expected.into(), seen.into());
        Self {
            tried: tried.into(),
            held: expected == seen,
            expected,
            seen,
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            tried,
            expected,
            seen,
            held,
        } = self;
        if *held {
            write!(f, "ok   {tried}: {seen}")
        } else {
            write!(
                f,
                "FAIL {tried}\n       expected: {expected}\n       seen:     {seen}"
            )
        }
    }
}

type Findings = Pin<Box<dyn Future<Output = Result<Vec<Finding>>> + Send>>;

/// An attack by name.
pub struct Attack {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, in a few words.
    pub about: &'static str,
    run: fn() -> Findings,
}

impl Attack {
    /// Attacks an installation of its own.
    ///
    /// # Errors
    ///
    /// When the installation does not start, or the attack cannot be made.
    pub async fn run(&self) -> Result<Vec<Finding>> {
        (self.run)().await
    }
}

/// Every attack.
pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "subject-escape",
        about: "every user of the bus tries every subject and every request",
        run: || Box::pin(escape::run()),
    },
    Attack {
        name: "stream-admin",
        about: "streams and consumers are changed, emptied, spied on and deleted",
        run: || Box::pin(admin::run()),
    },
    Attack {
        name: "header-abuse",
        about: "headers that make JetStream delete, count, delay or send elsewhere",
        run: || Box::pin(headers::run()),
    },
    Attack {
        name: "reply-hijack",
        about: "the server's own answers are pointed at the subject of decisions",
        run: || Box::pin(reply::run()),
    },
    Attack {
        name: "dedupe-poison",
        about: "a victim's message id is used first, so that its message is taken for a copy",
        run: || Box::pin(dedupe::run()),
    },
    Attack {
        name: "poison",
        about: "messages that nobody can read are put before every consumer",
        run: || Box::pin(poison::run()),
    },
    Attack {
        name: "forge-mac",
        about: "decisions that are signed with a wrong key, or touched afterwards",
        run: || Box::pin(decisions::forge_mac()),
    },
    Attack {
        name: "unsigned",
        about: "decisions without a signature",
        run: || Box::pin(decisions::unsigned()),
    },
    Attack {
        name: "expired",
        about: "a decision that was kept for later, and a clock that is turned back to it",
        run: || Box::pin(decisions::expired()),
    },
    Attack {
        name: "replay",
        about: "recorded decisions a thousand times, over a kill of the executor",
        run: || Box::pin(decisions::replay()),
    },
    Attack {
        name: "retarget",
        about: "genuine decisions about something else, and decisions signed for it",
        run: || Box::pin(decisions::retarget()),
    },
    Attack {
        name: "type-confusion",
        about: "other messages as decisions, and decisions as other messages",
        run: || Box::pin(decisions::type_confusion()),
    },
    Attack {
        name: "zombie",
        about: "an executor that stands still until others have taken over, and wakes up",
        run: || Box::pin(zombie::run()),
    },
    Attack {
        name: "exec-escape",
        about: "the tokens of the executor and of ingest ask a real API server for all that is not theirs",
        run: || Box::pin(executor::escape()),
    },
    Attack {
        name: "audit-edit",
        about: "a superuser of the database edits, removes and empties the record",
        run: || Box::pin(audit::edit()),
    },
    Attack {
        name: "blk-bitflip",
        about: "bits flip in the file of a stream while nats-server does not run",
        run: || Box::pin(damage::bitflip()),
    },
];

/// The attack of that name.
///
/// # Errors
///
/// When there is none; says which there are.
pub fn named(name: &str) -> Result<&'static Attack> {
    let names = || ATTACKS.iter().map(|attack| attack.name).collect::<Vec<_>>();
    ATTACKS
        .iter()
        .find(|attack| attack.name == name)
        .with_context(|| {
            format!(
                "there is no attack `{name}`; there are {}",
                names().join(", ")
            )
        })
}

/// Runs the attack of that name for a test; prints what it found.
///
/// # Panics
///
/// When it cannot be made, tries nothing, or does not end as it should.
pub async fn repelled(name: &str) {
    let findings = match named(name) {
        Ok(attack) => attack.run().await,
        Err(error) => Err(error),
    };
    let findings = findings.unwrap_or_else(|error| panic!("{error:#}"));
    all_held(&findings);
}

/// Prints what was found.
///
/// # Panics
///
/// When anything did not end as it should, or nothing was tried.
pub fn all_held(findings: &[Finding]) {
    assert!(!findings.is_empty(), "nothing was tried");
    for finding in findings {
        println!("{finding}");
    }
    let failed: Vec<&Finding> = findings.iter().filter(|finding| !finding.held).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}
