//! What will run out: said early, and too weak to act on alone.

use super::*;

fn runs_out(feature: &str) -> Blame {
    Blame {
        pod: Some(Name::parse("cart-1").unwrap()),
        deviation: 2.0,
        forecast: Some(Forecast {
            seconds: 2_400,
            earliest: 1_900,
            latest: 3_300,
            confidence: 840,
        }),
        ..blame(feature, 0.6, 0.5)
    }
}

/// It is far below what is near the limit; that it rises steadily is what matters.
#[test]
fn what_will_run_out_is_said_and_recommended_but_too_weak_to_act_on_alone() {
    let flood = blame("request_rate", 150.0, 100.0);
    for (feature, load, kind) in [
        ("memory_utilisation", None, Some(FailureKind::MemoryLeak)),
        ("disk_utilisation", None, Some(FailureKind::DiskPressure)),
        ("pool_utilisation", None, Some(FailureKind::Unknown)),
        // More requests than usual make it rise.
        ("memory_utilisation", Some(flood), None),
    ] {
        let mut log = Log::new();
        let cart = log.healthy("cart", 3);
        let blamed: Vec<Blame> = [runs_out(feature)].into_iter().chain(load).collect();
        let mut said = log.anomaly(&cart, AnomalyPhase::Opened, &blamed);
        said.extend(log.wait(8));
        let said = incidents(&said);
        assert_eq!(said.last().map(|incident| incident.kind), kind);
        let Some(incident) = said.last() else {
            continue;
        };
        assert_eq!(incident.severity, Severity::Warning);
        assert!(incident.confidence < 300, "{}", incident.confidence);
        let text = &incident.evidence[0].text;
        assert!(text.contains("in 40 min (32 to 55)"), "{text}");
        assert!(text.contains("confidence .84"), "{text}");
        let restarts = |one: &Recommendation| matches!(one.action, Action::RestartPod { .. });
        let restarted = incident.recommendations.first().is_some_and(restarts);
        assert_eq!(restarted, feature == "memory_utilisation");
    }
}

/// A guess neither explains what is wrong nor spoils the verdict of an act.
#[test]
fn what_will_run_out_is_no_harm() {
    let mut log = Log::new();
    let cart = log.healthy("cart", 3);
    let incident = crash(&mut log, "cart");
    log.act(&incident);
    let mut said = log.anomaly(
        &cart,
        AnomalyPhase::Opened,
        &[runs_out("memory_utilisation")],
    );
    said.extend(log.wait(3));
    let named = incidents(&said)
        .iter()
        .all(|one| one.kind == FailureKind::CrashLoop);
    assert!(named, "{said:?}");
    log.signal(&pod("cart", 1), SignalBody::Gone(Default::default()));
    log.pod("cart", 7, true, 0, None, "rev1");
    log.signal(&cart, SignalBody::Workload(state(3, 3, 1)));
    said = log.wait(20);
    assert_eq!(assessments(&said)[0].verdict, AssessmentVerdict::Verified);
}

/// Beside a harm a guess opens nothing earlier, makes no evidence fresh and no act worse.
#[test]
fn a_guess_lends_nothing_to_the_harm_beside_it() {
    let slow = blame("latency_p99", 2.0, 0.1);
    let mut log = Log::new();
    let cart = log.healthy("cart", 3);
    let both = [runs_out("memory_utilisation"), slow];
    let said = log.anomaly(&cart, AnomalyPhase::Opened, &both);
    assert!(
        incidents(&said).is_empty(),
        "a harm that may be another's waits"
    );
    let harmed = log.now;
    log.wait(4);
    let mut said = log.anomaly(&cart, AnomalyPhase::Grew, &both[..1]);
    said.extend(log.wait(8));
    for incident in incidents(&said) {
        let is_guess = incident.confidence < 300;
        assert!(
            is_guess || incident.newest_evidence <= harmed,
            "{incident:?}"
        );
    }
}

fn certificate(name: &str, left: f64) -> Blame {
    Blame {
        deviation: 0.0,
        ..blame(&format!("certificate.{name}"), left, 14.0 * 86_400.0)
    }
}

/// However busy its entity is, and however long it is until then: nobody can restart that away.
#[test]
fn a_certificate_that_ends_soon_is_told_and_nothing_is_recommended() {
    let day = 86_400.0;
    for (left, severity, text) in [
        (10.0 * day, Severity::Warning, "`shop/a.b` ends in 10 days"),
        (1.9 * day, Severity::Error, "`shop/a.b` ends in 45 h"),
        (-200.0, Severity::Error, "`shop/a.b` ended 3 min ago"),
    ] {
        let mut log = Log::new();
        let cart = log.healthy("cart", 3);
        let blamed = [
            blame("request_rate", 150.0, 100.0),
            certificate("shop/a.b", left),
            certificate("shop/c", left + day),
        ];
        let mut said = log.anomaly(&cart, AnomalyPhase::Opened, &blamed);
        said.extend(log.wait(8));
        let said = incidents(&said);
        let incident = said.last().expect("an incident");
        assert_eq!(incident.severity, severity);
        assert_eq!(incident.kind, FailureKind::Unknown);
        assert_eq!(incident.causes[0].kind, CauseKind::ExhaustedResource);
        assert!(incident.confidence < 300 && incident.recommendations.is_empty());
        let told = &incident.evidence[0].text;
        assert!(
            told.contains(text) && told.ends_with("; 1 more are due"),
            "{told}"
        );
    }
}

/// The scorer tells of so many and no more.
#[test]
fn as_many_certificates_as_are_told_of_may_be_more() {
    let day = 86_400.0;
    for (count, told) in [(7, "; 6 more are due"), (8, "; at least 7 more are due")] {
        let mut log = Log::new();
        let cart = log.healthy("cart", 3);
        let blamed: Vec<Blame> = (0..count)
            .map(|number| certificate(&format!("shop/{number}"), 5.0 * day))
            .collect();
        let mut said = log.anomaly(&cart, AnomalyPhase::Opened, &blamed);
        said.extend(log.wait(8));
        let said = incidents(&said);
        let text = &said.last().expect("an incident").evidence[0].text;
        assert!(text.ends_with(told), "{text}");
    }
}

#[test]
fn a_pool_without_a_free_connection_is_what_ran_out() {
    let pool = || blame("pool_utilisation", 1.0, 0.3);
    let slow = || blame("latency_p99", 2.0, 0.1);
    for (blamed, kind) in [
        (vec![pool()], FailureKind::Unknown),
        (vec![slow(), pool()], FailureKind::Latency),
    ] {
        let mut log = Log::new();
        let cart = log.healthy("cart", 3);
        let mut said = log.anomaly(&cart, AnomalyPhase::Opened, &blamed);
        said.extend(log.wait(8));
        let said = incidents(&said);
        let incident = said.last().expect("an incident");
        assert_eq!(incident.kind, kind);
        let cause = &incident.causes[0];
        assert_eq!(cause.kind, CauseKind::ExhaustedResource);
        let because = cause.because.join(" ");
        assert!(
            because.contains("100.0 % of the connections of its pool"),
            "{because}"
        );
        assert_eq!(incident.recommendations, []);
    }
}
