//! What a log says: told, and never acted on.

use super::*;

fn errors(value: f64, expected: f64) -> Vec<Blame> {
    let template = "log_template.error.connection refused to db.shop:<*>";
    vec![
        blame("log_rate.error", value, expected),
        blame(template, value, 0.0),
    ]
}

/// What is said of cart when its log says so beside `more`.
fn said(blamed: &[Blame], seconds: u64) -> Vec<Incident> {
    let mut log = Log::new();
    let cart = log.healthy("cart", 3);
    let mut said = log.anomaly(&cart, AnomalyPhase::Opened, blamed);
    said.extend(log.wait(seconds));
    incidents(&said)
}

#[test]
fn far_more_errors_in_the_log_are_told_in_words_after_a_while_and_nothing_is_recommended() {
    let blamed = errors(12.0, 0.1);
    assert_eq!(said(&blamed, 1), [], "a callee may be about to show");
    let told = said(&blamed, 20);
    let incident = told.last().expect("an incident");
    assert_eq!(incident.kind, FailureKind::Unknown);
    assert_eq!(incident.severity, Severity::Warning);
    assert!(incident.confidence < 300 && incident.recommendations.is_empty());
    assert_eq!(
        incident.evidence[0].text,
        "errors in the log 12/s, usually 0.1/s: `connection refused to db.shop:<*>`, never before"
    );
}

#[test]
fn a_log_that_grows_with_the_requests_or_a_little_is_nothing() {
    let with_load = [errors(12.0, 1.0), vec![blame("request_rate", 400.0, 100.0)]].concat();
    for blamed in [with_load, errors(0.4, 0.0), errors(12.0, 3.0)] {
        assert_eq!(said(&blamed, 20), []);
    }
    let beyond_load = [errors(40.0, 1.0), vec![blame("request_rate", 400.0, 100.0)]].concat();
    assert!(!said(&beyond_load, 20).is_empty());
}

#[test]
fn errors_in_the_log_of_a_caller_are_evidence_in_the_incident_of_the_callee_that_fails_it() {
    let mut log = Log::new();
    let (front, back) = (log.healthy("front", 2), log.healthy("back", 2));
    let callees = vec![back.clone()];
    log.signal(&front, SignalBody::Calls(Calls { callees }));
    let mut said = log.anomaly(&front, AnomalyPhase::Opened, &errors(12.0, 0.1));
    let failing = [blame("error_ratio", 0.3, 0.001)];
    said.extend(log.anomaly(&back, AnomalyPhase::Opened, &failing));
    said.extend(log.wait(20));
    let said = incidents(&said);
    let incident = said.last().expect("an incident");
    assert!(said.iter().all(|one| one.entity == back), "{said:?}");
    let of_front = incident.evidence.iter().find(|one| one.entity == front);
    assert!(of_front.is_some_and(|one| one.text.contains("errors in the log")));
}

#[test]
fn what_a_new_pod_logs_does_not_spoil_the_verdict_of_an_act() {
    let mut log = Log::new();
    let cart = log.healthy("cart", 3);
    let incident = crash(&mut log, "cart");
    log.act(&incident);
    log.anomaly(&cart, AnomalyPhase::Opened, &errors(12.0, 0.1));
    log.signal(&pod("cart", 1), SignalBody::Gone(Default::default()));
    log.pod("cart", 7, true, 0, None, "rev1");
    log.signal(&cart, SignalBody::Workload(state(3, 3, 1)));
    let said = log.wait(20);
    assert_eq!(assessments(&said)[0].verdict, AssessmentVerdict::Verified);
}
