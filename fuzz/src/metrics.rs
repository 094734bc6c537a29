//! Samples: remote write and the text format.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use aegis_ingest::exposition::{self, Exposed};
use aegis_ingest::{Catalogue, Mapper, Sample, remote_write};
use aegis_schemas::{Event, Timestamp};

use super::bus::NOW;
use super::objects;
use super::wire::steady;

/// The most bytes of a request once unpacked.
const MAX_UNPACKED: usize = 1 << 20;
/// Every sample of a longer request would be written with all labels again.
const MAX_WRITTEN: usize = 200;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(objects::running);

/// A request, and the bytes as what is packed in one.
pub fn remote_write(data: &[u8]) {
    request(data);
    if let Ok(block) = snap::raw::Encoder::new().compress_vec(data) {
        request(&block);
    }
}

fn request(body: &[u8]) {
    let Ok(samples) = remote_write::decode(body, MAX_UNPACKED) else {
        return;
    };
    assert!(samples.len() <= remote_write::MAX_SAMPLES);
    if samples.len() <= MAX_WRITTEN
        && let Ok(written) = remote_write::encode(&samples)
        && let Ok(again) = remote_write::decode(&written, 256 * MAX_UNPACKED)
    {
        let same = |a: &Sample, b: &Sample| {
            (a.value.to_bits(), a.time.as_millis()) == (b.value.to_bits(), b.time.as_millis())
                && (&a.name, &a.labels, a.kind) == (&b.name, &b.labels, b.kind)
        };
        assert_eq!(again.len(), samples.len());
        assert!(samples.iter().zip(&again).all(|(a, b)| same(a, b)));
    }
    let mapped = Mapper::new().map(&CATALOGUE, "remote-write", samples, false, NOW);
    for batch in mapped.batches {
        assert_eq!(batch.fault(), None);
        let event = Event::Metric(batch);
        assert!(
            event.encode().is_ok(),
            "a batch of samples fits into a message"
        );
        steady(&event);
    }
}

/// A page, which is written from what was read of it and read again.
pub fn exposition(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(found) = exposition::parse(text) else {
        return;
    };
    let page: String = found.iter().map(line).collect();
    let again = exposition::parse(&page).expect("what was written is read");
    let same = |a: &Exposed, b: &Exposed| {
        (a.value == b.value || a.value.is_nan() && b.value.is_nan())
            && (&a.name, &a.labels, a.time.map(Timestamp::as_millis))
                == (&b.name, &b.labels, b.time.map(Timestamp::as_millis))
    };
    assert_eq!(again.len(), found.len());
    assert!(found.iter().zip(&again).all(|(a, b)| same(a, b)), "{page}");
}

fn line(value: &Exposed) -> String {
    let time = value
        .time
        .map_or_else(String::new, |time| format!(" {}", time.as_millis()));
    format!(
        "{}{{{}}} {}{time}\n",
        value.name,
        labels(&value.labels),
        value.value
    )
}

fn labels(labels: &BTreeMap<String, String>) -> String {
    let escape = |text: &str| {
        text.replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
    };
    let pairs: Vec<_> = labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", escape(value)))
        .collect();
    pairs.join(",")
}
