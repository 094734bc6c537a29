//! How many replicas are asked for.

use super::*;

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
