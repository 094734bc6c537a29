//! Lines as the body of a push: protobuf in one block of snappy.
//!
//! <https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs>

use std::collections::BTreeMap;

use prost::Message as _;

use super::Line;

/// `logproto.PushRequest`.
#[derive(Clone, PartialEq, prost::Message)]
struct Request {
    #[prost(message, repeated, tag = "1")]
    streams: Vec<Stream>,
}

/// `logproto.StreamAdapter`: what has the same labels.
#[derive(Clone, PartialEq, prost::Message)]
struct Stream {
    #[prost(string, tag = "1")]
    labels: String,
    #[prost(message, repeated, tag = "2")]
    entries: Vec<Entry>,
}

/// `logproto.EntryAdapter`.
#[derive(Clone, PartialEq, prost::Message)]
struct Entry {
    #[prost(message, optional, tag = "1")]
    timestamp: Option<Instant>,
    #[prost(string, tag = "2")]
    line: String,
    #[prost(message, repeated, tag = "3")]
    structured_metadata: Vec<Pair>,
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, PartialEq, prost::Message)]
struct Instant {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// `logproto.LabelPairAdapter`.
#[derive(Clone, PartialEq, prost::Message)]
struct Pair {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// The body of a push of these lines, in their order within each set of labels.
#[must_use]
pub fn push(lines: &[Line]) -> Vec<u8> {
    let mut streams: BTreeMap<&str, Vec<Entry>> = BTreeMap::new();
    for line in lines {
        streams.entry(&line.labels).or_default().push(entry(line));
    }
    let request = Request {
        streams: streams
            .into_iter()
            .map(|(labels, entries)| Stream {
                labels: labels.to_owned(),
                entries,
            })
            .collect(),
    };
    snap::raw::Encoder::new()
        .compress_vec(&request.encode_to_vec())
        .expect("a push is far smaller than 4 GiB")
}

fn entry(line: &Line) -> Entry {
    const SECOND: i64 = 1_000_000_000;
    let nanos = line.at.as_nanos();
    let pair = |(name, value): &(&'static str, String)| Pair {
        name: (*name).to_owned(),
        value: value.clone(),
    };
    Entry {
        timestamp: Some(Instant {
            seconds: nanos.div_euclid(SECOND),
            nanos: i32::try_from(nanos.rem_euclid(SECOND)).expect("below a second"),
        }),
        line: line.text.clone(),
        structured_metadata: line.metadata.iter().map(pair).collect(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use aegis_schemas::Timestamp;
    use data_encoding::HEXLOWER;

    use super::*;

    fn line(labels: &str, nanos: i64, text: &str, metadata: &[(&'static str, &str)]) -> Line {
        let owned = metadata
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        Line {
            labels: labels.to_owned(),
            at: Timestamp::from_nanos(nanos),
            text: text.to_owned(),
            metadata: owned.collect(),
        }
    }

    #[test]
    fn a_push_keeps_its_bytes() {
        let lines = [
            line(r#"{b="2"}"#, 1_000_000_002, "one", &[("idx", "0")]),
            line(r#"{a="1"}"#, -1, "two", &[]),
            line(r#"{b="2"}"#, 3_000_000_000, "three", &[]),
        ];
        let body = push(&lines);
        let plain = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
        // Written out by hand from the .proto: field and wire type, length, bytes.
        let expected = [
            "0a23", // a stream
            "0a077b613d2231227d",
            "1218", // one second before the epoch, and 999999999 ns
            "0a1108ffffffffffffffffff0110ff93ebdc03",
            "120374776f",
            "0a2d",
            "0a077b623d2232227d",
            "1215",
            "0a0408011002",
            "12036f6e65",
            "1a080a03696478120130",
            "120b",
            "0a020803",
            "12057468726565",
        ]
        .concat();
        assert_eq!(HEXLOWER.encode(&plain), expected);
    }
}
