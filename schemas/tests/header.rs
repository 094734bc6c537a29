//! The envelope: what is written is read, also what versions wrote that knew less.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its case fails"
)]

use aegis_schemas::header::{CAUSE_EPOCH, Meta};
use aegis_schemas::pipeline::Origin;
use aegis_schemas::{EventId, Timestamp};

#[test]
fn an_origin_is_read_as_it_was_written_with_an_epoch_and_without() {
    for epoch in [None, Some(0), Some(u16::MAX)] {
        let meta = Meta {
            id: EventId::from_bytes([7; 16]),
            kind: "aegis.anomaly.v1".to_owned(),
            source: "scorer/0".to_owned(),
            time: Timestamp::from_millis(1_700_000_000_000),
            cause: Some(EventId::from_bytes([8; 16])),
            origin: Some(Origin {
                producer: "scorer/0".to_owned(),
                epoch,
                cause_seq: 900,
                ordinal: 1,
            }),
            traceparent: None,
        };
        let pairs = meta.to_pairs();
        let get = |name: &str| {
            let found = pairs.iter().find(|(written, _)| *written == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(get(CAUSE_EPOCH).is_some(), epoch.is_some());
        assert_eq!(Meta::read(get).unwrap(), meta);
    }
}

#[test]
fn an_epoch_that_is_no_number_is_refused() {
    for wrong in ["", "-1", "65536", "one"] {
        let get = |name: &str| match name {
            CAUSE_EPOCH => Some(wrong),
            "ce-id" => Some("b7vwawltyexmfkszsmqynat3o4"),
            "ce-type" | "ce-source" => Some("x"),
            "aegis-cause-seq" | "aegis-ordinal" => Some("1"),
            _ => None,
        };
        let refused = Meta::read(get).unwrap_err().to_string();
        assert!(refused.contains(CAUSE_EPOCH), "{refused}");
    }
}
