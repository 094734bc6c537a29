//! A storm: when it begins, what it stops, and when it is over.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its case fails"
)]

mod log;

use std::time::Duration;

use aegis_policy::Core;
use aegis_schemas::pipeline::Core as _;
use aegis_schemas::signal::{Gone, NodeState, Sync, SyncPhase};
use aegis_schemas::{
    Action, AssessmentVerdict, CommandBody, Entity, EntityKind, Incident, IncidentPhase, Mode,
    Severity, SignalBody, Verdict, codec,
};
use log::{Answer, Log, cluster, incident, keys, person, scale, target, workload};

/// A log on which the first `known` of the workloads `w0`, `w1`, … are known, besides the usual three.
fn log_of(known: usize) -> Log {
    let mut log = Log::new();
    for number in 0..known - 3 {
        log.workload(
            &format!("w{number}"),
            3,
            3,
            1,
            &[("aegis.dev/managed", "true")],
        );
    }
    log
}

/// A workload's incident that policy says nothing to, opened now.
fn sick(log: &Log, name: &str) -> Incident {
    Incident {
        severity: Severity::Warning,
        opened: log.now,
        ..incident(name, Vec::new())
    }
}

/// The workloads `w0`, `w1`, … of that many get sick now.
fn fall_sick(log: &mut Log, many: usize) {
    for number in 0..many {
        let incident = sick(log, &format!("w{number}"));
        assert!(log.incident(&incident).is_silent());
    }
}

/// The incidents of those workloads are over.
fn recover(log: &mut Log, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let mut incident = sick(log, &format!("w{number}"));
        incident.phase = IncidentPhase::Resolved;
        assert!(log.incident(&incident).is_silent());
    }
}

/// An act on `cart`, whose incident was opened long ago.
fn act(log: &mut Log) -> Answer {
    log.incident(&Incident {
        phase: IncidentPhase::Updated,
        opened: log.now - Duration::from_secs(3_600),
        ..incident("cart", vec![scale("cart", 4, 6)])
    })
}

fn node(log: &mut Log, number: u32, ready: bool) {
    let state = NodeState {
        ready,
        ..NodeState::default()
    };
    log.signal(&node_entity(number), SignalBody::Node(state));
}

fn node_entity(number: u32) -> Entity {
    let name = format!("n{number}").parse().unwrap();
    Entity::cluster_scoped(cluster(), EntityKind::Node, name)
}

/// There are that many nodes, and the first `failed` of them are not ready any more.
fn nodes(log: &mut Log, nodes: u32, failed: u32) {
    for number in 0..nodes {
        node(log, number, true);
    }
    for number in 0..failed {
        node(log, number, false);
    }
}

#[test]
fn many_and_more_than_their_share_are_a_storm() {
    for (known, sick, storm) in [
        (20, 9, false),
        (20, 10, true),
        (49, 10, true),
        (50, 10, false),
        (50, 11, true),
        (200, 10, false),
    ] {
        let mut log = log_of(known);
        fall_sick(&mut log, sick);
        let stands = log.core.stats().storm;
        assert_eq!(stands.is_some(), storm, "{sick} of {known}");
        let answer = act(&mut log);
        if storm {
            let decision = answer.is(Verdict::Ask, "storm");
            let text = format!("{sick} of {known} workloads fell sick within 2 min");
            assert_eq!(decision.reasons[0].text, text);
            let flip = "approve it, or wait until it has been below half for 10 min";
            assert_eq!(decision.flip.as_deref(), Some(flip));
            assert!(act(&mut log).is_silent(), "said once");
        } else {
            answer.warrant();
        }
    }
}

#[test]
fn many_nodes_that_are_not_ready_are_a_storm() {
    for (nodes, failed, storm) in [(5, 2, false), (6, 3, true), (10, 3, false), (10, 4, true)] {
        let mut log = Log::new();
        self::nodes(&mut log, nodes, failed);
        let answer = act(&mut log);
        if storm {
            let decision = answer.is(Verdict::Ask, "storm");
            let text = format!("{failed} of {nodes} nodes were not ready");
            assert_eq!(decision.reasons[0].text, text);
        } else {
            answer.warrant();
        }
    }
}

#[test]
fn nodes_that_are_gone_or_join_do_not_count() {
    let gone = |log: &mut Log| {
        log.signal(&node_entity(0), SignalBody::Gone(Gone::default()));
    };
    let unsaid = |log: &mut Log| {
        let demo: Entity = "demo/cluster/demo".parse().unwrap();
        let sync = |phase| {
            SignalBody::Sync(Sync {
                phase,
                round: 1,
                kinds: vec![EntityKind::Node],
            })
        };
        log.signal(&demo, sync(SyncPhase::Begin));
        for number in 1..6 {
            node(log, number, number >= 3);
        }
        log.signal(&demo, sync(SyncPhase::End));
    };
    let joins = |log: &mut Log| {
        node(log, 0, true);
        for number in 6..9 {
            node(log, number, false);
        }
    };
    for change in [gone as fn(&mut Log), unsaid, joins] {
        let mut log = Log::new();
        nodes(&mut log, 6, 3);
        change(&mut log);
        act(&mut log).warrant();
    }
}

#[test]
fn what_is_not_newly_sick_for_a_reason_of_its_own_does_not_count() {
    /// Says ten incidents in some way; they are no storm.
    type Way = fn(&mut Log);
    let table: [(&str, Way); 7] = [
        ("one after the other", |log| {
            for number in 0..10 {
                let incident = sick(log, &format!("w{number}"));
                log.incident(&incident);
                log.wait(20);
            }
        }),
        ("opened long ago, first heard of now", |log| {
            for number in 0..10 {
                let mut incident = sick(log, &format!("w{number}"));
                incident.phase = IncidentPhase::Updated;
                incident.opened = log.now - Duration::from_secs(300);
                log.incident(&incident);
            }
        }),
        ("never well since they are known", |log| {
            for number in 0..10 {
                let name = format!("broken{number}");
                log.workload(&name, 3, 2, 1, &[("aegis.dev/managed", "true")]);
                let incident = sick(log, &name);
                log.incident(&incident);
            }
        }),
        ("nine said again and again", |log| {
            fall_sick(log, 9);
            let phase = IncidentPhase::Updated;
            for number in 0..9 {
                let mut incident = sick(log, &format!("w{number}"));
                incident.phase = phase;
                log.incident(&incident);
            }
        }),
        ("two incidents of one root", |log| {
            fall_sick(log, 9);
            let mut other = sick(log, "another");
            other.entity = workload("w0");
            log.incident(&other);
        }),
        ("one was taken in by another", |log| {
            fall_sick(log, 9);
            let mut grown = sick(log, "w1");
            grown.affected.push(workload("w0"));
            log.incident(&grown);
            recover(log, 0..1);
            let more = sick(log, "w9");
            log.incident(&more);
        }),
        ("one is no workload that is known", |log| {
            fall_sick(log, 9);
            let stranger = sick(log, "stranger");
            log.incident(&stranger);
        }),
    ];
    for (name, way) in table {
        let mut log = log_of(20);
        way(&mut log);
        assert_eq!(log.core.stats().storm, None, "{name}");
        act(&mut log).warrant();
    }
}

#[test]
fn what_got_sick_counts_though_it_is_well_again() {
    let mut log = log_of(20);
    fall_sick(&mut log, 9);
    recover(&mut log, 0..9);
    act(&mut log).warrant();
    let more = sick(&log, "w9");
    log.incident(&more);
    let web = incident("web", vec![scale("web", 10, 12)]);
    log.incident(&web).is(Verdict::Ask, "storm");
}

#[test]
fn what_comes_back_falls_anew() {
    let mut log = log_of(20);
    let mut opened = Vec::new();
    for number in 0..10 {
        let incident = sick(&log, &format!("w{number}"));
        log.incident(&incident);
        opened.push(incident);
        log.wait(20);
    }
    recover(&mut log, 0..10);
    log.wait(120);
    assert_eq!(log.core.stats().storm, None);
    for incident in opened {
        log.incident(&incident);
    }
    act(&mut log).is(Verdict::Ask, "storm");
}

#[test]
fn a_storm_is_over_after_ten_calm_minutes_and_not_before() {
    let mut log = Log::new();
    nodes(&mut log, 6, 3);
    act(&mut log).is(Verdict::Ask, "storm");
    // One of six is calm, two are half of what makes a storm.
    node(&mut log, 0, true);
    node(&mut log, 1, true);
    log.wait(400);
    node(&mut log, 1, false);
    log.wait(5);
    node(&mut log, 1, true);
    // From this heartbeat on.
    log.wait(5);
    log.wait(570);
    log.wait(25);
    assert!(log.core.stats().storm.is_some(), "it is calm for 595 s");
    assert!(act(&mut log).warrants.is_empty());
    log.wait(5);
    assert_eq!(log.core.stats().storm, None);
    act(&mut log).warrant();
}

#[test]
fn a_storm_of_workloads_lasts_while_half_of_them_are_sick_and_ten_minutes_more() {
    let mut log = log_of(20);
    fall_sick(&mut log, 10);
    let since = log.core.stats().storm.unwrap().since;
    for number in 10..12 {
        let more = sick(&log, &format!("w{number}"));
        log.incident(&more);
    }
    log.wait(1_000);
    recover(&mut log, 0..7);
    log.wait(1_000);
    let storm = log.core.stats().storm.unwrap();
    let worst = (storm.since, storm.workloads);
    assert_eq!(worst, (since, Some((12, 20))), "five are sick still");
    recover(&mut log, 7..8);
    log.wait(600);
    assert!(log.core.stats().storm.is_some());
    log.wait(5);
    assert_eq!(log.core.stats().storm, None);
}

#[test]
fn where_nobody_looked_a_storm_is_not_over() {
    let mut log = Log::new();
    nodes(&mut log, 6, 3);
    log.heartbeat(0);
    nodes(&mut log, 6, 0);
    for _ in 0..2 {
        log.now = log.now + Duration::from_secs(3_000);
        log.heartbeat(0);
        assert!(log.core.stats().storm.is_some());
    }
    act(&mut log).is(Verdict::Ask, "storm");
}

#[test]
fn people_act_in_a_storm_and_what_did_not_help_is_taken_back() {
    let mut log = log_of(20);
    let web = incident("web", vec![scale("web", 10, 12)]);
    let before = log.incident(&web).warrant().clone();
    log.applied(&before);
    log.mode(Mode::Ask);
    let asked = act(&mut log).is(Verdict::Ask, "mode-ask").clone();
    fall_sick(&mut log, 10);
    assert!(act(&mut log).is_silent(), "the question stays open");
    let warrant = log.approve("ann", asked.proposal.unwrap().digest);
    assert_eq!(warrant.warrant().approvals[0].by, "ann");
    log.mode(Mode::Act);
    let request = CommandBody::Request {
        action: Action::Scale {
            replicas: 12,
            from: 10,
        },
        target: target("db", 1),
    };
    log.command(person("ann", "operator"), request).warrant();
    let undo = log.assessed(&before, AssessmentVerdict::Regressed);
    assert_eq!(undo.warrants[0].undo_of, Some(before.decision_id));
    assert!(log.core.stats().storm.is_some());
}

#[test]
fn what_a_person_refused_in_a_storm_is_not_done_after_it() {
    for refused in [true, false] {
        let mut log = log_of(20);
        nodes(&mut log, 6, 3);
        let asked = act(&mut log).is(Verdict::Ask, "storm").clone();
        if refused {
            let proposal = asked.proposal.unwrap().digest;
            let no = CommandBody::Reject { proposal };
            log.command(person("ann", "operator"), no);
        }
        nodes(&mut log, 6, 0);
        log.wait(620);
        assert_eq!(log.core.stats().storm, None);
        let answer = act(&mut log);
        assert_eq!(answer.warrants.is_empty(), refused, "{answer:#?}");
    }
}

#[test]
fn a_question_stays_open_while_something_else_passes() {
    let mut log = log_of(20);
    fall_sick(&mut log, 10);
    let asked = act(&mut log).is(Verdict::Ask, "storm").clone();
    let request = CommandBody::Request {
        action: Action::Scale {
            replicas: 5,
            from: 4,
        },
        target: target("cart", 1),
    };
    let other = log.command(person("bob", "operator"), request);
    let other = other.warrant().clone();
    log.done(&other, AssessmentVerdict::Verified);
    // The workload is left alone for a while after any act.
    assert!(act(&mut log).is_silent(), "the question stays open");
    log.wait(300);
    act(&mut log);
    let answer = log.approve("ann", asked.proposal.unwrap().digest);
    assert_eq!(answer.warrant().approvals[0].by, "ann");
}

#[test]
fn a_snapshot_in_a_storm_changes_nothing() {
    let mut log = log_of(20);
    fall_sick(&mut log, 10);
    nodes(&mut log, 6, 3);
    act(&mut log).is(Verdict::Ask, "storm");
    nodes(&mut log, 6, 0);
    recover(&mut log, 0..8);
    log.wait(740);
    act(&mut log).warrant();
    let whole: Vec<_> = log.said.iter().map(|output| &output.body).collect();
    for place in 0..log.inputs.len() {
        let mut core = Core::new(cluster(), keys());
        let mut said = Vec::new();
        for (at, input) in log.inputs.iter().enumerate() {
            if at == place {
                let bytes = codec::encode(&core.state()).unwrap();
                core = Core::new(cluster(), keys());
                core.restore(codec::decode(&bytes).unwrap());
            }
            said.extend(core.handle(input));
        }
        let said: Vec<_> = said.iter().map(|output| &output.body).collect();
        assert_eq!(said, whole, "a snapshot before input {place}");
    }
}
