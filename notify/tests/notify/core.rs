//! What is known, whom it concerns, and when it is quiet: no server, no clock.

use std::time::Duration;

use aegis_notify::alarm::{Alarm, CALM, Part, Pulse, pulse};
use aegis_notify::channel::{Answer, Channel};
use aegis_notify::flapping::{Flapping, Unrest};
use aegis_notify::ledger::{Due, Record};
use aegis_notify::notice::Notice;
use aegis_notify::route::{Route, When};
use aegis_notify::{Config, Receiver};
use aegis_schemas::{
    AssessmentVerdict, Cluster, EntityKind, Event, IncidentPhase, Namespace, OutcomePhase,
    Severity, Timestamp, Verdict,
};

use crate::support::{
    assessment, at, case, channel, decision, incident, notice, opened, outcome, receivers, resolved,
};

fn permutations(events: &[(u64, Event)]) -> Vec<Vec<(u64, Event)>> {
    if events.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for place in 0..events.len() {
        let mut rest = events.to_vec();
        let first = rest.remove(place);
        for mut tail in permutations(&rest) {
            tail.insert(0, first.clone());
            all.push(tail);
        }
    }
    all
}

/// Replicas share the events, so each order is possible, and each event may come twice.
#[test]
fn what_is_told_does_not_depend_on_the_order_of_events_nor_on_repetitions() {
    let events = [
        opened(),
        decision(Verdict::Ask, at(600)),
        outcome(OutcomePhase::Applied),
        assessment(AssessmentVerdict::Verified),
        resolved(),
    ];
    let expected = notice(&case(&events), at(9));
    let numbered: Vec<_> = (1..).zip(events).collect();
    for order in permutations(&numbered) {
        let mut case = aegis_notify::case::Case::default();
        for (seq, event) in order.iter().chain(&order) {
            case.take(*seq, at(i64::try_from(*seq).unwrap()), event);
        }
        let seqs: Vec<_> = order.iter().map(|(seq, _)| seq).collect();
        assert_eq!(notice(&case, at(9)), expected, "{seqs:?}");
    }
}

#[test]
fn people_are_needed_when_aegis_does_not_get_on_alone() {
    let (asked, applied) = (
        decision(Verdict::Ask, at(600)),
        outcome(OutcomePhase::Applied),
    );
    let denied = decision(Verdict::Deny, at(600));
    let cases: [(&str, Vec<Event>, bool); 10] = [
        ("new", vec![opened()], false),
        ("asked", vec![opened(), asked.clone()], true),
        (
            "asked in vain",
            vec![opened(), decision(Verdict::Ask, at(5))],
            false,
        ),
        (
            "approved",
            vec![opened(), asked.clone(), applied.clone()],
            false,
        ),
        ("denied", vec![opened(), denied.clone()], true),
        (
            "denied while acting",
            vec![opened(), applied.clone(), denied],
            false,
        ),
        (
            "escalated",
            vec![opened(), decision(Verdict::Escalate, at(0))],
            true,
        ),
        (
            "failed",
            vec![opened(), outcome(OutcomePhase::Failed)],
            true,
        ),
        (
            "did not help",
            vec![
                opened(),
                applied,
                assessment(AssessmentVerdict::Ineffective),
            ],
            true,
        ),
        ("over", vec![opened(), asked, resolved()], false),
    ];
    for (name, events, needed) in cases {
        assert_eq!(case(&events).needs_people(at(10)), needed, "{name}");
    }
}

#[test]
fn an_ask_that_was_denied_or_ran_out_is_no_question_any_more() {
    let asked = decision(Verdict::Ask, at(600));
    let open = case(&[opened(), asked.clone()]);
    assert!(notice(&open, at(10)).question.is_some());
    assert!(notice(&open, at(601)).question.is_none());
    let denied = case(&[opened(), asked, decision(Verdict::Deny, at(600))]);
    assert!(notice(&denied, at(10)).question.is_none());
}

#[test]
fn routes_are_taken_by_severity_scope_and_need() {
    let told = notice(&case(&[opened()]), at(9));
    let route = Route::default;
    let (demo, other) = (
        Cluster::parse("demo").unwrap(),
        Cluster::parse("other").unwrap(),
    );
    let (shop, pay) = (
        Namespace::parse("shop").unwrap(),
        Namespace::parse("pay").unwrap(),
    );
    let cases = [
        (route(), true),
        (
            Route {
                min_severity: Severity::Error,
                ..route()
            },
            true,
        ),
        (
            Route {
                min_severity: Severity::Critical,
                ..route()
            },
            false,
        ),
        (
            Route {
                when: When::PeopleNeeded,
                ..route()
            },
            false,
        ),
        (
            Route {
                clusters: vec![demo],
                ..route()
            },
            true,
        ),
        (
            Route {
                clusters: vec![other.clone()],
                ..route()
            },
            false,
        ),
        (
            Route {
                namespaces: vec![pay, shop],
                ..route()
            },
            true,
        ),
        (
            Route {
                kinds: vec![EntityKind::Node],
                ..route()
            },
            false,
        ),
    ];
    for (route, fits) in cases {
        assert_eq!(route.fits(&told), fits, "{route:?}");
    }
    // A service of Aegis belongs to no cluster: whoever watches any of them is told.
    let alarm = Alarm::next(
        None,
        &Part::Stage("policy".to_owned()),
        Pulse::Silent(at(0)),
        at(9),
    );
    let alarm = Notice::of_alarm("alarm.stage.policy", &alarm.unwrap(), None);
    assert!(
        Route {
            clusters: vec![other],
            ..route()
        }
        .fits(&alarm)
    );
}

#[test]
fn what_comes_back_too_often_is_quiet_until_it_is_calm() {
    let flapping = Flapping {
        more_than: 2,
        within: Duration::from_secs(100),
        calm: Duration::from_secs(50),
    };
    let again =
        |times: usize| -> Vec<Event> { (0..times).flat_map(|_| [opened(), resolved()]).collect() };
    let judge = |events: &[Event], now| flapping.judge(&case(events), now);
    assert_eq!(judge(&again(3), at(6)), Unrest::None, "it came back twice");
    let mut restless = again(4);
    assert_eq!(judge(&restless, at(9)), Unrest::CalmAt(at(58)));
    assert_eq!(judge(&restless, at(58)), Unrest::None);
    restless.push(opened());
    assert_eq!(judge(&restless, at(9)), Unrest::Flaps);

    let tell = |events: &[Event]| {
        let case = case(events);
        Notice::of_case("key", &case, judge(events, at(20)), at(20), None).unwrap()
    };
    let (down, up) = (tell(&again(4)), tell(&restless));
    assert!(down.firing && up.firing);
    for kind in ["slack", "pagerduty", "alertmanager", "webhook"] {
        let channel = channel(kind);
        let mut sent = aegis_notify::channel::Sent::default();
        while let Some(step) = channel.next(&down, &sent, at(20)) {
            sent = step.then;
        }
        assert_eq!(channel.next(&up, &sent, at(20)), None, "{kind}");
    }
}

/// What the event at `by` finds to do at `now`.
fn claim(record: &mut Record, channel: &Channel, by: u64, now: Timestamp) -> Due {
    let notice = notice(record.case.as_ref().unwrap(), now);
    let claim = now + Duration::from_secs(20);
    record.claim(("ops", channel), &notice, by, now, claim)
}

fn record() -> Record {
    Record {
        case: Some(case(&[opened()])),
        ..Record::default()
    }
}

#[test]
fn what_one_replica_is_sending_no_other_sends_unless_it_died() {
    let (channel, mut record) = (channel("webhook"), record());
    let Due::Send(step) = claim(&mut record, &channel, 1, at(10)) else {
        panic!("nobody sends it yet");
    };
    assert_eq!(claim(&mut record, &channel, 1, at(11)), Due::Wait(at(30)));
    assert!(matches!(
        claim(&mut record, &channel, 1, at(30)),
        Due::Send(_)
    ));
    record.note("ops", &step, &Answer::Taken(None), 1, at(31));
    assert_eq!(claim(&mut record, &channel, 2, at(31)), Due::Nothing);
}

#[test]
fn a_message_that_was_not_taken_is_owed_by_one_event_alone() {
    let (channel, mut record) = (channel("webhook"), record());
    let Due::Send(step) = claim(&mut record, &channel, 1, at(10)) else {
        panic!("nobody sends it yet");
    };
    let later = Answer::Later {
        after: None,
        because: String::new(),
    };
    record.note("ops", &step, &later, 1, at(15));
    assert_eq!(record.failures("ops"), 1);
    assert_eq!(claim(&mut record, &channel, 1, at(12)), Due::Wait(at(15)));
    assert_eq!(
        claim(&mut record, &channel, 2, at(20)),
        Due::Nothing,
        "event 1 comes again"
    );
    assert!(matches!(
        claim(&mut record.clone(), &channel, 1, at(15)),
        Due::Send(_)
    ));
    // Event 1 does not come any more: it was on a stream that was made anew.
    assert!(matches!(
        claim(&mut record.clone(), &channel, 2, at(80)),
        Due::Send(_)
    ));
    assert_eq!(record.give_up(2), Vec::<String>::new());
    assert_eq!(record.give_up(1), ["ops"]);
}

#[test]
fn silence_is_told_once_it_lasted_and_only_by_who_listened() {
    let silence = Duration::from_secs(60);
    let cases = [
        (Some(at(50)), at(0), at(100), Pulse::Well),
        (Some(at(39)), at(0), at(100), Pulse::Silent(at(39))),
        (Some(at(39)), at(90), at(100), Pulse::Unclear),
        (None, at(90), at(100), Pulse::Unclear),
        (None, at(0), at(100), Pulse::Silent(at(0))),
    ];
    for (heard, listening, now, expected) in cases {
        assert_eq!(pulse(heard, listening, now, silence), expected);
    }
    let part = Part::Heartbeat(Cluster::parse("demo").unwrap());
    let next = |kept: Option<&Alarm>, pulse| Alarm::next(kept, &part, pulse, at(100));
    assert_eq!(next(None, Pulse::Well), None);
    let alarm = next(None, Pulse::Silent(at(1))).unwrap();
    // Who starts anew does not take an alarm back before anything is heard.
    for pulse in [Pulse::Silent(at(1)), Pulse::Unclear] {
        assert_eq!(next(Some(&alarm), pulse), None);
    }
    let ended = next(Some(&alarm), Pulse::Well).unwrap();
    assert_eq!(ended.ended, Some(at(100)));
    assert_eq!(next(Some(&ended), Pulse::Well), None);
}

/// Of thousands of forgeries one event alone comes again to see whether it is over.
#[test]
fn forgeries_are_one_alarm_until_none_came_for_a_while() {
    let whole = CALM.as_secs();
    let calm = i64::try_from(whole).unwrap();
    let said = "no active key signed this";
    let mut kept: Option<Alarm> = None;
    let mut forge = |seq: u64, came: i64, now: i64| {
        let alarm = Alarm::forged(kept.as_ref(), None, (seq, at(came)), said, at(now));
        let again = alarm.look_again(seq, at(now)).map(|wait| wait.as_secs());
        kept = Some(alarm.clone());
        (alarm.ended.is_none(), again)
    };
    assert_eq!(forge(1, 0, 0), (true, Some(whole)));
    assert_eq!(forge(2, 100, 100), (true, None));
    assert_eq!(
        forge(1, 0, calm),
        (true, Some(100)),
        "the second one was later"
    );
    assert_eq!(forge(1, 0, calm + 100), (false, None));
    assert_eq!(
        forge(2, 100, calm + 101),
        (false, None),
        "it comes again, and is known"
    );
    assert_eq!(forge(3, calm + 200, calm + 200), (true, Some(whole)));
    // Event 3 is lost with its stream: somebody else sees to the end.
    assert_eq!(forge(4, calm + 200, 4 * calm), (false, None));
}

#[test]
fn every_mistake_of_the_configuration_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config {
        receivers: receivers(folder.path(), "http://10.0.0.5")
            .into_iter()
            .map(|(name, receiver)| (name.to_owned(), receiver))
            .collect(),
        routes: vec![Route::default()],
        dashboard_url: Some("aegis".to_owned()),
        ..Config::default()
    };
    config.routes[0].receivers = vec!["nobody".to_owned()];
    config.dead_man.stages = vec!["nothing".to_owned()];
    let faults = config.faults().join("\n");
    for part in [
        "`nobody`",
        "`receivers.slack`",
        "https://",
        "`dashboard_url`",
        "`nothing`",
    ] {
        assert!(faults.contains(part), "{part} in {faults}");
    }
    assert_eq!(Config::default().faults(), Vec::<String>::new());
}

#[test]
fn a_changed_severity_is_told_and_a_changed_number_is_not() {
    let open = notice(&case(&[opened()]), at(1));
    let worse = incident(IncidentPhase::Updated, Severity::Critical);
    let worse = notice(&case(&[opened(), worse]), at(2));
    let mut restated = open.clone();
    restated.lines[0].text = "other numbers".to_owned();
    for (kind, tells_numbers) in [
        ("slack", true),
        ("pagerduty", false),
        ("alertmanager", false),
        ("webhook", false),
    ] {
        let channel = channel(kind);
        let sent = channel
            .next(&open, &Default::default(), at(1))
            .unwrap()
            .then;
        assert!(channel.next(&worse, &sent, at(2)).is_some(), "{kind}");
        let told = channel.next(&restated, &sent, at(2)).is_some();
        assert_eq!(told, tells_numbers, "{kind}");
    }
}

#[test]
fn a_receiver_is_read_from_a_file_with_its_type() {
    let text = r#"{ "type": "pagerduty", "routing_key_file": "key" }"#;
    let receiver: Receiver = serde_json::from_str(text).unwrap();
    let Receiver::PagerDuty(pagerduty) = receiver else {
        panic!("{receiver:?}");
    };
    assert_eq!(pagerduty.api_url, "https://events.pagerduty.com");
    let typo = r#"{ "type": "slack", "token_file": "t", "channel": "C", "chanel": "D" }"#;
    assert!(serde_json::from_str::<Receiver>(typo).is_err());
}
