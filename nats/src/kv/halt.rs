//! The kill switch.
//!
//! Halting never waits for anybody: it is written whatever was there. Everything else compares and swaps,
//! so a resume that overlaps with a newer halt changes nothing.

use aegis_schemas::Cluster;
use serde::{Deserialize, Serialize};

use super::store::Store;
use crate::topology::{Bucket, token};
use crate::{Bus, Error};

/// What the kill switch of a cluster says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HaltState {
    /// The fence of the command that set it: decisions up to it stay void after a resume.
    pub fence: u64,
    /// Whether acts are halted.
    pub on: bool,
}

impl HaltState {
    /// On, by a command whose place on the log is not known yet: no decision is above it.
    pub const ALL_VOID: Self = Self {
        fence: u64::MAX,
        on: true,
    };
}

/// What the switch says, with the revision that changing it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its revision.
    pub revision: u64,
    /// What it says.
    pub state: HaltState,
}

/// The kill switches, a key per cluster.
#[derive(Clone, Debug)]
pub struct Halt(Store);

impl Halt {
    /// Over that connection.
    #[must_use]
    pub fn new(bus: &Bus) -> Self {
        Self(Store::new(bus.clone(), Bucket::Halt))
    }

    /// What the switch says now, read from the leader each time; `None` when it was never used.
    ///
    /// # Errors
    ///
    /// When the server does not answer or the value is malformed: then nobody may act.
    pub async fn read(&self, cluster: &Cluster) -> Result<Option<HaltState>, Error> {
        Ok(self.standing(cluster).await?.map(|found| found.state))
    }

    /// As [`Halt::read`], with the revision.
    ///
    /// # Errors
    ///
    /// As [`Halt::read`].
    pub async fn standing(&self, cluster: &Cluster) -> Result<Option<Standing>, Error> {
        let key = token(cluster.as_str());
        let Some(entry) = self.0.get(&key).await? else {
            return Ok(None);
        };
        let state = rmp_serde::from_slice(&entry.value).map_err(|error| Error::Malformed {
            key,
            reason: error.to_string(),
        })?;
        Ok(Some(Standing {
            revision: entry.revision,
            state,
        }))
    }

    /// Halts every act, whatever the switch said; answers the revision of that.
    ///
    /// # Errors
    ///
    /// When the server does not store it.
    pub async fn engage(&self, cluster: &Cluster) -> Result<u64, Error> {
        let value = rmp_serde::to_vec_named(&HaltState::ALL_VOID)?;
        self.0.put(&token(cluster.as_str()), value.into()).await
    }

    /// Voids what was decided up to `fence`, the place of the command that engaged the switch at the
    /// revision `engaged`. What others did with the switch since stays, but for a resume: the switch is
    /// on afterwards.
    ///
    /// # Errors
    ///
    /// When the server does not store it. Then all decisions stay void.
    pub async fn settle(&self, cluster: &Cluster, engaged: u64, fence: u64) -> Result<(), Error> {
        loop {
            let standing = self.standing(cluster).await?;
            let Some(wanted) = settled(standing, engaged, fence) else {
                return Ok(());
            };
            let revision = standing.map_or(0, |found| found.revision);
            match self.write(cluster, revision, wanted).await {
                Err(Error::Conflict(_)) => {}
                result => return result,
            }
        }
    }

    /// Lets work go on, if the switch still is at `revision`. What was decided up to `fence` stays void.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] when somebody used the switch since; else when the server does not store it.
    pub async fn release(&self, cluster: &Cluster, revision: u64, fence: u64) -> Result<(), Error> {
        let released = HaltState { fence, on: false };
        self.write(cluster, revision, released).await
    }

    async fn write(&self, cluster: &Cluster, revision: u64, state: HaltState) -> Result<(), Error> {
        let value = rmp_serde::to_vec_named(&state)?;
        let key = token(cluster.as_str());
        self.0.update(&key, revision, value.into()).await?;
        Ok(())
    }
}

/// What the switch shall say once the command that engaged it at the revision `engaged` has its `fence`;
/// `None` when it says so.
fn settled(standing: Option<Standing>, engaged: u64, fence: u64) -> Option<HaltState> {
    let ours = HaltState { fence, on: true };
    let Some(Standing { revision, state }) = standing else {
        return Some(ours);
    };
    if revision == engaged {
        return Some(ours);
    }
    // Somebody used the switch since: the higher fence voids what both do.
    let both = HaltState {
        fence: fence.max(state.fence),
        on: true,
    };
    (both != state).then_some(both)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_halt_that_gets_its_place_on_the_log_undoes_no_other_halt() {
        const fn state(fence: u64, on: bool) -> HaltState {
            HaltState { fence, on }
        }
        for (name, found, expected) in [
            (
                "nobody came between",
                (1, HaltState::ALL_VOID),
                Some(state(50, true)),
            ),
            (
                "another halt has no place yet",
                (2, HaltState::ALL_VOID),
                None,
            ),
            ("a later halt has its place", (3, state(60, true)), None),
            (
                "an earlier halt has its place",
                (3, state(40, true)),
                Some(state(50, true)),
            ),
            (
                "a resume came between",
                (4, state(45, false)),
                Some(state(50, true)),
            ),
            (
                "a later halt and its resume",
                (5, state(60, false)),
                Some(state(60, true)),
            ),
        ] {
            let (revision, state) = found;
            let standing = Some(Standing { revision, state });
            assert_eq!(settled(standing, 1, 50), expected, "{name}");
        }
        assert_eq!(
            settled(None, 1, 50),
            Some(state(50, true)),
            "the key was lost"
        );
    }
}
