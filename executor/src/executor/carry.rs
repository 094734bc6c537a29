//! The way of a believed warrant to its effect: look, permit, dry-run, claim, look again, write.

use aegis_nats::failpoint::{Point, pass};
use aegis_nats::kv::{HaltState, Seen};
use aegis_schemas::{Action, Outcome, PreImage, RefusalCode, Warrant};
use tokio::time::Instant;

use super::Executor;
use super::stop::{Clash, Stop, bus, clash, switch, unreachable};
use crate::accept::{Facts, Permit, Refusal, in_force, permit};
use crate::act::{self, Answer, Change, How, Live, Trouble};
use crate::board::{Board, Claim, Done, Held, Past};
use crate::trial::{self, Trial};

/// How often a write may meet another version of the object before it waits.
const MOST_CLASHES: u32 = 5;

/// What stands around a warrant.
struct Look {
    claim: Option<Held>,
    live: Option<Live>,
    halt: Option<HaltState>,
    annotation: bool,
    audit: Option<Seen>,
    past: Past,
}

/// How a warrant is written.
enum Write {
    Patch(json_patch::Patch),
    Evict,
    Delete,
}

impl Write {
    const fn evicts(&self) -> bool {
        matches!(self, Self::Evict | Self::Delete)
    }
}

impl<B: Board> Executor<B> {
    pub(super) async fn carry_out(
        &self,
        trial: &mut Trial<'_>,
        warrant: &Warrant,
    ) -> Result<Outcome, Stop> {
        let mut clash: Option<Clash> = None;
        for _ in 0..MOST_CLASHES {
            let look = self.look(warrant).await?;
            let permit = self.permit(trial, warrant, &look, clash.is_some())?;
            // What there is now says what a write of unknown fate came to.
            trial.unsettled = false;
            if permit == Permit::Done {
                self.memory().carried_out(warrant);
                // Whatever holds up the rest, the effect is there and must be told.
                trial.unsettled = true;
                self.free(warrant).await?;
                return Ok(found(trial, warrant, look));
            }
            let Some(live) = look.live else {
                let message = "the object is gone";
                return Err(Refusal::new(RefusalCode::TargetChanged, message).into());
            };
            // The object is as it was when the API server said no: it means it.
            if let Some(clash) =
                clash.take_if(|clash| clash.resource_version == live.resource_version)
            {
                return Err(Refusal::new(RefusalCode::DryRunRefused, clash.message).into());
            }
            match self.write(trial, warrant, &live, look.claim).await? {
                Ok(outcome) => {
                    trial.unsettled = true;
                    self.free(warrant).await?;
                    return Ok(outcome);
                }
                Err(met) => clash = Some(met),
            }
        }
        Err(Stop::Later {
            code: RefusalCode::Unavailable,
            after: None,
            message: clash.map_or_else(String::new, |clash| clash.message),
        })
    }

    /// Everything that the rules ask for, at once.
    async fn look(&self, warrant: &Warrant) -> Result<Look, Stop> {
        let entity = &warrant.target.object.entity;
        let (claim, live, halt, annotation, audit, past) = futures::join!(
            self.board.claim(warrant.decision_id),
            self.api.get(entity),
            self.board.halt(),
            self.api.halted(&self.config.own_namespace),
            self.board.audit(),
            self.board.past(&warrant.nonce),
        );
        Ok(Look {
            claim: claim.map_err(|error| bus(&error))?,
            live: live.map_err(unreachable)?,
            halt: halt.map_err(|error| switch(&error))?,
            annotation: annotation.map_err(unreachable)?,
            audit: audit.map_err(|error| bus(&error))?,
            past: past.map_err(|error| bus(&error))?,
        })
    }

    fn permit(
        &self,
        trial: &Trial<'_>,
        warrant: &Warrant,
        look: &Look,
        reread: bool,
    ) -> Result<Permit, Refusal> {
        let mut memory = self.memory();
        let now = self.board.now();
        let (acts, pods) = memory.spent(now, warrant.decision_id);
        let facts = Facts {
            now,
            last_iat: look.past.last_iat,
            subject: trial.received.subject,
            seq: trial.received.seq,
            cluster_uid: &self.cluster_uid,
            claim: look.claim.as_ref().map(|held| &held.claim),
            live: look.live.as_ref(),
            reread,
            halt: look.halt,
            halt_annotation: look.annotation,
            nonce_of: look.past.nonce_of,
            last_fence: memory.last_fence(&warrant.target.object.uid),
            acts,
            pods,
            audit: look.audit,
            limits: &self.config.limits,
        };
        let permit = permit(warrant, &facts)?;
        if permit == Permit::Act {
            memory.permitted(now, warrant);
        }
        Ok(permit)
    }

    /// The one write, after its dry run and its claim.
    async fn write(
        &self,
        trial: &mut Trial<'_>,
        warrant: &Warrant,
        live: &Live,
        claim: Option<Held>,
    ) -> Result<Result<Outcome, Clash>, Stop> {
        let (write, pre_image) = self.prepare(warrant, live).await?;
        let fresh = Claim {
            nonce: warrant.nonce,
            seq: trial.received.seq,
            pre_image,
            done: None,
        };
        let held = match self.rehearse(warrant, live, &write, claim, fresh).await? {
            Ok(held) => held,
            Err(met) => return Ok(Err(met)),
        };
        pass(Point::Claimed);
        let deadline = Instant::now() + self.config.write_timeout;
        self.still_in_force(warrant).await?;
        trial.unsettled = true;
        let written = self.send(warrant, live, &write, How::By(deadline)).await;
        match written {
            Err(trouble @ Trouble::Away(_)) => Err(unreachable(trouble)),
            Err(trouble) => {
                trial.unsettled = false;
                clash(trouble, live, write.evicts()).map(Err)
            }
            Ok(done) => {
                pass(Point::Written);
                self.memory().carried_out(warrant);
                let outcome = self.record(trial, warrant, held, done).await;
                Ok(Ok(outcome))
            }
        }
    }

    /// The dry run, and what must be noted before the write: the claim, the time and the nonce.
    async fn rehearse(
        &self,
        warrant: &Warrant,
        live: &Live,
        write: &Write,
        claim: Option<Held>,
        fresh: Claim,
    ) -> Result<Result<Held, Clash>, Stop> {
        let rehearsal = self.send(warrant, live, write, How::DryRun);
        let claiming = async {
            let claim = async {
                match claim {
                    Some(held) => Ok(held),
                    None => self.board.create_claim(warrant.decision_id, fresh).await,
                }
            };
            let noted = futures::try_join!(claim, self.board.remember(warrant));
            noted.map(|(held, ())| held)
        };
        let (tried, held) = if !write.evicts() {
            futures::join!(rehearsal, claiming)
        } else {
            // A claimed pod that is gone counts as ours: claim none that a budget holds back.
            match rehearsal.await {
                Ok(done) => (Ok(done), claiming.await),
                Err(trouble) => return clash(trouble, live, write.evicts()).map(Err),
            }
        };
        if let Err(trouble) = tried {
            return clash(trouble, live, write.evicts()).map(Err);
        }
        held.map(Ok).map_err(|error| bus(&error))
    }

    /// What to write, and what is there before.
    async fn prepare(&self, warrant: &Warrant, live: &Live) -> Result<(Write, PreImage), Stop> {
        let entity = &warrant.target.object.entity;
        let template = match &warrant.action {
            Action::RestartPod { delete } => {
                let checked = act::check_pod(&self.api, warrant, live).await;
                checked.map_err(unreachable)??;
                let write = if *delete { Write::Delete } else { Write::Evict };
                let uid = live.uid.clone();
                return Ok((write, PreImage::Pod { uid }));
            }
            Action::Rollback {
                revision,
                template_hash,
            } => act::of_revision(&self.api, entity, live, *revision, template_hash)
                .await
                .map_err(unreachable)?,
            _ => None,
        };
        let change: Change = act::change(warrant, live, template)?;
        let patch = act::patch(warrant, live, &change);
        Ok((Write::Patch(patch), change.pre_image))
    }

    async fn send(&self, warrant: &Warrant, live: &Live, write: &Write, how: How) -> Answer<Done> {
        let entity = &warrant.target.object.entity;
        match write {
            Write::Patch(patch) => {
                let after = self.api.patch(entity, patch, how).await?;
                Ok(Done {
                    generation: after.generation,
                    resource_version: after.resource_version,
                })
            }
            Write::Evict => {
                let marks = act::marks(warrant).into();
                self.api.evict(entity, live, &marks, how).await?;
                Ok(Done::default())
            }
            Write::Delete => {
                self.api.delete(entity, live, how).await?;
                Ok(Done::default())
            }
        }
    }

    /// The kill switch and the time once more, right before the write.
    pub(super) async fn still_in_force(&self, warrant: &Warrant) -> Result<(), Stop> {
        let (halt, annotation) = futures::join!(
            self.board.halt(),
            self.api.halted(&self.config.own_namespace),
        );
        let halt = halt.map_err(|error| switch(&error))?;
        in_force(warrant, halt, annotation.map_err(unreachable)?)?;
        let now = self.board.now();
        if now < warrant.exp + crate::accept::SKEW {
            return Ok(());
        }
        let message = format!("valid until {}, it is {now}", warrant.exp);
        Err(Refusal::new(RefusalCode::Expired, message).into())
    }

    /// Notes the effect where others look for it. None of it can take the effect back, so it may fail.
    async fn record(
        &self,
        trial: &Trial<'_>,
        warrant: &Warrant,
        held: Held,
        done: Done,
    ) -> Outcome {
        let mut claim = held.claim;
        let pre_image = claim.pre_image.clone();
        claim.done = Some(done.clone());
        let entity = &warrant.target.object.entity;
        let event = act::note(warrant, self.board.now());
        let (claimed, noted) = futures::join!(
            self.board
                .update_claim(warrant.decision_id, held.revision, claim),
            self.api.create_event(entity, &event),
        );
        if let Err(error) = claimed {
            tracing::warn!(%error, decision = %warrant.decision_id, "the claim is not set to done");
        }
        if let Err(error) = noted {
            tracing::warn!(%error, decision = %warrant.decision_id, "no Event is noted on the object");
        }
        trial::applied(&trial.received, warrant, Some(pre_image), done)
    }
}

/// The outcome of an effect that is there already.
fn found(trial: &Trial<'_>, warrant: &Warrant, look: Look) -> Outcome {
    let claim = look.claim.map(|held| held.claim);
    let noted = claim.as_ref().and_then(|claim| claim.done.clone());
    let done = noted.unwrap_or_else(|| match look.live {
        // One write raises the generation once; what is above that is somebody else's.
        Some(live) if live.decision == Some(warrant.decision_id) => Done {
            generation: live.generation.min(warrant.target.object.generation + 1),
            resource_version: live.resource_version,
        },
        _ => Done::default(),
    });
    trial::applied(
        &trial.received,
        warrant,
        claim.map(|claim| claim.pre_image),
        done,
    )
}
