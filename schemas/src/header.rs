//! The envelope of a message: CloudEvents in binary mode, the cause, the origin, the trace.

use crate::{EventId, Timestamp, pipeline::Origin};

/// CloudEvents id: the event's id.
pub const CE_ID: &str = "ce-id";
/// CloudEvents type: which message the body is, see [`crate::Kind`].
pub const CE_TYPE: &str = "ce-type";
/// CloudEvents source: who made it.
pub const CE_SOURCE: &str = "ce-source";
/// CloudEvents time: for a core's output the stream time of its cause.
pub const CE_TIME: &str = "ce-time";
/// CloudEvents version.
pub const CE_SPECVERSION: &str = "ce-specversion";
/// The event that this one answers.
pub const CAUSE: &str = "aegis-cause";
/// The stream sequence of the cause, for the outputs of cores.
pub const CAUSE_SEQ: &str = "aegis-cause-seq";
/// The epoch of the stream in which the cause stands, for the outputs of cores. Older versions did not say it.
pub const CAUSE_EPOCH: &str = "aegis-cause-epoch";
/// Which output of its cause this is, for the outputs of cores.
pub const ORDINAL: &str = "aegis-ordinal";
/// W3C trace context; NATS header names are case-sensitive.
pub const TRACEPARENT: &str = "traceparent";
/// The media type of the body.
pub const CONTENT_TYPE: &str = "content-type";
/// JetStream's message id for de-duplication.
pub const MSG_ID: &str = "Nats-Msg-Id";
/// JetStream refuses to store the message in any other stream.
pub const EXPECTED_STREAM: &str = "Nats-Expected-Stream";

/// A header that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeader {
    /// A header that every message has is missing.
    #[error("header `{0}` is missing")]
    Missing(&'static str),
    /// A header's value is not of its form.
    #[error("header `{0}` has the invalid value `{1}`")]
    Invalid(&'static str, String),
}

/// What the headers say of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The event's id.
    pub id: EventId,
    /// The type of the body, such as `aegis.signal.v1`.
    pub kind: String,
    /// Who made it, such as `policy/demo`.
    pub source: String,
    /// When it was made, by its maker.
    pub time: Timestamp,
    /// The event that it answers.
    pub cause: Option<EventId>,
    /// Where in its producer's output it stands, if a core made it.
    pub origin: Option<Origin>,
    /// W3C trace context.
    pub traceparent: Option<String>,
}

impl Meta {
    /// The headers as names and values.
    #[must_use]
    pub fn to_pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = vec![
            (CE_SPECVERSION, "1.0".to_owned()),
            (CE_ID, self.id.to_string()),
            (CE_TYPE, self.kind.clone()),
            (CE_SOURCE, self.source.clone()),
            (CE_TIME, self.time.to_string()),
            (CONTENT_TYPE, "application/msgpack".to_owned()),
        ];
        if let Some(cause) = self.cause {
            pairs.push((CAUSE, cause.to_string()));
        }
        if let Some(origin) = &self.origin {
            if let Some(epoch) = origin.epoch {
                pairs.push((CAUSE_EPOCH, epoch.to_string()));
            }
            pairs.push((CAUSE_SEQ, origin.cause_seq.to_string()));
            pairs.push((ORDINAL, origin.ordinal.to_string()));
        }
        if let Some(traceparent) = &self.traceparent {
            pairs.push((TRACEPARENT, traceparent.clone()));
        }
        pairs
    }

    /// Reads the headers through `get`, which answers a header's value by its name.
    ///
    /// # Errors
    ///
    /// When id, type or source is missing, or a value is malformed.
    pub fn read<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<Self, InvalidHeader> {
        let required = |name: &'static str| get(name).ok_or(InvalidHeader::Missing(name));
        fn parse<T: std::str::FromStr>(name: &'static str, raw: &str) -> Result<T, InvalidHeader> {
            raw.parse()
                .map_err(|_| InvalidHeader::Invalid(name, raw.chars().take(80).collect()))
        }
        let source = required(CE_SOURCE)?.to_owned();
        let origin = match (get(CAUSE_SEQ), get(ORDINAL)) {
            (Some(seq), Some(ordinal)) => Some(Origin {
                producer: source.clone(),
                epoch: get(CAUSE_EPOCH)
                    .map(|raw| parse(CAUSE_EPOCH, raw))
                    .transpose()?,
                cause_seq: parse(CAUSE_SEQ, seq)?,
                ordinal: parse(ORDINAL, ordinal)?,
            }),
            _ => None,
        };
        Ok(Self {
            id: parse(CE_ID, required(CE_ID)?)?,
            kind: required(CE_TYPE)?.to_owned(),
            source,
            time: get(CE_TIME).map_or(Ok(Timestamp::EPOCH), |raw| parse(CE_TIME, raw))?,
            cause: get(CAUSE).map(|raw| parse(CAUSE, raw)).transpose()?,
            origin,
            traceparent: get(TRACEPARENT).map(str::to_owned),
        })
    }
}
