//! The rest of a rollback of a StatefulSet: what its controller would wait for is deleted, so that the
//! template that was written reaches the pods.

use aegis_nats::failpoint::{Point, pass};
use aegis_schemas::{Action, Entity, EntityKind, Name, RefusalCode, Warrant};
use tokio::time::Instant;

use super::stop::{Stop, unreachable};
use super::{Executor, LONGEST_WAIT};
use crate::act::{How, Live, Progress, Trouble, note_freed, progress};
use crate::board::Board;

impl<B: Board> Executor<B> {
    /// Deletes the pods that keep the set of a carried out `warrant` from its template. None of them is
    /// ready, so the act's blast, which counts what serves, stays what it was. It may be done again, and is
    /// left as it is once the warrant has expired, a kill switch is on or somebody else has written the set:
    /// the template stands, and the detector judges it.
    pub(super) async fn free(&self, warrant: &Warrant) -> Result<(), Stop> {
        let target = &warrant.target.object;
        let replaces = matches!(
            warrant.action,
            Action::Rollback { .. } | Action::RestoreTemplate { .. }
        );
        if !replaces || target.workload.kind != EntityKind::StatefulSet {
            return Ok(());
        }
        // Whoever is told to wait must be able to come back in time, with room for the telling.
        if self.board.now() + 2 * LONGEST_WAIT >= warrant.exp {
            return Ok(());
        }
        let set = self.api.get(&target.workload).await.map_err(unreachable)?;
        let Some(set) = set.filter(|set| is_as_written(set, warrant)) else {
            return Ok(());
        };
        let progress = match progress(&self.api, &target.workload, &set).await {
            Err(Trouble::Refused { message, .. }) => {
                tracing::error!(decision = %warrant.decision_id, set = %target.workload, why = message,
                    "the API server does not let the pods be seen that may keep the set from its template");
                return Ok(());
            }
            other => other.map_err(unreachable)?,
        };
        match progress {
            Progress::Unseen => Err(Stop::Later {
                code: RefusalCode::Unavailable,
                after: None,
                message: format!(
                    "the controller has not seen the template of {}",
                    target.workload
                ),
            }),
            Progress::Stuck(pods) => {
                for pod in &pods {
                    self.delete_stuck(warrant, pod).await?;
                }
                Ok(())
            }
        }
    }

    async fn delete_stuck(&self, warrant: &Warrant, pod: &Live) -> Result<(), Stop> {
        let Some(entity) = beside(&warrant.target.object.workload, pod) else {
            return Ok(());
        };
        let deadline = Instant::now() + self.config.write_timeout;
        match self.still_in_force(warrant).await {
            Ok(()) => {}
            Err(Stop::Refused(refusal)) => {
                tracing::warn!(decision = %warrant.decision_id, pod = %entity, why = refusal.message,
                    "a pod that keeps its set from the template is left");
                return Ok(());
            }
            Err(later) => return Err(later),
        }
        match self.api.delete(&entity, pod, How::By(deadline)).await {
            Ok(()) => {
                pass(Point::Written);
                tracing::info!(decision = %warrant.decision_id, pod = %entity,
                    "deleted a pod that kept its set from the template");
                let event = note_freed(warrant, self.board.now(), &entity, &pod.uid);
                if let Err(error) = self.api.create_event(&entity, &event).await {
                    tracing::warn!(%error, decision = %warrant.decision_id, "no Event is noted on the pod");
                }
                Ok(())
            }
            // It is gone, or got on meanwhile.
            Err(Trouble::Refused {
                code: 404 | 409, ..
            }) => Ok(()),
            Err(Trouble::Refused { message, .. }) => {
                tracing::error!(decision = %warrant.decision_id, pod = %entity, why = message,
                    "the API server does not let a pod be deleted that keeps its set from the template");
                Ok(())
            }
            Err(trouble) => Err(unreachable(trouble)),
        }
    }
}

/// Whether nobody has written the set since `warrant` was carried out.
fn is_as_written(set: &Live, warrant: &Warrant) -> bool {
    let target = &warrant.target.object;
    set.uid == target.uid
        && set.decision == Some(warrant.decision_id)
        && set.generation <= target.generation + 1
}

/// A pod in the namespace of `workload`.
fn beside(workload: &Entity, pod: &Live) -> Option<Entity> {
    Some(Entity {
        kind: EntityKind::Pod,
        name: Name::parse(pod.object.metadata.name.as_deref()?).ok()?,
        ..workload.clone()
    })
}
