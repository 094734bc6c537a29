//! Where a tenure begins: the snapshot, and whether it is of this stream.

use aegis_schemas::Timestamp;
use aegis_schemas::pipeline::Core;
use tokio::sync::watch;

use super::machine::Machine;
use super::tenure::{Ended, Line, Tenure};
use crate::Error;
use crate::retry::Backoff;
use crate::snapshot::{Place, Snapshots};

impl Tenure<'_> {
    /// The core as it was, and where to read on.
    pub(super) async fn begin<C: Core>(
        &self,
        snapshots: &mut Snapshots,
        mut core: C,
        published: watch::Sender<Option<Place>>,
    ) -> Result<Result<Line<C>, Ended>, Error> {
        let mut backoff = Backoff::standard();
        let (loaded, through, info) = loop {
            let stream = self.options.durable.stream;
            let asked = async {
                let loaded = snapshots.load().await?;
                let through = snapshots.through().await?;
                Ok::<_, Error>((loaded, through, self.bus.stream_info(stream).await?))
            };
            match asked.await {
                Ok(asked) => break asked,
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, producer = self.producer, "cannot load the snapshot yet");
                }
                Err(error) => return Err(error),
            }
            tokio::select! {
                () = self.stop.cancelled() => return Ok(Err(Ended::Stopped)),
                () = self.hold.ended() => return Ok(Err(Ended::LostLease)),
                () = tokio::time::sleep(backoff.delay()) => {}
            }
        };
        let snapshot = loaded.as_ref().map(|(place, _)| *place);
        for place in [snapshot, through].into_iter().flatten() {
            self.check_place(place, info.epoch, info.last_seq)?;
        }
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

    /// A stream that was made anew, or restored from an old copy, is not the one that the state is of.
    fn check_place(&self, place: Place, epoch: u16, last: u64) -> Result<(), Error> {
        let (producer, stream) = (&self.producer, self.options.durable.stream);
        if place.epoch != epoch {
            return Err(Error::Snapshot(format!(
                "the state of `{producer}` belongs to epoch {} of {stream}, which is in epoch {epoch}: \
                 delete the keys `{}.{producer}.>` of bucket aegis_state to begin anew",
                place.epoch,
                self.bus.service(),
            )));
        }
        if place.seq > last {
            return Err(Error::Snapshot(format!(
                "the state of `{producer}` contains message {} of {stream}, which ends at {last}: \
                 the stream lost messages; provision it with a new epoch",
                place.seq
            )));
        }
        Ok(())
    }
}
