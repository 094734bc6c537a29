//! A decision in, its one effect at the API server, its outcome out.
//!
//! An attempt reads what stands around the decision, writes at most once and says what to do next. It
//! never sleeps: the shell waits between attempts, and so can virtual time.

mod carry;
mod free;
mod stop;

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use aegis_schemas::signature::Keyring;
use aegis_schemas::{Outcome, OutcomePhase, RefusalCode, Warrant};

use crate::Config;
use crate::accept::{Refusal, believe};
use crate::act::ApiServer;
use crate::board::Board;
use crate::memory::Memory;
use crate::trial::{self, Step, Trial};
use stop::Stop;

/// The shortest and the longest wait between two attempts.
const SHORTEST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Carries out decisions for one cluster.
#[derive(Debug)]
pub struct Executor<B> {
    api: ApiServer,
    cluster_uid: String,
    config: Config,
    keys: RwLock<Keyring>,
    board: B,
    memory: Mutex<Memory>,
}

impl<B: Board> Executor<B> {
    /// The executor of the cluster with that UID, behind that client.
    #[must_use]
    pub fn new(
        client: kube::Client,
        config: Config,
        keys: Keyring,
        cluster_uid: String,
        board: B,
    ) -> Self {
        Self {
            api: ApiServer::new(client),
            cluster_uid,
            config,
            keys: RwLock::new(keys),
            board,
            memory: Mutex::default(),
        }
    }

    /// From now on these keys are believed.
    pub fn set_keys(&self, keys: Keyring) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// The board.
    pub const fn board(&self) -> &B {
        &self.board
    }

    /// Tries to carry out a decision. Doing it again is harmless, also in another process.
    pub async fn attempt(&self, trial: &mut Trial<'_>) -> Step {
        let believed = {
            let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
            believe(trial.received.body, &keys, &self.cluster_uid)
        };
        let warrant = match believed {
            Ok(warrant) => warrant,
            Err(refusal) => return done(trial::unbelieved(&trial.received, refusal)),
        };
        let result = self.carry_out(trial, &warrant).await;
        trial.tries = trial.tries.saturating_add(1);
        let received = &trial.received;
        match result {
            Ok(outcome) => done(outcome),
            Err(Stop::Refused(refusal)) => done(trial::prevented(
                received,
                &warrant,
                OutcomePhase::Refused,
                refusal,
            )),
            Err(Stop::Later {
                code,
                after,
                message,
            }) => self.later(trial, &warrant, code, after, message),
        }
    }

    /// Waits, as long as there is time, and as long as nobody knows whether there was a write.
    fn later(
        &self,
        trial: &Trial<'_>,
        warrant: &Warrant,
        code: RefusalCode,
        after: Option<Duration>,
        reason: String,
    ) -> Step {
        let due = SHORTEST_WAIT.saturating_mul(1 << trial.tries.saturating_sub(1).min(8));
        let after = after.unwrap_or(due).clamp(SHORTEST_WAIT, LONGEST_WAIT);
        if trial.unsettled || self.board.now() + after < warrant.exp {
            return Step::Wait { after, reason };
        }
        let message = format!("tried until it expired: {reason}");
        done(trial::prevented(
            &trial.received,
            warrant,
            OutcomePhase::Failed,
            Refusal::new(code, message),
        ))
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn done(outcome: Outcome) -> Step {
    Step::Done(Box::new(outcome))
}
