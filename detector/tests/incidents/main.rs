//! The incident core on small clusters: what is opened, blamed, recommended and judged.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its case fails"
)]

mod experience;
mod foretold;
mod log;
mod logs;
mod nodes;
mod regroup;

use std::collections::BTreeSet;

use aegis_schemas::pipeline::{Core as _, Origin};
use aegis_schemas::signal::{Calls, Change, NodeState, PodState, Terminated, WorkloadState};
use aegis_schemas::{
    Action, AnomalyPhase, Assessment, AssessmentVerdict, Blame, CauseKind, Check, CommandBody,
    Entity, EntityKind, Event, FailureKind, FeedbackVerdict, Forecast, Incident, IncidentPhase,
    Name, Outcome, OutcomePhase, Recommendation, RefusalCode, Severity, SignalBody,
};

use crate::log::*;

#[test]
fn one_crashing_replica_among_healthy_ones_is_replaced_verified_and_resolved() {
    let mut log = Log::new();
    let cart = log.healthy("cart", 3);
    let incident = crash(&mut log, "cart");
    assert_eq!(incident.phase, IncidentPhase::Opened);
    assert_eq!(incident.kind, FailureKind::CrashLoop);
    assert_eq!(incident.entity, cart);
    assert_eq!(log.act(&incident), Action::RestartPod { delete: true });

    log.signal(&pod("cart", 1), SignalBody::Gone(Default::default()));
    log.pod("cart", 7, true, 0, None, "rev1");
    log.signal(&cart, SignalBody::Workload(state(3, 3, 1)));
    let events = log.wait(20);
    assert_eq!(assessments(&events)[0].verdict, AssessmentVerdict::Verified);
    assert_eq!(incidents(&events)[0].phase, IncidentPhase::Resolved);
}

#[test]
fn new_pods_that_crash_after_a_change_are_rolled_back_to_what_proved_healthy() {
    let mut log = Log::new();
    let cart = log.healthy("cart", 3);
    log.signal(
        &cart,
        SignalBody::Change(Change {
            what: "template".to_owned(),
            by: "kubectl-edit".to_owned(),
            from: "shop:1".to_owned(),
            to: "shop:2".to_owned(),
            ..Change::default()
        }),
    );
    log.signal(&cart, SignalBody::Workload(state(3, 3, 2)));
    let events = log.pod("cart", 9, false, 1, Some("CrashLoopBackOff"), "rev2");
    let incident = incidents(&events).remove(0);
    assert_eq!(incident.kind, FailureKind::BadRollout);
    let expected = Action::Rollback {
        revision: 1,
        template_hash: "rev1".to_owned(),
    };
    assert_eq!(incident.recommendations[0].action, expected);
}

/// Whoever watches the API server may be away while somebody changes something there.
#[test]
fn a_revision_that_no_change_announced_is_a_change() {
    let by_aegis = ("aegis.dev/decision-id".to_owned(), "d1".to_owned());
    // Whether Aegis' change was announced, what the new state carries, whether the change is blamed.
    let table = [
        (false, None, true),
        (false, Some(by_aegis), false),
        (true, None, false),
    ];
    for (announced, annotation, blamed) in table {
        let mut log = Log::new();
        let cart = log.healthy("cart", 3);
        if announced {
            let change = Change {
                what: "template".to_owned(),
                by: "aegis-executor".to_owned(),
                revision: 2,
                ..Change::default()
            };
            log.signal(&cart, SignalBody::Change(change));
        }
        let mut changed = state(3, 3, 2);
        changed.annotations.extend(annotation);
        changed.managers = [("helm".to_owned(), "replicas, template".to_owned())].into();
        log.signal(&cart, SignalBody::Workload(changed.clone()));
        // Stated again, and once without its revisions, as a watch does that has not read them yet.
        let unread = WorkloadState {
            revision: 0,
            ..changed.clone()
        };
        log.signal(&cart, SignalBody::Workload(unread));
        log.signal(&cart, SignalBody::Workload(changed));
        let mut said = log.pod("cart", 9, false, 4, Some("CrashLoopBackOff"), "rev2");
        said.extend(log.wait(8));
        let incident = incidents(&said).pop().unwrap();
        assert_eq!(incident.kind == FailureKind::BadRollout, blamed);
        let why = incident.causes[0].because.join("; ");
        let told =
            "`helm` changed the template 3 s before: revision 1 (shop:1) -> revision 2 (shop:2)";
        assert_eq!(why.contains(told), blamed, "{why}");
    }
}

#[test]
fn replicas_are_asked_for_by_cpu_and_by_what_the_usual_ones_bore() {
    // The usual replicas and those of now; CPU and what it usually is, load and what is usual; the answer.
    let table = [
        // The usual load counted against six would ask for thirteen.
        ((4, 6), (0.88, 0.545), (361.6, 161.5), 9),
        // CPU has only begun to rise.
        ((4, 4), (0.81, 0.4), (300.0, 120.0), 7),
        // CPU is at its limit and says no more.
        ((4, 4), (1.0, 0.4), (400.0, 120.0), 9),
        ((2, 2), (0.81, 0.45), (200.0, 45.0), 5),
    ];
    for ((usual, from), (cpu, cpu_usual), (load, load_usual), replicas) in table {
        let mut log = Log::new();
        let cart = log.healthy("cart", usual);
        log.signal(&cart, SignalBody::Workload(state(from, from, 1)));
        log.wait(25);
        let blamed = [
            blame("cpu_utilisation", cpu, cpu_usual),
            blame("request_rate", load, load_usual),
        ];
        let incident = incidents(&log.anomaly(&cart, AnomalyPhase::Opened, &blamed)).remove(0);
        let expected = Action::Scale { replicas, from };
        assert_eq!(incident.recommendations[0].action, expected);
    }
}

#[test]
fn replicas_that_somebody_took_away_are_given_back() {
    // Who took them, how many there are now, how much the load grew; whether they are given back.
    let table = [
        ("kubectl", 2, 1.0, true),
        ("kubectl", 3, 1.0, false),
        ("aegis-executor", 2, 1.0, false),
        // More load asks for more than there were.
        ("kubectl", 2, 4.0, false),
    ];
    for (by, now, growth, given_back) in table {
        let mut log = Log::new();
        let cart = log.healthy("cart", 6);
        log.signal(
            &cart,
            SignalBody::Change(Change {
                what: "replicas".to_owned(),
                by: by.to_owned(),
                from: "6".to_owned(),
                to: "2".to_owned(),
                ..Change::default()
            }),
        );
        log.signal(&cart, SignalBody::Workload(state(now, now, 1)));
        let blamed = [
            blame("latency_p99", 0.4, 0.04),
            blame("request_rate", 100.0 * growth, 100.0),
        ];
        let mut said = log.anomaly(&cart, AnomalyPhase::Opened, &blamed);
        said.extend(log.wait(8));
        let incident = incidents(&said).pop().unwrap();
        let action = Action::Scale {
            replicas: 6,
            from: 2,
        };
        let first = incident.recommendations.first();
        assert_eq!(first.is_some_and(|one| one.action == action), given_back);
        let cause = incident.causes[0].kind;
        assert_eq!(cause == CauseKind::RecentChange, given_back, "{by} {now}");
    }
}

/// The kubelet says why it ended a pod only on the node and on the pod that it left behind.
#[test]
fn pods_that_were_evicted_for_their_nodes_disk_are_disk_pressure() {
    let mut log = Log::new();
    let cart = log.healthy("cart", 3);
    let node = Entity::cluster_scoped(
        cart.cluster.clone(),
        EntityKind::Node,
        Name::parse("node-1").unwrap(),
    );
    let evicted = |log: &mut Log| {
        let state = PodState {
            uid: "cart-9".to_owned(),
            workload: Some(cart.clone()),
            node: Some(node.name.clone()),
            phase: "Failed".to_owned(),
            ..PodState::default()
        };
        log.signal(&pod("cart", 9), SignalBody::Pod(state))
    };
    evicted(&mut log);
    let calm = log.wait(40);
    assert_eq!(incidents(&calm).len(), 0, "its controller made another");
    let pressed = NodeState {
        ready: true,
        problems: vec!["DiskPressure".to_owned()],
        ..NodeState::default()
    };
    log.signal(&node, SignalBody::Node(pressed));
    let mut said = evicted(&mut log);
    said.extend(log.wait(8));
    let incident = incidents(&said).pop().unwrap();
    assert_eq!(incident.kind, FailureKind::DiskPressure);
    assert_eq!(incident.entity, cart);
}

fn new_template(log: &mut Log, of: &Entity, by: &str, revision: i64) {
    let change = Change {
        what: "template".to_owned(),
        by: by.to_owned(),
        revision,
        ..Change::default()
    };
    log.signal(of, SignalBody::Change(change));
    log.signal(of, SignalBody::Workload(state(3, 3, revision)));
}

/// A leak shows long after its pods are ready.
#[test]
fn a_leak_of_all_pods_is_the_new_templates_and_that_of_one_is_its_own() {
    for (pod_blamed, kind) in [
        (None, FailureKind::BadRollout),
        (Some("cart-1"), FailureKind::MemoryLeak),
    ] {
        let mut log = Log::new();
        let cart = log.healthy("cart", 3);
        new_template(&mut log, &cart, "kubectl", 2);
        for number in 0..3 {
            log.pod("cart", number, true, 0, None, "rev2");
        }
        // Long enough for the template to count as healthy.
        log.wait(60);
        let blamed = Blame {
            pod: pod_blamed.map(|pod| Name::parse(pod).unwrap()),
            ..blame("memory_utilisation", 0.9, 0.4)
        };
        let mut said = log.anomaly(&cart, AnomalyPhase::Opened, &[blamed]);
        said.extend(log.wait(8));
        let incident = incidents(&said).pop().unwrap();
        assert_eq!(incident.kind, kind);
        let rolls_back = matches!(
            incident.recommendations[0].action,
            Action::Rollback { revision: 1, .. }
        );
        assert_eq!(rolls_back, kind == FailureKind::BadRollout);
    }
}

/// A fix is on its way, and a pod of before it dies of what it mends.
#[test]
fn old_pods_that_run_out_of_memory_are_no_fault_of_the_new_template() {
    let mut log = Log::new();
    let cart = log.healthy("cart", 3);
    new_template(&mut log, &cart, "kubectl", 2);
    let killed = PodState {
        uid: "cart-1-rev1".to_owned(),
        workload: Some(cart),
        phase: "Running".to_owned(),
        restarts: 1,
        waiting: Some("CrashLoopBackOff".to_owned()),
        terminated: Some(Terminated {
            reason: "OOMKilled".to_owned(),
            ..Terminated::default()
        }),
        template_hash: "rev1".to_owned(),
        ..PodState::default()
    };
    let mut said = log.signal(&pod("cart", 1), SignalBody::Pod(killed));
    said.extend(log.wait(8));
    let incident = incidents(&said).pop().unwrap();
    assert_eq!(incident.kind, FailureKind::MemoryLeak);
    let rolls_back = |one: &Recommendation| matches!(one.action, Action::Rollback { .. });
    assert!(!incident.recommendations.iter().any(rolls_back));
}

/// As those of a StatefulSet, whose controller waits for them.
#[test]
fn pods_that_outlive_the_template_that_was_taken_back_are_its_fault_still() {
    let mut log = Log::new();
    let cart = log.healthy("cart", 3);
    new_template(&mut log, &cart, "kubectl", 2);
    let events = log.pod("cart", 2, false, 4, Some("CrashLoopBackOff"), "rev2");
    let opened = incidents(&events).remove(0);
    assert_eq!(opened.kind, FailureKind::BadRollout);
    assert!(!opened.recommendations.is_empty());
    new_template(&mut log, &cart, "aegis-executor", 3);
    let said = incidents(&log.wait(40)).pop().unwrap();
    assert_eq!(said.kind, FailureKind::BadRollout);
    assert_eq!(said.causes[0].kind, CauseKind::RecentChange);
    assert!(said.recommendations.is_empty(), "it was taken back");
}

#[test]
fn load_that_fills_the_cpu_is_scaled_out_and_noise_does_not_move_the_number() {
    let mut log = Log::new();
    let cart = log.healthy("cart", 3);
    let load = |cpu: f64| {
        [
            blame("cpu_utilisation", cpu, 0.4),
            blame("request_rate", 300.0, 120.0),
        ]
    };
    let opened = incidents(&log.anomaly(&cart, AnomalyPhase::Opened, &load(0.95))).remove(0);
    assert_eq!(opened.kind, FailureKind::LoadSpike);
    let first = opened.recommendations[0].action.clone();
    assert!(matches!(first, Action::Scale { from: 3, replicas } if replicas > 3));
    log.anomaly(&cart, AnomalyPhase::Grew, &load(0.98));
    let said = incidents(&log.wait(40));
    assert!(!said.is_empty(), "it is said again while it lasts");
    assert!(
        said.iter()
            .all(|incident| incident.recommendations[0].action == first)
    );
}

#[test]
fn failing_callers_are_led_back_to_the_callee_that_fails_them() {
    let mut log = Log::new();
    let (front, back) = (log.healthy("front", 2), log.healthy("back", 2));
    let callees = vec![back.clone()];
    log.signal(&front, SignalBody::Calls(Calls { callees }));
    let mut said = log.anomaly(
        &front,
        AnomalyPhase::Opened,
        &[
            blame("error_ratio", 0.3, 0.001),
            blame("call_error_ratio.back", 0.3, 0.0),
        ],
    );
    said.extend(log.anomaly(
        &back,
        AnomalyPhase::Opened,
        &[blame("error_ratio", 0.3, 0.001)],
    ));
    said.extend(log.wait(8));
    let opened: Vec<Incident> = incidents(&said)
        .into_iter()
        .filter(|incident| incident.phase == IncidentPhase::Opened)
        .collect();
    assert_eq!(opened.len(), 1);
    assert_eq!(opened[0].entity, back);
    assert_eq!(opened[0].affected, [back, front]);
}

/// Samples that were made anew count from 1 again. Who scores them says nothing more of earlier episodes.
#[test]
fn what_is_said_of_samples_that_were_made_anew_is_heard_and_earlier_episodes_are_over() {
    let mut log = Log::new();
    let (cart, web) = (log.healthy("cart", 3), log.healthy("web", 3));
    let load = [
        blame("cpu_utilisation", 0.95, 0.4),
        blame("request_rate", 300.0, 120.0),
    ];
    let scored = |log: &mut Log, epoch, cause_seq, entity| {
        log.origin = Some(Origin {
            producer: "scorer/0".to_owned(),
            epoch: Some(epoch),
            cause_seq,
            ordinal: 0,
        });
        incidents(&log.anomaly(entity, AnomalyPhase::Opened, &load))
    };
    let before = scored(&mut log, 1, 900, &cart);
    assert_eq!(before[0].entity, cart);
    assert_eq!(scored(&mut log, 1, 900, &web), [], "said twice");
    let after = scored(&mut log, 2, 1, &web);
    assert!(after.iter().any(|incident| incident.entity == web));
    let resolved = |incident: &Incident| incident.phase == IncidentPhase::Resolved;
    let over: Vec<_> = incidents(&log.wait(40))
        .into_iter()
        .filter(resolved)
        .collect();
    assert!(
        over.iter().any(|incident| incident.entity == cart),
        "{over:?}"
    );
    assert!(
        over.iter().all(|incident| incident.entity != web),
        "{over:?}"
    );
}

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
fn what_an_operator_calls_no_problem_is_left_alone() {
    let mut log = Log::new();
    log.healthy("cart", 3);
    let incident = crash(&mut log, "cart");
    log.command(CommandBody::Feedback {
        incident: incident.incident,
        verdict: FeedbackVerdict::NotAProblem,
    });
    let said = incidents(&log.wait(60));
    assert!(
        said.iter()
            .all(|incident| incident.phase == IncidentPhase::Resolved)
    );
}

#[test]
fn a_core_restored_from_its_snapshot_says_the_same_bytes() {
    let story = |cut: Option<usize>| {
        let mut log = Log::new();
        log.healthy("cart", 3);
        let incident = crash(&mut log, "cart");
        if cut.is_some() {
            let bytes = aegis_schemas::codec::encode(&log.core.state()).unwrap();
            let mut fresh = Log::new().core;
            fresh.restore(aegis_schemas::codec::decode(&bytes).unwrap());
            log.core = fresh;
        }
        log.act(&incident);
        log.wait(70);
        log.said
    };
    let whole = story(None);
    assert!(whole.len() > 3);
    assert_eq!(whole, story(Some(1)));
}

#[test]
fn a_change_of_configuration_before_all_pods_crash_is_the_first_cause_and_nothing_is_restarted() {
    let mut log = Log::new();
    let web = log.healthy("web", 3);
    log.signal(
        &web,
        SignalBody::Change(Change {
            what: "configuration".to_owned(),
            by: "deployer".to_owned(),
            from: "web-config at 1".to_owned(),
            to: "web-config at 2".to_owned(),
            ..Change::default()
        }),
    );
    let mut said = Vec::new();
    for number in 0..3 {
        said.extend(log.pod("web", number, false, 3, Some("CrashLoopBackOff"), "rev1"));
    }
    said.extend(log.wait(15));
    let incident = incidents(&said).pop().unwrap();
    assert_eq!(incident.causes[0].kind, CauseKind::RecentChange);
    assert!(
        incident.causes[0]
            .because
            .iter()
            .any(|why| why.contains("web-config at 2"))
    );
    let against =
        |recommendation: &aegis_schemas::Recommendation| recommendation.against.is_empty();
    assert!(
        !incident.recommendations.iter().any(against),
        "{:#?}",
        incident.recommendations
    );
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

#[test]
fn what_publishers_say_of_workloads_that_nobody_knows_is_bounded() {
    let mut log = Log::new();
    let cart = log.healthy("cart", 1);
    let size = |log: &Log| format!("{:?}", log.core.state()).len();
    let callees: Vec<Entity> = (0..1_000).map(|n| workload(&format!("c{n}"))).collect();
    let calls = |callees: &[Entity]| {
        SignalBody::Calls(Calls {
            callees: callees.to_vec(),
        })
    };
    log.signal(&cart, calls(&callees[..256]));
    let bounded = size(&log);
    log.signal(&cart, calls(&callees));
    assert!(
        size(&log) <= bounded + 64,
        "callees beyond the cap are left out"
    );
    log.signal(&pod("cart", 9), calls(&callees));
    assert!(size(&log) <= bounded + 64, "a pod is no workload");

    let change = || {
        SignalBody::Change(Change {
            what: "template".to_owned(),
            ..Change::default()
        })
    };
    for number in 0..2_000 {
        log.signal(&workload(&format!("w{number:04}")), change());
    }
    let full = size(&log);
    for number in 2_000..2_100 {
        log.signal(&workload(&format!("w{number:04}")), change());
    }
    assert!(size(&log) <= full + 64, "no more of them");
    let other = log.healthy("other", 1);
    let before = size(&log);
    log.signal(&other, change());
    assert!(
        size(&log) > before + 64,
        "a known workload is still told of"
    );
}

#[test]
fn nobody_changed_the_template_is_said_only_when_nobody_did() {
    for changed in [false, true] {
        let mut log = Log::new();
        let cart = log.healthy("cart", 3);
        if changed {
            log.signal(
                &cart,
                SignalBody::Change(Change {
                    what: "template".to_owned(),
                    by: "kubectl-edit".to_owned(),
                    ..Change::default()
                }),
            );
            log.signal(&cart, SignalBody::Workload(state(3, 3, 2)));
        }
        // A pod of the first template.
        let mut said = log.pod("cart", 1, false, 4, Some("CrashLoopBackOff"), "rev1");
        said.extend(log.wait(8));
        let incident = incidents(&said).pop().unwrap();
        assert_eq!(incident.kind, FailureKind::CrashLoop);
        let why = incident.causes[0].because.join("; ");
        assert_eq!(why.contains("nobody changed"), !changed, "{why}");
    }
}
