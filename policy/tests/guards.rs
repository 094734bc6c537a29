//! Each guard: what it stops, what it says, and when it lets go.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its case fails"
)]

mod log;

use std::time::Duration;

use aegis_schemas::{
    Action, AssessmentVerdict, CommandBody, Event, Evidence, EvidenceSource, FailureKind, Grouped,
    GroupedBy, Mode, OutcomePhase, RefusalCode, Scope, Severity, Verdict,
};
use log::{
    Log, cluster, everywhere, incident, person, recommend, restart, scale, target, workload,
};

#[test]
fn an_incident_with_a_safe_act_is_allowed_once_with_a_complete_warrant() {
    let mut log = Log::new();
    let case = incident("cart", vec![scale("cart", 4, 6)]);
    let answer = log.incident(&case);
    let warrant = answer.warrant();
    assert_eq!(warrant.audience, "aegis-executor/cluster-uid");
    assert_eq!(warrant.issuer, "policy/demo");
    assert_eq!(warrant.exp, warrant.iat + Duration::from_secs(120));
    assert_eq!(warrant.fence >> 48, 3);
    assert_eq!(warrant.policy_hash, log.core.policy_digest());
    assert_eq!(warrant.reasons[0].policy, "aegis-acts");
    assert!(log.incident(&case).is_silent(), "the verdict is not in");
    assert!(log.done(warrant, AssessmentVerdict::Verified).is_silent());
    assert_eq!(log.core.stats().disagreements, 0);
}

#[test]
fn the_mode_says_how_far_aegis_goes() {
    let mut log = Log::observing();
    let case = incident("cart", vec![scale("cart", 4, 6)]);
    let answer = log.incident(&case);
    let decision = answer.is(Verdict::Deny, "mode-observe");
    assert!(decision.would_allow);
    assert!(decision.flip.as_ref().unwrap().contains("mode"));
    assert!(log.incident(&case).is_silent(), "said once");
    log.mode(Mode::Ask);
    log.incident(&case).is(Verdict::Ask, "mode-ask");
    assert!(log.incident(&case).is_silent(), "the question is open");
    log.mode(Mode::Act);
    let answer = log.incident(&case);
    assert_eq!(answer.warrants.len(), 1);
    assert_eq!(
        answer.decisions[0].reasons[0].policy, "superseded",
        "the question is over"
    );
}

#[test]
fn scope_is_what_labels_say() {
    type Tags<'a> = &'a [(&'a str, &'a str)];
    let enabled = ("aegis.dev/enabled", "true");
    let managed = ("aegis.dev/managed", "true");
    let ignore = ("aegis.dev/ignore", "true");
    let table: [(Tags<'_>, Tags<'_>, Verdict, &str); 6] = [
        (&[], &[managed], Verdict::Deny, "namespace-not-enabled"),
        (&[enabled], &[], Verdict::Deny, "workload-not-managed"),
        (
            &[enabled],
            &[("aegis.dev/managed", "no")],
            Verdict::Deny,
            "workload-not-managed",
        ),
        (&[enabled], &[managed, ignore], Verdict::Deny, "opted-out"),
        (&[enabled, ignore], &[managed], Verdict::Deny, "opted-out"),
        (
            &[enabled],
            &[managed, ("aegis.dev/approval", "required")],
            Verdict::Ask,
            "approval-required",
        ),
    ];
    for (namespace, tags, verdict, policy) in table {
        let mut log = Log::new();
        log.namespace(namespace);
        log.workload("cart", 4, 4, 1, tags);
        let answer = log.incident(&incident("cart", vec![scale("cart", 4, 6)]));
        assert!(!answer.is(verdict, policy).would_allow);
    }
}

#[test]
fn what_is_known_of_the_case_decides() {
    let mut weak = incident("cart", vec![scale("cart", 4, 6)]);
    weak.kind = FailureKind::Unknown;
    Log::new()
        .incident(&weak)
        .is(Verdict::Ask, "weak-diagnosis");
    let mut hearsay = incident("cart", vec![scale("cart", 4, 6)]);
    hearsay.evidence[0].source = EvidenceSource::Alert;
    Log::new().incident(&hearsay).is(Verdict::Ask, "hearsay");
    let mut note = incident("cart", vec![scale("cart", 4, 6)]);
    note.severity = Severity::Info;
    Log::new().incident(&note).is(Verdict::Deny, "not-worth-it");
    let huge = incident("cart", vec![scale("cart", 4, 40)]);
    Log::new().incident(&huge).is(Verdict::Ask, "large-scale");
    let gone = incident(
        "cart",
        vec![recommend(Action::RolloutRestart, target("cart", 7))],
    );
    Log::new()
        .incident(&gone)
        .is(Verdict::Deny, "target-changed");
    let alien = incident("nobody", vec![scale("nobody", 4, 6)]);
    Log::new()
        .incident(&alien)
        .is(Verdict::Deny, "unknown-target");
}

#[test]
fn what_people_merged_into_an_incident_makes_no_act_possible() {
    let mut worse = incident("cart", vec![scale("cart", 4, 6)]);
    worse.own_severity = Some(Severity::Info);
    Log::new()
        .incident(&worse)
        .is(Verdict::Deny, "not-worth-it");
    for by in [GroupedBy::Calls, GroupedBy::Person] {
        let mut joined = incident("cart", vec![scale("cart", 4, 6)]);
        let seen = Evidence {
            entity: workload("web"),
            ..joined.evidence[0].clone()
        };
        joined.evidence[0].source = EvidenceSource::Alert;
        joined.evidence.push(seen);
        joined.grouped.push(Grouped {
            entity: workload("web"),
            by,
            because: "it is".to_owned(),
        });
        let answer = Log::new().incident(&joined);
        if by == GroupedBy::Person {
            answer.is(Verdict::Ask, "hearsay");
        } else {
            answer.warrant();
        }
    }
}

#[test]
fn without_a_safe_act_people_are_called_once() {
    let mut log = Log::new();
    let mut against = scale("cart", 4, 6);
    against.against = vec!["an autoscaler owns its replicas".to_owned()];
    let case = incident("cart", vec![against]);
    log.incident(&case).is(Verdict::Escalate, "no-safe-act");
    assert!(log.incident(&case).is_silent());
    let mut nothing = incident("web", Vec::new());
    nothing.opened = log.now;
    assert!(
        log.incident(&nothing).is_silent(),
        "a diagnosis may still come"
    );
    log.wait(35).is(Verdict::Escalate, "no-act");
    assert!(log.incident(&nothing).is_silent());
    let mut mild = incident("db", Vec::new());
    mild.severity = Severity::Warning;
    assert!(log.incident(&mild).is_silent());
}

#[test]
fn old_evidence_and_clocks_that_differ_do_not_act() {
    let mut log = Log::new();
    let mut old = incident("cart", vec![scale("cart", 4, 6)]);
    old.newest_evidence = log.now - Duration::from_secs(70);
    log.event(Event::Incident(old))
        .is(Verdict::Deny, "old-evidence");
    log.heartbeat(30);
    log.incident(&incident("web", vec![scale("web", 10, 12)]))
        .is(Verdict::Deny, "clock");
    log.heartbeat(0);
    log.incident(&incident("web", vec![scale("web", 10, 12)]))
        .warrant();
}

#[test]
fn a_stream_that_is_nearly_full_has_room_for_undos_only() {
    for (fill, denied) in [(0.89, false), (0.9, true), (1.0, true), (f64::NAN, true)] {
        let mut log = Log::new();
        let act = log
            .incident(&incident("cart", vec![scale("cart", 4, 6)]))
            .warrant()
            .clone();
        log.applied(&act);
        log.fill = fill;
        log.heartbeat(0);
        let answer = log.incident(&incident("web", vec![scale("web", 10, 12)]));
        if denied {
            answer.is(Verdict::Deny, "stream-full");
        } else {
            answer.warrant();
        }
        let undo = log.assessed(&act, AssessmentVerdict::Regressed);
        assert_eq!(undo.warrants.len(), 1, "{fill}");
    }
}

#[test]
fn a_workload_rests_after_an_act_and_longer_after_one_that_did_not_help() {
    let mut log = Log::new();
    let case = incident("cart", vec![scale("cart", 4, 6)]);
    let first = log.incident(&case).warrant().clone();
    log.done(&first, AssessmentVerdict::Verified);
    let decision = log.incident(&case);
    assert!(
        decision
            .is(Verdict::Deny, "cooldown")
            .flip
            .as_ref()
            .unwrap()
            .contains("wait 4 min")
    );
    assert!(log.incident(&case).is_silent());
    // Another act on it rests for two minutes only.
    log.wait(120);
    let other = incident("cart", vec![restart("cart", 1)]);
    log.pod("cart", 1, false);
    let second = log.incident(&other).warrant().clone();
    log.done(&second, AssessmentVerdict::Ineffective);
    log.wait(290);
    log.pod("cart", 1, false);
    log.incident(&other).is(Verdict::Deny, "cooldown");
    log.wait(310);
    log.incident(&other).warrant();
}

#[test]
fn a_cooldown_that_ends_lets_the_act_through_without_another_word() {
    let mut log = Log::new();
    let case = incident("cart", vec![scale("cart", 4, 6)]);
    let first = log.incident(&case).warrant().clone();
    log.done(&first, AssessmentVerdict::Verified);
    log.incident(&case).is(Verdict::Deny, "cooldown");
    log.wait(250);
    assert!(log.incident(&case).is_silent());
    assert_eq!(log.wait(50).warrants.len(), 1);
}

#[test]
fn an_act_that_was_refused_leaves_no_cooldown() {
    let mut log = Log::new();
    let case = incident("cart", vec![scale("cart", 4, 6)]);
    let first = log.incident(&case).warrant().clone();
    let code = Some(RefusalCode::TargetChanged);
    log.outcome(&first, OutcomePhase::Refused, code, None);
    log.incident(&case).warrant();
}

#[test]
fn the_breaker_leaves_to_people_what_comes_back() {
    let mut log = Log::new();
    let case = incident("cart", vec![restart("cart", 1)]);
    log.pod("cart", 1, false);
    for _ in 0..2 {
        let warrant = log.incident(&case).warrant().clone();
        log.done(&warrant, AssessmentVerdict::Verified);
        log.wait(320);
    }
    log.incident(&case).is(Verdict::Escalate, "breaker");
    assert!(log.incident(&case).is_silent());
    log.wait(3_600);
    let proposal = log
        .incident(&case)
        .is(Verdict::Ask, "breaker")
        .proposal
        .clone()
        .unwrap();
    let warrant = log.approve("ann", proposal.digest).warrant().clone();
    assert_eq!(warrant.approvals[0].by, "ann");
    log.done(&warrant, AssessmentVerdict::Verified);
    log.wait(320);
    log.incident(&case).warrant();
}

#[test]
fn ready_pods_at_risk_are_budgeted_and_others_are_free() {
    let mut log = Log::new();
    log.pod("cart", 1, true);
    log.pod("cart", 2, false);
    log.pod("web", 1, true);
    log.pod("db", 1, true);
    // 24 pods in the namespace: two may be at risk.
    for name in ["cart", "web"] {
        let answer = log.incident(&incident(name, vec![restart(name, 1)]));
        assert_eq!(answer.warrant().max_blast.pods, 1);
        log.done(&answer.warrants[0], AssessmentVerdict::Verified);
    }
    log.incident(&incident("db", vec![restart("db", 1)]))
        .is(Verdict::Deny, "blast-radius");
    let free = log.incident(&incident("db", vec![scale("db", 10, 12)]));
    assert_eq!(free.warrant().max_blast.pods, 0);
    // The window is over.
    log.wait(600);
    log.done(&free.warrants[0], AssessmentVerdict::Verified);
    log.incident(&incident("db", vec![restart("db", 1)]))
        .warrant();
}

#[test]
fn a_rollback_of_a_broken_rollout_costs_only_ready_pods_of_the_bad_revision() {
    let mut log = Log::new();
    let action = Action::Rollback {
        revision: 1,
        template_hash: "old".to_owned(),
    };
    let answer = log.incident(&incident(
        "cart",
        vec![recommend(action, target("cart", 1))],
    ));
    assert_eq!(
        answer.warrant().max_blast.pods,
        0,
        "all ready pods are of the old revision"
    );
    let action = Action::Rollback {
        revision: 1,
        template_hash: "older".to_owned(),
    };
    let answer = log.incident(&incident("web", vec![recommend(action, target("web", 1))]));
    assert_eq!(answer.warrant().max_blast.pods, 2, "a quarter of ten");
}

#[test]
fn five_acts_in_ten_minutes_are_the_most_in_a_cluster() {
    let mut log = Log::new();
    for number in 0..6 {
        let name = format!("w{number}");
        log.workload(&name, 3, 3, 1, &[("aegis.dev/managed", "true")]);
        let answer = log.incident(&incident(&name, vec![scale(&name, 3, 4)]));
        if number < 5 {
            let warrant = answer.warrant().clone();
            log.done(&warrant, AssessmentVerdict::Verified);
        } else {
            answer.is(Verdict::Deny, "blast-radius");
        }
    }
}

#[test]
fn above_the_rate_a_person_is_asked() {
    let mut log = Log::new();
    for number in 0..21 {
        let name = format!("w{number}");
        log.workload(&name, 3, 3, 1, &[("aegis.dev/managed", "true")]);
        let answer = log.incident(&incident(&name, vec![scale(&name, 3, 4)]));
        if number < 20 {
            let warrant = answer.warrant().clone();
            log.done(&warrant, AssessmentVerdict::Verified);
            log.wait(150);
        } else {
            log.wait(0);
            answer.is(Verdict::Ask, "rate-limit");
        }
    }
}

#[test]
fn a_freeze_and_the_kill_switch_stop_everything_in_their_scope() {
    let mut log = Log::new();
    let scope = Scope {
        namespace: Some("shop".parse().unwrap()),
        ..everywhere()
    };
    let until = log.now + Duration::from_secs(60);
    let freeze = CommandBody::Freeze { scope, until };
    log.command(person("ann", "operator"), freeze)
        .is(Verdict::Standing, "operators");
    let case = incident("cart", vec![scale("cart", 4, 6)]);
    log.incident(&case).is(Verdict::Deny, "freeze");
    log.wait(30);
    assert!(log.incident(&case).is_silent());
    let first = log.wait(40);
    assert_eq!(first.warrants.len(), 1, "judged anew at its end");
    log.applied(&first.warrants[0]);

    let stop = CommandBody::KillSwitch { cluster: cluster() };
    log.command(person("ann", "operator"), stop)
        .is(Verdict::Standing, "operators");
    log.incident(&incident("web", vec![scale("web", 10, 12)]))
        .is(Verdict::Deny, "kill-switch");
    let blocked = log.assessed(&first.warrants[0], AssessmentVerdict::Regressed);
    let decision = blocked.is(Verdict::Escalate, "regressed");
    assert!(
        decision.reasons[0].text.contains("kill switch"),
        "{decision:?}"
    );
    let resume = || CommandBody::Resume { cluster: cluster() };
    log.command(person("ann", "operator"), resume())
        .is(Verdict::Deny, "no-permit");
    log.command(person("root", "admin"), resume())
        .is(Verdict::Standing, "admins");
    log.incident(&incident("web", vec![scale("web", 10, 12)]))
        .warrant();
    assert_eq!(log.core.stats().disagreements, 0);
    let _ = workload("web");
}

#[test]
fn without_an_identity_nothing_is_signed() {
    let mut log = Log::empty();
    log.mode(Mode::Act);
    log.namespace(&[("aegis.dev/enabled", "true")]);
    log.workload("cart", 4, 4, 1, &[("aegis.dev/managed", "true")]);
    log.incident(&incident("cart", vec![scale("cart", 4, 6)]))
        .is(Verdict::Deny, "identity");
}
