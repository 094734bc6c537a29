//! What became of acts, and what operators said, weighs on what is said next.

use aegis_schemas::pipeline::Core as _;
use aegis_schemas::{
    AnomalyPhase, AssessmentVerdict, CommandBody, Entity, Event, FailureKind, FeedbackVerdict,
    Incident, IncidentId, IncidentPhase, SignalBody,
};

use crate::log::{Log, assessments, blame, crash, incidents, pod, state, workload};

fn say(log: &mut Log, incident: IncidentId, verdict: FeedbackVerdict) -> Vec<Event> {
    log.command(CommandBody::Feedback { incident, verdict })
}

/// One replica of a new workload crashes; whether the act against it helps.
fn crash_and_act(log: &mut Log, of: &str, helps: bool) -> Incident {
    log.healthy(of, 3);
    let incident = crash(log, of);
    log.act(&incident);
    if helps {
        log.signal(&pod(of, 1), SignalBody::Gone(Default::default()));
        log.pod(of, 7, true, 0, None, "rev1");
        log.signal(&workload(of), SignalBody::Workload(state(3, 3, 1)));
    }
    let verdict = assessments(&log.wait(70))[0].verdict;
    assert_eq!(verdict == AssessmentVerdict::Verified, helps);
    incident
}

#[test]
fn an_act_that_failed_in_such_cases_is_less_sure_and_at_last_left_to_people() {
    let mut log = Log::new();
    let sure: Vec<(u16, bool)> = ["a", "b", "c", "d", "e"]
        .map(|of| {
            let incident = crash_and_act(&mut log, of, false);
            let act = &incident.recommendations[0];
            (act.confidence, act.against.is_empty())
        })
        .to_vec();
    // The upper ends of Wilson's 95 % intervals of 0 of 1, 2, 3 and 4.
    let expected = [
        (900, true),
        (793, true),
        (658, true),
        (562, true),
        (490, false),
    ];
    assert_eq!(sure, expected);
}

#[test]
fn one_workload_that_nothing_helps_speaks_for_itself_only() {
    let mut log = Log::new();
    log.healthy("a", 3);
    for _ in 0..6 {
        let incident = crash(&mut log, "a");
        log.act(&incident);
        assert_eq!(
            assessments(&log.wait(70))[0].verdict,
            AssessmentVerdict::Ineffective
        );
        log.pod("a", 1, true, 4, None, "rev1");
        log.signal(&workload("a"), SignalBody::Workload(state(3, 3, 1)));
        // Longer than an incident that is over is taken up again.
        log.wait(900);
    }
    log.healthy("b", 3);
    let act = crash(&mut log, "b").recommendations.remove(0);
    assert_eq!((act.confidence, act.against.len()), (793, 0));
}

#[test]
fn acts_that_helped_are_told_and_open_nothing_that_the_diagnosis_does_not() {
    let mut log = Log::new();
    for of in ["a", "b", "c"] {
        crash_and_act(&mut log, of, true);
    }
    log.healthy("d", 3);
    let act = crash(&mut log, "d").recommendations.remove(0);
    assert_eq!(act.confidence, 900);
    let told = "of late it helped in 3 of 3 such workloads";
    assert!(act.because.iter().any(|why| why == told), "{act:#?}");
}

#[test]
fn what_operators_call_wrong_is_less_sure_until_they_take_it_back() {
    let mut log = Log::new();
    let mut said = Vec::new();
    for of in ["a", "b", "c"] {
        log.healthy(of, 3);
        let incident = crash(&mut log, of);
        say(&mut log, incident.incident, FeedbackVerdict::WrongCause);
        // Once more, and by somebody else: it is one incident.
        say(&mut log, incident.incident, FeedbackVerdict::WrongCause);
        said.push(incident.incident);
    }
    log.healthy("d", 3);
    let doubted = crash(&mut log, "d");
    assert_eq!(doubted.kind, FailureKind::CrashLoop);
    assert_eq!(doubted.confidence, 562);
    assert_eq!(doubted.recommendations[0].confidence, 562);
    let why = doubted.causes[0].because.join("; ");
    assert!(why.contains("0 of 3 such diagnoses right"), "{why}");

    for incident in said {
        say(&mut log, incident, FeedbackVerdict::Withdrawn);
    }
    log.healthy("e", 3);
    assert_eq!(crash(&mut log, "e").confidence, 900);
}

/// Answers that are errors, for as long as that takes to become an incident and for it to end.
fn errors(log: &mut Log, of: &Entity, ratio: f64) -> Vec<Incident> {
    let errors = [blame("error_ratio", ratio, 0.001)];
    let mut said = log.anomaly(of, AnomalyPhase::Opened, &errors);
    said.extend(log.wait(10));
    said.extend(log.anomaly(of, AnomalyPhase::Closed, &[]));
    said.extend(log.wait(200));
    incidents(&said)
}

#[test]
fn what_was_called_no_problem_must_be_worse_the_next_time_until_that_is_taken_back() {
    let mut log = Log::new();
    let cart = log.healthy("cart", 3);
    let other = log.healthy("other", 3);
    let first = errors(&mut log, &cart, 0.04).remove(0);
    say(&mut log, first.incident, FeedbackVerdict::NotAProblem);
    assert_eq!(errors(&mut log, &cart, 0.04), Vec::new());
    assert!(!errors(&mut log, &other, 0.04).is_empty(), "only that one");
    let worse = errors(&mut log, &cart, 0.06).remove(0);
    let why = worse.causes[0].because.join("; ");
    assert!(why.contains("1.5 times"), "{why}");
    // Limits that are reached, and more requests than usual, are no matter of opinion.
    let full = [
        blame("cpu_utilisation", 0.95, 0.4),
        blame("request_rate", 300.0, 120.0),
    ];
    let mut said = log.anomaly(&cart, AnomalyPhase::Opened, &full);
    said.extend(log.wait(2));
    let spike = incidents(&said).pop().unwrap();
    assert_eq!(spike.kind, FailureKind::LoadSpike);
    log.anomaly(&cart, AnomalyPhase::Closed, &[]);
    log.wait(200);

    say(&mut log, first.incident, FeedbackVerdict::Withdrawn);
    assert!(!errors(&mut log, &cart, 0.04).is_empty());
}

#[test]
fn an_opinion_that_is_taken_back_ends_the_silence() {
    let mut log = Log::new();
    log.healthy("cart", 3);
    let incident = crash(&mut log, "cart").incident;
    say(&mut log, incident, FeedbackVerdict::NotAProblem);
    log.wait(5);
    let said = incidents(&say(&mut log, incident, FeedbackVerdict::Withdrawn));
    assert!(
        said.iter().any(|one| one.phase == IncidentPhase::Opened),
        "{said:#?}"
    );
}

#[test]
fn experience_is_bounded_and_survives_a_restart() {
    let mut log = Log::new();
    for number in 0..52 {
        crash_and_act(&mut log, &format!("w{number}"), false);
    }
    let bytes = aegis_schemas::codec::encode(&log.core.state()).unwrap();
    let mut fresh = Log::new().core;
    fresh.restore(aegis_schemas::codec::decode(&bytes).unwrap());
    log.core = fresh;
    log.healthy("last", 3);
    let act = crash(&mut log, "last").recommendations.remove(0);
    assert_eq!(act.against, ["of late it helped in 0 of 50 such workloads"]);
}
