//! The incident core on small clusters: what is opened, blamed, recommended and judged.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its case fails"
)]

mod experience;
mod foretold;
mod judged;
mod log;
mod logs;
mod nodes;
mod regroup;
mod replicas;
mod rollouts;

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
