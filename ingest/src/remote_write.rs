//! Prometheus remote write 1.0: a snappy block around `prometheus.WriteRequest`.
//!
//! Sizes and counts are checked before memory is reserved for them, because a message of two bytes
//! becomes a struct of fifty.

use std::collections::BTreeMap;

use aegis_schemas::Timestamp;
use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint};

use crate::Sample;
use crate::sample::kind_by_name;

/// The most series, labels and samples of one request together.
const MAX_ITEMS: usize = 600_000;
/// The most samples of one request; Prometheus sends 2,000 unless told otherwise.
pub const MAX_SAMPLES: usize = 50_000;

/// The most bytes of labels, counted once for each sample.
const MAX_UNFOLDED: usize = 128 << 20;

/// Why a request cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is larger than allowed.
    #[error("{0}")]
    TooLarge(String),
    /// It is not what it says it is.
    #[error("{0}")]
    Malformed(String),
}

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Point>,
}

impl TimeSeries {
    fn unfolded(&self) -> usize {
        let length = |label: &Label| label.name.len() + label.value.len();
        let labels: usize = self.labels.iter().map(length).sum();
        labels.saturating_mul(self.samples.len())
    }
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Point {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

/// The samples in `body`, which may become at most `max_decoded` bytes.
///
/// # Errors
///
/// When it is too large or malformed. Never panics, whatever the bytes.
pub fn decode(body: &[u8], max_decoded: usize) -> Result<Vec<Sample>, Error> {
    let size = snap::raw::decompress_len(body)
        .map_err(|error| Error::Malformed(format!("not a snappy block: {error}")))?;
    if size > max_decoded {
        return Err(Error::TooLarge(format!(
            "the request decodes to {size} bytes, at most {max_decoded} are taken"
        )));
    }
    let bytes = snap::raw::Decoder::new()
        .decompress_vec(body)
        .map_err(|error| Error::Malformed(format!("not a snappy block: {error}")))?;
    let mut items = 0;
    count(&bytes, 1, &mut items)?;
    if items > MAX_ITEMS {
        return Err(Error::TooLarge(format!(
            "the request has more than {MAX_ITEMS} series, labels and samples"
        )));
    }
    let request =
        WriteRequest::decode(&*bytes).map_err(|error| Error::Malformed(error.to_string()))?;
    let points: usize = request.timeseries.iter().map(|s| s.samples.len()).sum();
    if points > MAX_SAMPLES {
        return Err(Error::TooLarge(format!(
            "the request has {points} samples, at most {MAX_SAMPLES} are taken"
        )));
    }
    // Every sample gets its series' labels.
    let unfolded: usize = request.timeseries.iter().map(TimeSeries::unfolded).sum();
    if unfolded > MAX_UNFOLDED {
        return Err(Error::TooLarge(
            "the labels are too long for so many samples".to_owned(),
        ));
    }
    let mut samples = Vec::with_capacity(points);
    for series in request.timeseries {
        unfold(series, &mut samples)?;
    }
    Ok(samples)
}

fn unfold(series: TimeSeries, samples: &mut Vec<Sample>) -> Result<(), Error> {
    let mut labels = BTreeMap::new();
    for label in series.labels {
        if label.name.is_empty() || labels.insert(label.name, label.value).is_some() {
            return Err(Error::Malformed(
                "a series has a label without a name, or one twice".to_owned(),
            ));
        }
    }
    let name = labels
        .remove("__name__")
        .filter(|name| !name.is_empty())
        .ok_or_else(|| Error::Malformed("a series has no label `__name__`".to_owned()))?;
    for point in series.samples {
        samples.push(Sample {
            kind: kind_by_name(&name),
            name: name.clone(),
            labels: labels.clone(),
            value: point.value,
            time: Timestamp::from_millis(point.timestamp),
        });
    }
    Ok(())
}

/// Counts the messages within a message, `deeper` levels down, without keeping any.
fn count(mut bytes: &[u8], deeper: u8, items: &mut usize) -> Result<(), Error> {
    let malformed = |error: prost::DecodeError| Error::Malformed(error.to_string());
    let cut = || Error::Malformed("a field reaches past the end".to_owned());
    while !bytes.is_empty() && *items <= MAX_ITEMS {
        let (_, wire) = decode_key(&mut bytes).map_err(malformed)?;
        let skip = match wire {
            WireType::Varint => {
                decode_varint(&mut bytes).map_err(malformed)?;
                0
            }
            WireType::SixtyFourBit => 8,
            WireType::ThirtyTwoBit => 4,
            WireType::LengthDelimited => {
                *items += 1;
                let length = decode_varint(&mut bytes).map_err(malformed)?;
                usize::try_from(length).map_err(|_| cut())?
            }
            WireType::StartGroup | WireType::EndGroup => 0,
        };
        let inner = bytes.get(..skip).ok_or_else(cut)?;
        if wire == WireType::LengthDelimited && deeper > 0 {
            count(inner, deeper - 1, items)?;
        }
        bytes = &bytes[skip..];
    }
    Ok(())
}

/// The bytes that a sender would send: for tests and for feeding Aegis from a program.
///
/// # Errors
///
/// When the samples are more than a snappy block holds.
pub fn encode(samples: &[Sample]) -> Result<Vec<u8>, snap::Error> {
    let label = |(name, value): (&String, &String)| Label {
        name: name.clone(),
        value: value.clone(),
    };
    let timeseries = samples
        .iter()
        .map(|sample| TimeSeries {
            labels: std::iter::once(Label {
                name: "__name__".to_owned(),
                value: sample.name.clone(),
            })
            .chain(sample.labels.iter().map(label))
            .collect(),
            samples: vec![Point {
                value: sample.value,
                timestamp: sample.time.as_millis(),
            }],
        })
        .collect();
    snap::raw::Encoder::new().compress_vec(&WriteRequest { timeseries }.encode_to_vec())
}
