//! Templates that somebody changed, and pods that outlive them.

use super::*;

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
