//! Prometheus remote write 1.0, as a sender writes it.

use std::collections::BTreeMap;

/// A series with one sample.
pub(super) struct Sample {
    /// Its labels, the name among them.
    pub(super) labels: BTreeMap<&'static str, String>,
    /// The value.
    pub(super) value: f64,
    /// Milliseconds since the Unix epoch.
    pub(super) at_ms: i64,
}

/// The body of one request.
pub(super) fn body(samples: &[Sample]) -> Vec<u8> {
    let mut request = Vec::new();
    for sample in samples {
        let mut series = Vec::new();
        for (name, value) in &sample.labels {
            let mut label = Vec::new();
            bytes(&mut label, 1, name.as_bytes());
            bytes(&mut label, 2, value.as_bytes());
            bytes(&mut series, 1, &label);
        }
        let mut point = vec![1 << 3 | 1];
        point.extend(sample.value.to_le_bytes());
        point.push(2 << 3);
        varint(&mut point, u64::try_from(sample.at_ms).unwrap_or(0));
        bytes(&mut series, 2, &point);
        bytes(&mut request, 1, &series);
    }
    snap::raw::Encoder::new()
        .compress_vec(&request)
        .expect("a request is far smaller than 4 GiB")
}

/// A field of protobuf that has a length: its number, its length, its bytes.
fn bytes(out: &mut Vec<u8>, field: u8, value: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
