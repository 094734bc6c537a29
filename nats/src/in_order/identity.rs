//! Whether the stream is still the one that the state is of.

use super::tenure::{Ended, Tenure};
use crate::retry::Backoff;
use crate::snapshot::Place;
use crate::{Error, StreamInfo};

impl Tenure<'_> {
    /// Whether the stream was made anew since the message at `place`.
    pub(super) async fn changed(&self, place: Place) -> Result<Option<Ended>, Error> {
        let info = match self.stream_info().await? {
            Ok(info) => info,
            Err(ended) => return Ok(Some(ended)),
        };
        let same = self.is_of(place, &info)?;
        Ok((!same).then_some(Ended::Anew))
    }

    /// The state of the stream, once it is there.
    pub(super) async fn stream_info(&self) -> Result<Result<StreamInfo, Ended>, Error> {
        let stream = self.options.durable.stream;
        let mut backoff = Backoff::standard();
        loop {
            match self.bus.stream_info(stream).await {
                Ok(info) => return Ok(Ok(info)),
                Err(error) if error.is_missing() => tracing::error!(
                    %stream,
                    producer = self.producer,
                    "the stream is not there: `aegis provision` makes it"
                ),
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, producer = self.producer, "cannot ask for the stream yet");
                }
                Err(error) => return Err(error),
            }
            if let Some(ended) = self.pause(backoff.delay()).await {
                return Ok(Err(ended));
            }
        }
    }

    /// Whether `place` is in the stream as it is now; `false` when the stream was made anew since.
    ///
    /// # Errors
    ///
    /// When the stream is an older copy, or lost messages: nobody may go on as if it were the same.
    pub(super) fn is_of(&self, place: Place, info: &StreamInfo) -> Result<bool, Error> {
        let (producer, stream) = (&self.producer, self.options.durable.stream);
        if place.epoch < info.epoch {
            return Ok(false);
        }
        if place.epoch > info.epoch {
            return Err(Error::Snapshot(format!(
                "the state of `{producer}` belongs to epoch {} of {stream}, which is in epoch {}: the stream is an \
                 older copy; begin a new one with `aegis provision --new-epoch {stream}`",
                place.epoch, info.epoch,
            )));
        }
        if place.seq > info.last_seq {
            return Err(Error::Snapshot(format!(
                "the state of `{producer}` contains message {} of {stream}, which ends at {}: the stream lost \
                 messages; begin a new one with `aegis provision --new-epoch {stream}`",
                place.seq, info.last_seq
            )));
        }
        Ok(true)
    }
}
