//! Where a tenure begins: the snapshot, and whether it is of this stream.

use aegis_schemas::Timestamp;
use aegis_schemas::pipeline::Core;
use tokio::sync::watch;

use super::machine::Machine;
use super::tenure::{Ended, Line, Tenure};
use crate::retry::Backoff;
use crate::snapshot::{Place, Snapshots};
use crate::{Error, StreamInfo};

/// A snapshot: its place, and the state unless that is lost.
type Loaded = (Place, Option<Vec<u8>>);
/// The snapshot, and up to which input outputs are published.
type Kept = (Option<Loaded>, Option<Place>);

impl Tenure<'_> {
    /// The core as it was, and where to read on.
    pub(super) async fn begin<C: Core>(
        &self,
        snapshots: &mut Snapshots,
        mut core: C,
        published: watch::Sender<Option<Place>>,
    ) -> Result<Result<Line<C>, Ended>, Error> {
        let (loaded, through) = match self.load(snapshots).await? {
            Ok(kept) => kept,
            Err(ended) => return Ok(Err(ended)),
        };
        // Asked last: what is kept may grow with the stream.
        let info = match self.stream_info().await? {
            Ok(info) => info,
            Err(ended) => return Ok(Err(ended)),
        };
        let (loaded, through) = self.of_this_stream(loaded, through, &info)?;
        let (mut seq, mut now) = (0, Timestamp::EPOCH);
        match loaded {
            Some((place, Some(state))) => match rmp_serde::from_slice::<C::State>(&state) {
                Ok(state) => {
                    core.restore(state);
                    (seq, now) = (place.seq, place.now);
                }
                Err(error) => tracing::error!(
                    %error,
                    producer = self.producer,
                    "the snapshot cannot be read: reading from the first message"
                ),
            },
            Some((_, None)) => tracing::error!(
                producer = self.producer,
                "the snapshot is lost: reading from the first message"
            ),
            None => {}
        }
        if info.first_seq > seq + 1 {
            tracing::warn!(
                producer = self.producer,
                next = seq + 1,
                oldest = info.first_seq,
                "messages went out of retention unread"
            );
        }
        Ok(Ok(Line {
            machine: Machine::new(core, now),
            epoch: info.epoch,
            seq,
            through: through.map_or(0, |place| place.seq),
            published,
        }))
    }

    /// The snapshot, and up to which input outputs are published.
    async fn load(&self, snapshots: &mut Snapshots) -> Result<Result<Kept, Ended>, Error> {
        let mut backoff = Backoff::standard();
        loop {
            let asked = async { Ok((snapshots.load().await?, snapshots.through().await?)) };
            match asked.await {
                Ok(kept) => return Ok(Ok(kept)),
                Err(error) if Error::is_transient(&error) => {
                    tracing::warn!(%error, producer = self.producer, "cannot load the snapshot yet");
                }
                Err(error) => return Err(error),
            }
            if let Some(ended) = self.pause(backoff.delay()).await {
                return Ok(Err(ended));
            }
        }
    }

    /// What is kept without what is of before the stream was made anew: nothing begins from that.
    fn of_this_stream(
        &self,
        loaded: Option<Loaded>,
        through: Option<Place>,
        info: &StreamInfo,
    ) -> Result<Kept, Error> {
        let mut foreign = None;
        let mut is_ours = |place: Place| {
            let ours = self.is_of(place, info)?;
            if !ours {
                foreign = Some(place.epoch);
            }
            Ok::<_, Error>(ours)
        };
        let mut kept = (None, None);
        if let Some((place, state)) = loaded
            && is_ours(place)?
        {
            kept.0 = Some((place, state));
        }
        if let Some(place) = through
            && is_ours(place)?
        {
            kept.1 = Some(place);
        }
        if let Some(before) = foreign {
            tracing::warn!(
                producer = self.producer,
                before,
                epoch = info.epoch,
                "the stream was made anew: beginning without what was kept before"
            );
        }
        Ok(kept)
    }
}
