//! What the bytes of every message promise: they are read back as they were written, later versions
//! may add to them, no bytes make a reader panic, and those of a released version never change.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its case fails"
)]

mod draw;

use std::path::PathBuf;

use aegis_schemas::signal::LogRates;
use aegis_schemas::{Event, Kind, Warrant, codec};
use draw::Draw;
use proptest::prelude::*;

fn decode(kind: Kind, bytes: &[u8]) -> Result<Event, codec::Error> {
    Event::decode(kind.as_str(), bytes)
}

/// The map in `bytes` with one more field.
fn with_unknown_field(bytes: &[u8]) -> Vec<u8> {
    let (fields, rest) = match bytes[0] {
        head @ 0x80..=0x8f => (u16::from(head & 0x0f), &bytes[1..]),
        0xde => (u16::from_be_bytes([bytes[1], bytes[2]]), &bytes[3..]),
        other => panic!("{other:#x} does not begin a map"),
    };
    let mut more = vec![0xde];
    more.extend((fields + 1).to_be_bytes());
    more.extend_from_slice(rest);
    more.extend_from_slice(b"\xa5later\x92\x01\xa1x");
    more
}

proptest! {
    #[test]
    fn every_message_is_read_back_as_it_was_written(
        kind in prop::sample::select(Kind::ALL.to_vec()),
        bytes in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let event = Draw(&bytes).event(kind);
        prop_assert_eq!(decode(kind, &event.encode().unwrap()).unwrap(), event);
    }

    #[test]
    fn readers_pass_over_what_a_later_version_adds(
        kind in prop::sample::select(Kind::ALL.to_vec()),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let event = Draw(&bytes).event(kind);
        let read = decode(kind, &with_unknown_field(&event.encode().unwrap()));
        if kind == Kind::Warrant {
            prop_assert!(read.is_err(), "nothing may hide in what is signed");
        } else {
            prop_assert_eq!(read.unwrap(), event);
        }
    }

    #[test]
    fn what_is_cut_off_or_goes_on_is_refused(
        kind in prop::sample::select(Kind::ALL.to_vec()),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut whole = Draw(&bytes).event(kind).encode().unwrap();
        prop_assert!(decode(kind, &whole[..cut.index(whole.len())]).is_err());
        whole.push(0xc0);
        prop_assert!(decode(kind, &whole).is_err());
    }

    #[test]
    fn hostile_bytes_never_panic(
        kind in prop::sample::select(Kind::ALL.to_vec()),
        noise in prop::collection::vec(any::<u8>(), 0..400),
        at in any::<prop::sample::Index>(),
        flip in 1..=255_u8,
    ) {
        let _ = decode(kind, &noise);
        let mut bent = Draw(&noise).event(kind).encode().unwrap();
        let at = at.index(bent.len());
        bent[at] ^= flip;
        let _ = decode(kind, &bent);
        let _ = Warrant::decode_strict(&bent);
    }

    #[test]
    fn a_warrant_has_one_encoding(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let warrant = Draw(&bytes).warrant();
        let canonical = codec::encode(&warrant).unwrap();
        prop_assert_eq!(Warrant::decode_strict(&canonical).unwrap(), warrant);
        prop_assert!(Warrant::decode_strict(&with_unknown_field(&canonical)).is_err());
    }
}

#[test]
fn a_length_that_promises_gigabytes_is_refused_without_taking_them() {
    for head in [
        &b"\xdd\xff\xff\xff\xff"[..],
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
    ] {
        for kind in Kind::ALL {
            assert!(decode(kind, head).is_err());
        }
    }
    let nested = vec![0x91; 100_000];
    for kind in Kind::ALL {
        assert!(decode(kind, &nested).is_err());
    }
}

/// `AEGIS_BLESS=1` writes files that are missing; those that exist are never written again.
#[test]
fn the_bytes_of_released_messages_never_change() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/v1");
    let entropy: Vec<u8> = (0..2_000_u32).map(|n| (n * 37 % 251) as u8).collect();
    let first = Kind::ALL.into_iter().flat_map(|kind| {
        let starts = [(1, 0), (2, 9), (3, 40), (4, 77)];
        starts.map(|(variant, start)| (kind, variant, &entropy[start..]))
    });
    // A merge, a split, and an incident that says why it is grouped.
    let added = [
        (Kind::Command, 5, &[251; 600][..]),
        (Kind::Command, 6, &[255; 600][..]),
        (Kind::Incident, 5, &[255; 600][..]),
    ];
    for (kind, variant, entropy) in first.chain(added) {
        let event = Draw(entropy).event(kind);
        let bytes = event.encode().unwrap();
        let file = folder.join(format!("{}-{variant}.msgpack", kind.as_str()));
        if !file.exists() && std::env::var_os("AEGIS_BLESS").is_some() {
            std::fs::write(&file, &bytes).unwrap();
        }
        let golden =
            std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert_eq!(decode(kind, &golden).unwrap(), event, "{}", file.display());
        assert_eq!(bytes, golden, "{}", file.display());
    }
}

#[test]
fn lines_by_level_take_no_byte_when_nobody_counts_them() {
    let without = LogRates {
        interval_ms: 60_000,
        templates: [("timeout to <*>".to_owned(), 3)].into(),
        ..LogRates::default()
    };
    let with = LogRates {
        levels: [("error".to_owned(), 3)].into(),
        ..without.clone()
    };
    for (rates, written) in [(without, false), (with, true)] {
        let bytes = codec::encode(&rates).unwrap();
        assert_eq!(bytes.windows(6).any(|part| part == b"levels"), written);
        assert_eq!(codec::decode::<LogRates>(&bytes).unwrap(), rates);
    }
}
