//! Whether somebody may ask for something, as the policies say, remembered for a minute: asking them takes
//! longer than reading a row.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aegis_schemas::Actor;

use crate::cores::{Call, Cores};
use crate::recent::Recent;

const SPAN: Duration = Duration::from_secs(60);
const MOST: usize = 4_096;
/// Ages of sign-ins are told apart by this.
const STEP: Duration = Duration::from_secs(60);

/// All that the policies look at, but for the name.
type Case = (BTreeSet<String>, Option<BTreeSet<String>>, String, u64);

/// The policies' answers.
#[derive(Debug)]
pub(crate) struct Permits {
    cores: Arc<dyn Cores>,
    known: Recent<Case, Result<(), String>>,
}

impl Permits {
    pub(crate) const fn new(cores: Arc<dyn Cores>) -> Self {
        Self {
            cores,
            known: Recent::new(SPAN, MOST),
        }
    }

    /// Whether somebody with these roles may ask for an operation; of a sign-in, the minute in which its age
    /// ends counts, so that none passes for fresher than it is.
    pub(crate) fn check(
        &self,
        roles: &BTreeSet<String>,
        scopes: Option<&BTreeSet<String>>,
        operation: &str,
        signed_in: Duration,
    ) -> Result<(), String> {
        let steps = signed_in.as_secs().div_ceil(STEP.as_secs());
        let case = (roles.clone(), scopes.cloned(), operation.to_owned(), steps);
        let now = Instant::now();
        if let Some(known) = self.known.get(&case, now) {
            return known;
        }
        let by = Actor {
            name: "somebody".to_owned(),
            roles: roles.clone(),
        };
        let answer = self.cores.permits(&Call {
            by: &by,
            operation,
            scopes,
            signed_in: Duration::from_secs(steps * STEP.as_secs()),
        });
        self.known.put(case, answer.clone(), now);
        answer
    }
}
