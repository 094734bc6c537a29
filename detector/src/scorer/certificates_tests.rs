#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its case fails"
)]

use aegis_schemas::{Cluster, Entity, EntityKind, MetricBatch, MetricKind};

use super::super::features::prepare;
use super::*;

const HOUR: u64 = 3_600;
const ENDS: &str = "certmanager_certificate_expiration_timestamp_seconds";
const RENEWS: &str = "certmanager_certificate_renewal_timestamp_seconds";
const BEGINS: &str = "x509_cert_not_before";

/// What is told beside the end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Beside {
    Renewal,
    Beginning,
    Nothing,
}

/// Metric, label and its value, seconds since 1970.
type Sample<'a> = (&'a str, (&'a str, &'a str), u64);

fn look(certificates: &mut Certificates, at: u64, samples: &[Sample<'_>]) {
    let series = samples
        .iter()
        .map(|(metric, (label, value), seconds)| Series {
            metric: (*metric).to_owned(),
            pod: None,
            labels: [((*label).to_owned(), (*value).to_owned())].into(),
            kind: MetricKind::Gauge,
            values: vec![*seconds as f64],
        });
    let at = moment(at);
    let batch = MetricBatch {
        entity: Entity::cluster_scoped(
            Cluster::parse("demo").unwrap(),
            EntityKind::Cluster,
            Name::parse("demo").unwrap(),
        ),
        source: "test".to_owned(),
        backfill: false,
        times: vec![at],
        series: series.collect(),
    };
    certificates.look((0, at), &prepare(&batch));
}

fn moment(seconds: u64) -> Timestamp {
    Timestamp::EPOCH + Duration::from_secs(seconds)
}

/// The hours for which a certificate of a life of `life` hours is due, in so many hours; it is renewed
/// when `renewed` of them have gone by, or never.
fn due(life: u64, beside: Beside, renewed: Option<u64>, hours: u64) -> Vec<u64> {
    let mut certificates = Certificates::default();
    let first = 1_700_000_000;
    let mut begun = first;
    let mut due = Vec::new();
    for hour in 0..hours {
        let at = first + hour * HOUR + 60;
        if renewed.is_some_and(|renewed| at >= begun + renewed * HOUR) {
            begun = at;
        }
        let ends = begun + life * HOUR;
        let told = match beside {
            Beside::Renewal => Some((RENEWS, begun + life * HOUR * 2 / 3)),
            Beside::Beginning => Some((BEGINS, begun)),
            Beside::Nothing => None,
        };
        let samples = [Some((ENDS, ends)), told].into_iter().flatten();
        let samples: Vec<Sample<'_>> = samples
            .map(|(metric, seconds)| (metric, ("name", "web"), seconds))
            .collect();
        look(&mut certificates, at, &samples);
        if certificates.are_due(moment(at)) {
            due.push(hour);
        }
    }
    due
}

#[test]
fn it_is_due_when_half_of_the_time_for_its_renewal_is_over() {
    let days = 24;
    for (life, beside, left) in [
        (90 * days, Beside::Renewal, 14 * days),
        (90 * days, Beside::Beginning, 14 * days),
        (90 * days, Beside::Nothing, 14 * days),
        (365 * days, Beside::Renewal, 14 * days),
        (24, Beside::Renewal, 4),
        (24, Beside::Beginning, 4),
        (6 * days, Beside::Renewal, days),
    ] {
        let due = due(life, beside, None, life);
        let first = due.first().copied().unwrap();
        assert_eq!(life - first, left, "{life} {beside:?}");
        assert_eq!(due.len() as u64, left, "and from then on");
    }
}

#[test]
fn what_is_renewed_when_a_third_is_left_is_never_due() {
    for beside in [Beside::Renewal, Beside::Beginning, Beside::Nothing] {
        for life in [24, 6 * 24, 90 * 24, 365 * 24] {
            let due = due(life, beside, Some(life * 2 / 3), 4 * life);
            // Of a short life nothing is known until the first renewal, unless somebody says so.
            let is_unknown = beside == Beside::Nothing && life < 14 * 24;
            let unknown = if is_unknown { life * 2 / 3 } else { 0 };
            assert!(due.len() as u64 <= unknown, "{life} {beside:?}: {due:?}");
        }
    }
}

#[test]
fn names_say_where_it_is_and_what_nobody_tells_of_is_forgotten() {
    let mut certificates = Certificates::default();
    let now = 1_700_000_000;
    look(
        &mut certificates,
        now,
        &[
            (
                "x509_cert_not_after",
                ("filepath", "/etc/tls/ca.crt"),
                now + 9 * HOUR,
            ),
            (
                "probe_ssl_earliest_cert_expiry",
                ("instance", "https://shop"),
                now + 5 * HOUR,
            ),
            (ENDS, ("name", "web"), 0),
            (ENDS, ("name", "old"), now - 8 * 24 * HOUR),
        ],
    );
    let named = |certificates: &Certificates, at: u64| -> Vec<String> {
        let due = certificates.due(moment(at)).into_iter();
        due.map(|blame| blame.feature).collect()
    };
    assert_eq!(
        named(&certificates, now),
        ["certificate.https://shop", "certificate./etc/tls/ca.crt"],
        "neither one that was not issued yet nor one that is long over"
    );
    look(
        &mut certificates,
        now + 2 * HOUR,
        &[(ENDS, ("name", "new"), now + 9 * HOUR)],
    );
    assert_eq!(named(&certificates, now + 2 * HOUR), ["certificate.new"]);
}

#[test]
fn many_certificates_with_long_names_take_bounded_room() {
    let now = 1_700_000_000;
    let names: Vec<String> = (0..1_000)
        .map(|n| format!("{n}{}", "\u{e9}".repeat(5_000)))
        .collect();
    let samples: Vec<Sample<'_>> = names
        .iter()
        .map(|name| (ENDS, ("name", name.as_str()), now + HOUR))
        .collect();
    let mut certificates = Certificates::default();
    look(&mut certificates, now, &samples);
    assert_eq!(certificates.0.len(), MAX_CERTIFICATES);
    let due = certificates.due(moment(now));
    assert_eq!(due.len(), MAX_SAID);
    assert!(
        due.iter()
            .all(|one| one.feature.chars().count() <= MAX_NAME + 12)
    );
}

/// cert-manager tells of all certificates of a cluster; which of them have which names says nothing.
#[test]
fn of_more_than_are_remembered_those_that_end_first_are() {
    let now = 1_700_000_000;
    let names: Vec<String> = (0..300).map(|n| format!("{n:03}")).collect();
    let samples: Vec<Sample<'_>> = (1..)
        .zip(names.iter().rev())
        .map(|(hours, name)| (ENDS, ("name", name.as_str()), now + hours * HOUR))
        .collect();
    let mut certificates = Certificates::default();
    look(&mut certificates, now, &samples);
    assert!(certificates.is_full());
    let due = certificates.due(moment(now));
    assert_eq!(due[0].feature, "certificate.299");
    assert_eq!(due[7].feature, "certificate.292");
    // None of them gives way to what is long over.
    let over = now - 30 * 24 * HOUR;
    look(&mut certificates, now, &[(ENDS, ("name", "over"), over)]);
    assert_eq!(certificates.0.len(), MAX_CERTIFICATES);
    let is_over = |one: &Certificate| one.ends < now as f64;
    assert!(!certificates.0.values().any(is_over));
}
