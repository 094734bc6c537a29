//! Bytes from outside: what is right is read, what is wrong is said, nothing panics.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use aegis_ingest::{Sample, exposition, remote_write};
use aegis_schemas::{MetricKind, Timestamp};
use proptest::prelude::*;

const PAGE: &str = r#"
# HELP http_requests_total The "number" of requests.
# TYPE http_requests_total counter
http_requests_total{code="200",path="a\\b\"c\nd"} 1027 1395066363000
http_requests_total{ code = "500" , } 3
# TYPE queue gauge
queue_total -1.5e+3
queue +Inf
# TYPE lat histogram
lat_bucket{le="+Inf"} 4
lat_sum 0.25
# TYPE rpc summary
rpc{quantile="0.5"} NaN
rpc_count 2
	bare:name	7	
# just a comment
"#;

#[test]
fn a_page_is_read() {
    let found = exposition::parse(PAGE).unwrap();
    let seen: Vec<_> = found
        .iter()
        .map(|one| (one.name.as_str(), one.kind, one.value))
        .collect();
    use MetricKind::{Counter, Gauge};
    assert_eq!(
        seen[..6],
        [
            ("http_requests_total", Counter, 1027.0),
            ("http_requests_total", Counter, 3.0),
            ("queue_total", Counter, -1500.0),
            ("queue", Gauge, f64::INFINITY),
            ("lat_bucket", Counter, 4.0),
            ("lat_sum", Counter, 0.25),
        ]
    );
    assert!(seen[6].1 == Gauge && seen[6].2.is_nan());
    assert_eq!(
        seen[7..],
        [("rpc_count", Counter, 2.0), ("bare:name", Gauge, 7.0)]
    );
    assert_eq!(found[0].labels["path"], "a\\b\"c\nd");
    assert_eq!(
        found[0].time,
        Some(Timestamp::from_millis(1_395_066_363_000))
    );
}

#[test]
fn a_page_with_a_bad_line_is_refused_with_its_number() {
    for (line, reason) in [
        ("x", "a name without a value"),
        ("x ", "a name without a value"),
        ("1x 2", "expected the name of a metric"),
        ("x{a=\"b\" 1", "expected `,` or `}` after a label"),
        ("x{a=\"b} 1", "a label's value without an end"),
        ("x{a=\"b\",a=\"c\"} 1", "a label appears twice"),
        ("x{a=b} 1", "expected `\"` before a label's value"),
        ("x one", "the value is not a number"),
        ("x infinity", "the value is not a number"),
        ("x 1 2 3", "something follows the time"),
        ("x 1 2.5", "the time is not a whole number of milliseconds"),
    ] {
        let error = exposition::parse(&format!("up 1\n{line}\n")).unwrap_err();
        assert_eq!((error.line, error.reason), (2, reason), "{line}");
    }
}

fn sample(name: &str, labels: &[(&str, &str)]) -> Sample {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Sample {
        name: name.to_owned(),
        labels: labels.iter().map(owned).collect(),
        kind: MetricKind::Counter,
        value: 3.5,
        time: Timestamp::from_millis(1_700_000_000_123),
    }
}

#[test]
fn remote_write_is_read() {
    let samples = vec![
        sample("a_total", &[("namespace", "shop"), ("pod", "cart-1")]),
        sample("b_total", &[]),
    ];
    let body = remote_write::encode(&samples).unwrap();
    assert_eq!(remote_write::decode(&body, 1 << 20).unwrap(), samples);
}

#[test]
fn remote_write_is_refused_before_it_takes_memory() {
    let block = |bytes: &[u8]| snap::raw::Encoder::new().compress_vec(bytes).unwrap();
    // 64 MiB said in a few bytes; two million empty series; one label set for fifty thousand samples.
    let zeros = block(&vec![0; 64 << 20]);
    let empty_series = block(&[0x0a, 0x00].repeat(2_000_000));
    let mut heavy = Vec::new();
    let label = [
        &[0x0a, 0x01, b'a', 0x12, 0x80, 0x80, 0x04][..],
        &vec![b'x'; 65_536],
    ]
    .concat();
    let mut series = vec![0x0a];
    varint(label.len(), &mut series);
    series.extend(&label);
    series.extend([0x12, 0x02, 0x10, 0x01].repeat(50_000));
    heavy.push(0x0a);
    varint(series.len(), &mut heavy);
    heavy.extend(&series);
    for body in [zeros, empty_series, block(&heavy)] {
        let error = remote_write::decode(&body, 8 << 20).unwrap_err();
        assert!(matches!(error, remote_write::Error::TooLarge(_)), "{error}");
    }
    for body in [
        b"not snappy at all".to_vec(),
        block(&[0x0a, 0x05, 0x01]),
        block(&[0x0a, 0x04, 0x12, 0x02, 0x10, 0x01]),
        Vec::new(),
    ] {
        let error = remote_write::decode(&body, 8 << 20).unwrap_err();
        assert!(
            matches!(error, remote_write::Error::Malformed(_)),
            "{error}"
        );
    }
}

fn varint(mut number: usize, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        labels in prop::collection::btree_map("[a-zA-Z_][a-zA-Z0-9_]{0,8}", "[^\r\u{85}\u{2028}]{0,12}", 0..4),
        value in any::<f64>().prop_filter("a number", |value| !value.is_nan()),
        time in prop::option::of(any::<i32>()),
    ) {
        let labels: BTreeMap<String, String> = labels;
        let inner: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let number = if value.is_infinite() { if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() } } else { value.to_string() };
        let stamp = time.map_or_else(String::new, |time| format!(" {time}"));
        let found = exposition::parse(&format!("m{{{}}} {number}{stamp}\n", inner.join(","))).unwrap();
        prop_assert_eq!(&found[0].labels, &labels);
        prop_assert_eq!(found[0].value, value);
        prop_assert_eq!(found[0].time, time.map(|time| Timestamp::from_millis(time.into())));
    }

    #[test]
    fn hostile_pages_do_not_panic(text in "[a-z{}=\"\\\\, 0-9.#\n]{0,200}", bytes in any::<String>()) {
        let _ = exposition::parse(&text);
        let _ = exposition::parse(&bytes);
    }

    #[test]
    fn hostile_requests_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), flip in any::<prop::sample::Index>()) {
        let _ = remote_write::decode(&bytes, 1 << 20);
        let block = snap::raw::Encoder::new().compress_vec(&bytes).unwrap();
        let _ = remote_write::decode(&block, 1 << 20);
        let mut good = remote_write::encode(&[sample("a_total", &[("pod", "x")])]).unwrap();
        let place = flip.index(good.len());
        good[place] ^= 0x55;
        let _ = remote_write::decode(&good, 1 << 20);
    }
}
