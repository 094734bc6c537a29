//! What people ask for, acts that are taken back, and what time alone brings.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its case fails"
)]

mod log;

use aegis_policy::{Core, default_bundle};
use aegis_schemas::pipeline::{Core as _, Output};
use aegis_schemas::{
    Action, AssessmentVerdict, CommandBody, ConfigurationKind, Digest, IncidentPhase, Mode,
    OutcomePhase, RefusalCode, Verdict, codec,
};
use log::{Log, cluster, everywhere, incident, keys, person, recommend, restart, scale, target};

/// A log on which a scale of `cart` waits for a yes, with its digest.
fn asked() -> (Log, Digest) {
    let mut log = Log::new();
    log.mode(Mode::Ask);
    let answer = log.incident(&incident("cart", vec![scale("cart", 4, 6)]));
    let digest = answer
        .is(Verdict::Ask, "mode-ask")
        .proposal
        .clone()
        .unwrap()
        .digest;
    (log, digest)
}

#[test]
fn a_yes_in_time_is_signed_and_a_second_one_is_told_so() {
    let (mut log, digest) = asked();
    let answer = log.approve("ann", digest);
    let warrant = answer.warrant();
    assert_eq!(warrant.approvals[0].by, "ann");
    assert_eq!(warrant.approvals[0].proposal, digest);
    let again = log.approve("bob", digest);
    let decision = again.is(Verdict::Deny, "proposal-closed");
    assert!(
        decision.reasons[0].text.contains("`ann` said yes"),
        "{decision:?}"
    );
}

#[test]
fn a_yes_counts_only_from_whom_it_may_come() {
    let (mut log, digest) = asked();
    let auditor = person("eve", "auditor");
    log.command(auditor, CommandBody::Approve { proposal: digest })
        .is(Verdict::Deny, "no-permit");
    let unknown = Digest::of(b"something else");
    log.approve("ann", unknown)
        .is(Verdict::Deny, "unknown-proposal");
    log.approve("ann", digest).warrant();
}

#[test]
fn a_yes_on_old_evidence_is_refused_and_may_be_said_again() {
    let (mut log, digest) = asked();
    log.wait(90);
    let answer = log.approve("ann", digest);
    assert!(
        answer.is(Verdict::Deny, "old-evidence").proposal.is_none(),
        "the question stays open"
    );
    assert!(
        log.incident(&incident("cart", vec![scale("cart", 4, 6)]))
            .is_silent()
    );
    log.approve("ann", digest).warrant();
}

#[test]
fn what_changed_voids_the_question() {
    let case = incident("cart", vec![scale("cart", 4, 6)]);
    // Another act is better now.
    let (mut log, digest) = asked();
    let answer = log.incident(&incident("cart", vec![scale("cart", 4, 8)]));
    assert_eq!(
        answer.decisions.len(),
        2,
        "the old one ends, the new one is asked"
    );
    assert_eq!(answer.decisions[0].reasons[0].policy, "superseded");
    assert_eq!(
        answer.decisions[0].proposal.as_ref().unwrap().digest,
        digest
    );
    assert_eq!(answer.decisions[1].verdict, Verdict::Ask);
    log.approve("ann", digest)
        .is(Verdict::Deny, "proposal-closed");
    // The object is another now.
    let (mut log, digest) = asked();
    log.workload("cart", 4, 4, 2, &[("aegis.dev/managed", "true")]);
    log.approve("ann", digest)
        .is(Verdict::Deny, "target-changed");
    // It is over.
    let (mut log, digest) = asked();
    let mut over = case;
    over.phase = IncidentPhase::Resolved;
    log.incident(&over).is(Verdict::Deny, "incident-over");
    log.approve("ann", digest)
        .is(Verdict::Deny, "proposal-closed");
}

#[test]
fn a_question_that_nobody_answers_is_denied_and_not_asked_again() {
    let (mut log, digest) = asked();
    let answer = log.wait(15 * 60);
    assert_eq!(
        answer
            .is(Verdict::Deny, "approval-timeout")
            .proposal
            .as_ref()
            .unwrap()
            .digest,
        digest
    );
    log.approve("ann", digest)
        .is(Verdict::Deny, "proposal-closed");
    assert!(
        log.incident(&incident("cart", vec![scale("cart", 4, 6)]))
            .is_silent()
    );
    log.incident(&incident("cart", vec![scale("cart", 4, 8)]))
        .is(Verdict::Ask, "mode-ask");
}

#[test]
fn a_no_ends_the_question() {
    let (mut log, digest) = asked();
    let answer = log.command(
        person("ann", "operator"),
        CommandBody::Reject { proposal: digest },
    );
    let decision = answer.is(Verdict::Deny, "rejected");
    assert!(decision.reasons[0].text.contains("because"));
    log.approve("bob", digest)
        .is(Verdict::Deny, "proposal-closed");
    assert!(
        log.incident(&incident("cart", vec![scale("cart", 4, 6)]))
            .is_silent()
    );
}

#[test]
fn a_person_asks_for_an_act_under_the_same_guards() {
    let mut log = Log::observing();
    let request = |generation| CommandBody::Request {
        action: Action::Scale {
            replicas: 6,
            from: 4,
        },
        target: target("cart", generation),
    };
    log.command(person("eve", "auditor"), request(1))
        .is(Verdict::Deny, "no-permit");
    log.command(person("ann", "operator"), request(9))
        .is(Verdict::Deny, "target-changed");
    let answer = log.command(person("ann", "operator"), request(1));
    assert_eq!(answer.warrant().actor.name, "ann");
    log.command(person("ann", "operator"), request(1))
        .is(Verdict::Deny, "one-at-a-time");
    let template = CommandBody::Request {
        action: Action::RestoreTemplate {
            template: "{}".to_owned(),
        },
        target: target("web", 1),
    };
    log.command(person("root", "admin"), template)
        .is(Verdict::Deny, "undo-only");
}

#[test]
fn nobody_approves_what_they_asked_for() {
    let mut log = Log::new();
    log.workload(
        "cart",
        4,
        4,
        1,
        &[
            ("aegis.dev/managed", "true"),
            ("aegis.dev/approval", "required"),
        ],
    );
    let request = CommandBody::Request {
        action: Action::Scale {
            replicas: 6,
            from: 4,
        },
        target: target("cart", 1),
    };
    let answer = log.command(person("ann", "operator"), request.clone());
    let digest = answer
        .is(Verdict::Ask, "approval-required")
        .proposal
        .clone()
        .unwrap()
        .digest;
    log.command(person("bob", "operator"), request)
        .is(Verdict::Deny, "already-asked");
    log.approve("ann", digest)
        .is(Verdict::Deny, "self-approval");
    let answer = log.approve("bob", digest);
    assert_eq!(answer.warrant().actor.name, "ann");
    assert_eq!(answer.warrant().approvals[0].by, "bob");
}

#[test]
fn an_act_that_does_not_help_is_taken_back_once() {
    let rollback = Action::Rollback {
        revision: 1,
        template_hash: "old".to_owned(),
    };
    let template = Action::RestoreTemplate {
        template: "{\"before\":true}".to_owned(),
    };
    let table = [
        (
            Action::Scale {
                replicas: 6,
                from: 4,
            },
            Action::Scale {
                replicas: 4,
                from: 6,
            },
        ),
        (rollback, template.clone()),
        (Action::RolloutRestart, template),
    ];
    for (action, inverse) in table {
        for verdict in [AssessmentVerdict::Ineffective, AssessmentVerdict::Regressed] {
            let mut log = Log::new();
            let case = incident("cart", vec![recommend(action.clone(), target("cart", 1))]);
            let act = log.incident(&case).warrant().clone();
            let answer = log.done(&act, verdict);
            let undo = answer.warrants[0].clone();
            assert_eq!(undo.action, inverse);
            assert_eq!(undo.undo_of, Some(act.decision_id));
            assert_eq!(undo.target.object.generation, 2, "as the act left it");
            assert!(undo.fence > act.fence);
            assert_eq!(answer.decisions[0].verdict, Verdict::Escalate);
            assert!(log.assessed(&act, verdict).is_silent(), "once");
            let after = log.done(&undo, AssessmentVerdict::Regressed);
            after.is(Verdict::Escalate, "undo-did-not-help");
        }
    }
}

#[test]
fn what_cannot_be_taken_back_calls_people() {
    let mut log = Log::new();
    log.pod("cart", 1, false);
    let restarted = log
        .incident(&incident("cart", vec![restart("cart", 1)]))
        .warrant()
        .clone();
    let answer = log.done(&restarted, AssessmentVerdict::Regressed);
    assert!(
        answer.is(Verdict::Escalate, "regressed").reasons[0]
            .text
            .contains("does not come back")
    );
    // Somebody changed it since.
    let scaled = log
        .incident(&incident("web", vec![scale("web", 10, 12)]))
        .warrant()
        .clone();
    log.applied(&scaled);
    log.workload("web", 14, 10, 5, &[("aegis.dev/managed", "true")]);
    let answer = log.assessed(&scaled, AssessmentVerdict::Regressed);
    assert!(
        answer.is(Verdict::Escalate, "regressed").reasons[0]
            .text
            .contains("changed it since")
    );
}

#[test]
fn guards_do_not_block_an_undo_and_its_failure_calls_people() {
    let mut log = Log::new();
    let act = log
        .incident(&incident("cart", vec![scale("cart", 4, 6)]))
        .warrant()
        .clone();
    log.applied(&act);
    log.mode(Mode::Observe);
    log.namespace(&[]);
    log.heartbeat(60);
    let answer = log.assessed(&act, AssessmentVerdict::Ineffective);
    let undo = answer.warrants[0].clone();
    let refused = log.outcome(
        &undo,
        OutcomePhase::Refused,
        Some(RefusalCode::TargetChanged),
        None,
    );
    refused.is(Verdict::Escalate, "undo-failed");
}

#[test]
fn an_act_whose_undo_came_to_nothing_can_be_taken_back_again() {
    for phase in [
        Some(OutcomePhase::Refused),
        Some(OutcomePhase::Failed),
        None,
    ] {
        let mut log = Log::new();
        let act = log
            .incident(&incident("cart", vec![scale("cart", 4, 6)]))
            .warrant()
            .clone();
        log.applied(&act);
        let command = || CommandBody::Undo {
            decision: act.decision_id,
        };
        let ann = || person("ann", "operator");
        let first = log.command(ann(), command()).warrant().clone();
        match phase {
            Some(phase) => {
                let code = Some(RefusalCode::Halted);
                log.outcome(&first, phase, code, None)
                    .is(Verdict::Escalate, "undo-failed");
            }
            None => {
                log.command(ann(), command()).is(Verdict::Deny, "undone");
                log.wait(2 * 60 + 5 * 60 + 10)
                    .is(Verdict::Escalate, "undo-failed");
                assert!(log.wait(60).is_silent(), "said once");
            }
        }
        let verdict = log.assessed(&act, AssessmentVerdict::Regressed);
        let second = verdict.warrants[0].clone();
        assert_eq!(second.undo_of, Some(act.decision_id));
        // An outcome of the first that comes late does not open it again.
        if phase.is_none() {
            assert!(log.applied(&first).is_silent());
            let code = Some(RefusalCode::TargetChanged);
            log.outcome(&second, OutcomePhase::Refused, code, None)
                .is(Verdict::Escalate, "undo-failed");
        }
        log.command(ann(), command()).is(Verdict::Deny, "undone");
    }
}

#[test]
fn with_a_policy_set_that_cannot_be_read_any_more_only_undos_are_signed() {
    let mut log = Log::new();
    let activate = |content: &str| CommandBody::Activate {
        what: ConfigurationKind::Policy,
        digest: Digest::of(content.as_bytes()),
        content: content.to_owned(),
    };
    let root = || person("root", "admin");
    let quick = default_bundle().replace("warrant_lifetime = \"2m\"", "warrant_lifetime = \"30s\"");
    log.command(root(), activate(&quick));
    let act = log
        .incident(&incident("cart", vec![scale("cart", 4, 6)]))
        .warrant()
        .clone();
    log.applied(&act);
    // As a version that knows one number less would find it.
    let bytes = codec::encode(&log.core.state()).unwrap();
    let find = b"warrant_lifetime = \"30s\"";
    let at = bytes
        .windows(find.len())
        .position(|window| window == find)
        .unwrap();
    let mut bent = bytes;
    bent[at] = b'W';
    log.core = Core::new(cluster(), keys());
    log.core.restore(codec::decode(&bent).unwrap());
    assert_ne!(
        log.core.policy_digest(),
        Core::new(cluster(), keys()).policy_digest()
    );
    let case = incident("web", vec![scale("web", 10, 12)]);
    log.incident(&case).is(Verdict::Deny, "policy-unreadable");
    let undo = log.assessed(&act, AssessmentVerdict::Regressed);
    assert_eq!(undo.warrants.len(), 1);
    log.command(root(), activate(&default_bundle()))
        .is(Verdict::Standing, "standing");
    log.incident(&case).warrant();
}

#[test]
fn a_person_takes_an_act_back() {
    let mut log = Log::new();
    let act = log
        .incident(&incident("cart", vec![scale("cart", 4, 6)]))
        .warrant()
        .clone();
    let undo = || CommandBody::Undo {
        decision: act.decision_id,
    };
    log.command(person("ann", "operator"), undo())
        .is(Verdict::Deny, "not-applied");
    log.applied(&act);
    log.command(person("eve", "auditor"), undo())
        .is(Verdict::Deny, "no-permit");
    let answer = log.command(person("ann", "operator"), undo());
    assert_eq!(answer.warrant().actor.name, "ann");
    log.command(person("ann", "operator"), undo())
        .is(Verdict::Deny, "undone");
    let undo_of_undo = CommandBody::Undo {
        decision: answer.warrants[0].decision_id,
    };
    log.applied(&answer.warrants[0]);
    log.command(person("ann", "operator"), undo_of_undo)
        .is(Verdict::Deny, "undo-of-undo");
}

#[test]
fn a_policy_set_takes_effect_at_its_message_and_a_wrong_one_is_refused() {
    let activate = |content: &str| CommandBody::Activate {
        what: ConfigurationKind::Policy,
        digest: Digest::of(content.as_bytes()),
        content: content.to_owned(),
    };
    let mut log = Log::new();
    let root = || person("root", "admin");
    let broken = default_bundle().replace("context.mode == \"observe\"", "context.mood");
    let answer = log.command(root(), activate(&broken));
    assert!(
        answer.is(Verdict::Deny, "invalid-policy").reasons[0]
            .text
            .contains("line")
    );
    let foreign =
        default_bundle().replace("# signing_key = \"2026-11-25-a\"", "signing_key = \"gone\"");
    log.command(root(), activate(&foreign))
        .is(Verdict::Deny, "invalid-policy");
    assert_eq!(log.core.stats().invalid_activations, 2);
    log.command(person("ann", "operator"), activate(&default_bundle()))
        .is(Verdict::Deny, "no-permit");
    let quick = default_bundle().replace("warrant_lifetime = \"2m\"", "warrant_lifetime = \"30s\"");
    let answer = log.command(root(), activate(&quick));
    assert_eq!(
        answer.is(Verdict::Standing, "standing").policy,
        Digest::of(quick.as_bytes())
    );
    let warrant = log
        .incident(&incident("cart", vec![scale("cart", 4, 6)]))
        .warrant()
        .clone();
    assert_eq!(warrant.exp.since(warrant.iat).as_secs(), 30);
    assert_eq!(warrant.policy_hash, Digest::of(quick.as_bytes()));
}

#[test]
fn standing_orders_are_said_every_day_and_taken_over_by_who_knows_none() {
    let mut log = Log::new();
    log.command(
        person("root", "admin"),
        CommandBody::KillSwitch { cluster: cluster() },
    );
    let answer = log.wait(24 * 3600 + 60);
    let orders = answer
        .is(Verdict::Standing, "standing")
        .standing
        .clone()
        .unwrap();
    assert_eq!(orders.halted, [cluster()]);
    assert_eq!(orders.modes, [(everywhere(), Mode::Act)]);
    // A core that reads only the end of the log.
    let mut late = Core::new(cluster(), keys());
    let echo = log
        .inputs
        .iter()
        .rfind(|input| input.origin.is_some())
        .unwrap();
    // A genesis that is said again in the middle tells no orders.
    let mut again = log.inputs[0].clone();
    again.seq = echo.seq;
    assert!(late.handle(&again).is_empty());
    let outputs = late.handle(echo);
    assert!(outputs.is_empty());
    assert!(late.stats().halted);
    assert_eq!(late.stats().disagreements, 0);
}

/// Every kind of turn on one log.
fn story() -> Log {
    let (mut log, digest) = asked();
    log.approve("ann", digest);
    log.mode(Mode::Act);
    let act = log
        .incident(&incident("web", vec![scale("web", 10, 12)]))
        .warrant()
        .clone();
    log.done(&act, AssessmentVerdict::Regressed);
    log.incident(&incident("db", Vec::new()));
    log.wait(40);
    log.mode(Mode::Ask);
    log.pod("db", 1, false);
    log.incident(&incident("db", vec![restart("db", 1)]));
    log.wait(16 * 60);
    log.command(
        person("ann", "operator"),
        CommandBody::KillSwitch { cluster: cluster() },
    );
    log.incident(&incident("web", vec![scale("web", 10, 12)]));
    let quick = default_bundle().replace("warrant_lifetime = \"2m\"", "warrant_lifetime = \"30s\"");
    let activate = CommandBody::Activate {
        what: ConfigurationKind::Policy,
        digest: Digest::of(quick.as_bytes()),
        content: quick,
    };
    log.command(person("root", "admin"), activate);
    log.command(
        person("root", "admin"),
        CommandBody::Resume { cluster: cluster() },
    );
    log.mode(Mode::Act);
    log.incident(&incident("web", vec![scale("web", 10, 12)]));
    log
}

#[test]
fn the_same_log_gives_the_same_bytes_and_a_snapshot_changes_nothing() {
    let log = story();
    assert!(log.said.len() > 12);
    let play = |snapshot_at: Option<usize>| {
        let mut core = Core::new(cluster(), keys());
        let mut said: Vec<Output> = Vec::new();
        for (place, input) in log.inputs.iter().enumerate() {
            if snapshot_at == Some(place) {
                let bytes = codec::encode(&core.state()).unwrap();
                core = Core::new(cluster(), keys());
                core.restore(codec::decode(&bytes).unwrap());
            }
            said.extend(core.handle(input));
        }
        assert_eq!(core.stats().disagreements, 0);
        said
    };
    assert_eq!(play(None), log.said);
    for place in (0..log.inputs.len()).step_by(23) {
        assert_eq!(
            play(Some(place)),
            log.said,
            "a snapshot before input {place}"
        );
    }
}

#[test]
fn where_the_log_differs_the_log_wins_and_it_is_counted() {
    let mut log = Log::new();
    let warrant = log
        .incident(&incident("cart", vec![scale("cart", 4, 6)]))
        .warrant()
        .clone();
    let mut other = Core::new(cluster(), keys());
    // A core that never heard of the incident reads the warrant that answered it.
    for input in log
        .inputs
        .iter()
        .filter(|input| !matches!(input.event, aegis_schemas::Event::Incident(_)))
    {
        other.handle(input);
    }
    assert_eq!(other.stats().disagreements, 1);
    assert_eq!(
        other.stats().acts_under_way,
        1,
        "{warrant:?} is known all the same"
    );
}
