//! What an act came to, and what is said of its incident meanwhile.

use super::*;

/// `front` is scaled out; what `then` does to `back`, which it calls, while that is judged.
fn judged_beside(then: impl Fn(&mut Log, &Entity)) -> Assessment {
    let mut log = Log::new();
    let (front, back) = (log.healthy("front", 3), log.healthy("back", 3));
    let callees = vec![back.clone()];
    log.signal(&front, SignalBody::Calls(Calls { callees }));
    let cpu = [
        blame("cpu_utilisation", 0.95, 0.4),
        blame("request_rate", 300.0, 120.0),
    ];
    let opened = incidents(&log.anomaly(&front, AnomalyPhase::Opened, &cpu)).remove(0);
    log.act(&opened);
    log.anomaly(&front, AnomalyPhase::Closed, &[]);
    log.signal(
        &front,
        SignalBody::Workload(WorkloadState {
            generation: 2,
            observed_generation: 2,
            ..state(6, 6, 1)
        }),
    );
    log.wait(1);
    then(&mut log, &back);
    assessments(&log.wait(10)).remove(0)
}

#[test]
fn an_act_that_makes_a_neighbour_worse_has_regressed() {
    let verdict = judged_beside(|log, back| {
        let errors = [blame("error_ratio", 0.4, 0.001)];
        log.anomaly(back, AnomalyPhase::Opened, &errors);
    });
    assert_eq!(verdict.verdict, AssessmentVerdict::Regressed);
    let neighbours = |check: &Check| check.name == "neighbours" && !check.held;
    assert!(verdict.checks.iter().any(neighbours));
}

#[test]
fn what_somebody_rolls_out_at_a_neighbour_is_no_fault_of_the_act() {
    for (rolled_out, verdict) in [
        (true, AssessmentVerdict::Verified),
        (false, AssessmentVerdict::Regressed),
    ] {
        let judged = judged_beside(|log, back| {
            if rolled_out {
                new_template(log, back, "kubectl", 2);
            }
            log.pod("back", 1, false, 4, Some("CrashLoopBackOff"), "rev2");
        });
        assert_eq!(judged.verdict, verdict, "{judged:#?}");
    }
}

#[test]
fn an_act_that_changes_nothing_is_ineffective() {
    let mut log = Log::new();
    log.healthy("cart", 3);
    let incident = crash(&mut log, "cart");
    log.act(&incident);
    let verdicts = assessments(&log.wait(70));
    assert_eq!(verdicts[0].verdict, AssessmentVerdict::Ineffective);
}

#[test]
fn an_act_is_judged_however_late_its_outcome_comes_and_even_when_its_decision_is_lost() {
    let refused = |outcome: &Outcome| Outcome {
        phase: OutcomePhase::Refused,
        code: Some(RefusalCode::Replayed),
        ..outcome.clone()
    };
    // Whether the decision was heard of, how long the outcome took, what was said of it, whether a
    // verdict follows.
    type Said = fn(&Outcome, &dyn Fn(&Outcome) -> Outcome) -> Vec<Outcome>;
    let table: [(bool, u64, Said, usize); 6] = [
        (true, 1, |done, _| vec![done.clone()], 1),
        (true, 400, |done, _| vec![done.clone()], 1),
        (false, 1, |done, _| vec![done.clone()], 1),
        (true, 1, |done, refused| vec![refused(done)], 0),
        (
            true,
            1,
            |done, refused| vec![done.clone(), refused(done)],
            1,
        ),
        (true, 1, |done, _| vec![done.clone(), done.clone()], 1),
    ];
    for (number, (heard, late, said, verdicts)) in table.into_iter().enumerate() {
        let mut log = Log::new();
        log.healthy("cart", 3);
        let incident = crash(&mut log, "cart");
        let outcome = if heard {
            log.allow(&incident)
        } else {
            log.decide(&incident).1
        };
        log.wait(late);
        for one in said(&outcome, &refused) {
            log.event(Event::Outcome(one));
        }
        let judged = assessments(&log.wait(70));
        assert_eq!(judged.len(), verdicts, "case {number}");
        for assessment in judged {
            assert_eq!(assessment.decision, outcome.decision);
            assert_eq!(assessment.incident, Some(incident.incident));
            assert_eq!(Some(assessment.target), outcome.target);
        }
        // Said once more after a crash of the executor: it is judged once.
        if verdicts > 0 {
            log.event(Event::Outcome(outcome));
            assert_eq!(log.core.stats().acts, 0, "case {number}");
        }
    }
}

/// What an act does is seen now and then before the executor has said that it is done.
#[test]
fn the_diagnosis_stands_from_the_decision_on_until_the_act_is_judged_or_was_never_begun() {
    let opened = |log: &mut Log| {
        let cart = log.healthy("cart", 3);
        new_template(log, &cart, "kubectl-edit", 2);
        let events = log.pod("cart", 9, false, 1, Some("CrashLoopBackOff"), "rev2");
        incidents(&events).remove(0)
    };
    // What is seen of a rollback: the new template, while pods of the one before are still there.
    let seen = |log: &mut Log, incident: &Incident| {
        let mut said = log.signal(&incident.entity, SignalBody::Workload(state(3, 3, 3)));
        said.extend(log.pod("cart", 9, false, 3, Some("CrashLoopBackOff"), "rev2"));
        said.extend(log.wait(40));
        incidents(&said)
    };
    let mut log = Log::new();
    let incident = opened(&mut log);
    let renamed = seen(&mut log, &incident).pop().unwrap();
    assert_ne!(renamed.summary, incident.summary, "nobody acts");

    let mut log = Log::new();
    let incident = opened(&mut log);
    let outcome = log.allow(&incident);
    let held = seen(&mut log, &incident);
    assert!(!held.is_empty());
    for said in held {
        assert_eq!(said.summary, incident.summary);
        assert_eq!(said.recommendations, incident.recommendations);
    }
    let refused = Outcome {
        phase: OutcomePhase::Refused,
        code: Some(RefusalCode::Stale),
        ..outcome
    };
    let mut said = log.event(Event::Outcome(refused));
    said.extend(log.pod("cart", 9, false, 4, Some("CrashLoopBackOff"), "rev2"));
    said.extend(log.wait(40));
    assert_eq!(incidents(&said).pop().unwrap().summary, renamed.summary);

    // The executor is away: no warrant is good for ever.
    let mut log = Log::new();
    let incident = opened(&mut log);
    log.allow(&incident);
    seen(&mut log, &incident);
    let said = log.wait(60);
    assert_eq!(incidents(&said).pop().unwrap().summary, renamed.summary);

    // What is opened since is named by what is seen of it.
    let mut log = Log::new();
    log.healthy("web", 3);
    let asked = Incident {
        entity: workload("cart"),
        ..crash(&mut log, "web")
    };
    log.healthy("cart", 3);
    let (mut warrant, _) = log.decide(&asked);
    warrant.target.object.workload = workload("cart");
    log.event(Event::Warrant(signed(&warrant)));
    let incident = opened(&mut log);
    let renamed = seen(&mut log, &incident).pop().unwrap();
    assert_ne!(renamed.summary, incident.summary);
}

#[test]
fn acts_that_nobody_hears_of_make_room_for_new_ones() {
    let mut log = Log::new();
    log.healthy("cart", 3);
    let incident = crash(&mut log, "cart");
    let first = log.allow(&incident);
    for _ in 0..1_000 {
        log.allow(&incident);
    }
    assert_eq!(log.core.stats().acts, 1_000);
    log.event(Event::Outcome(first));
    assert_eq!(assessments(&log.wait(70)).len(), 1);
}
