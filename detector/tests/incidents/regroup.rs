//! What people say of grouping: two incidents are one trouble, or an entity has one of its own.

use aegis_schemas::{Grouped, GroupedBy, IncidentId};

use super::*;

fn merge(log: &mut Log, incident: &Incident, into: &Incident) -> Vec<Incident> {
    let body = CommandBody::Merge {
        incident: incident.incident,
        into: into.incident,
    };
    incidents(&log.command(body))
}

fn split(log: &mut Log, of: &Incident, entity: &Entity) -> Vec<Incident> {
    let body = CommandBody::Split {
        incident: of.incident,
        entity: entity.clone(),
    };
    incidents(&log.command(body))
}

/// One pod of `cart` and all of `pay` crash, for reasons of their own.
fn two_crash(log: &mut Log) -> (Incident, Incident) {
    log.healthy("cart", 3);
    log.healthy("pay", 3);
    let cart = crash(log, "cart");
    log.signal(&workload("pay"), SignalBody::Workload(state(3, 0, 1)));
    let said = log.pod("pay", 1, false, 4, Some("CrashLoopBackOff"), "rev1");
    let own = |one: &Incident| one.entity == workload("pay");
    (cart, incidents(&said).into_iter().find(own).unwrap())
}

/// The crashing pod is replaced.
fn heal(log: &mut Log, of: &str) {
    log.signal(&pod(of, 1), SignalBody::Gone(Default::default()));
    log.pod(of, 7, true, 0, None, "rev1");
    log.signal(&workload(of), SignalBody::Workload(state(3, 3, 1)));
}

/// `front`, which calls `back`, gives errors as `back` does; what is said of it.
fn both_err(log: &mut Log, front: &Entity, back: &Entity) -> Vec<Incident> {
    let calls = [
        blame("error_ratio", 0.3, 0.001),
        blame("call_error_ratio.back", 0.3, 0.0),
    ];
    let mut said = log.anomaly(front, AnomalyPhase::Opened, &calls);
    let errors = [blame("error_ratio", 0.3, 0.001)];
    said.extend(log.anomaly(back, AnomalyPhase::Opened, &errors));
    said.extend(log.wait(8));
    incidents(&said)
}

fn calls(log: &mut Log, caller: &Entity, callee: &Entity) {
    let callees = vec![callee.clone()];
    log.signal(caller, SignalBody::Calls(Calls { callees }));
}

fn front_and_back(log: &mut Log) -> (Entity, Entity, Incident) {
    let (front, back) = (log.healthy("front", 2), log.healthy("back", 2));
    calls(log, &front, &back);
    let said = both_err(log, &front, &back).pop().unwrap();
    assert_eq!(said.affected, [back.clone(), front.clone()]);
    (front, back, said)
}

#[test]
fn an_incident_says_why_each_entity_belongs_to_it() {
    let mut log = Log::new();
    let (front, _, said) = front_and_back(&mut log);
    let why = |entity: &Entity, by, because: &str| Grouped {
        entity: entity.clone(),
        by,
        because: because.to_owned(),
    };
    let told = "it calls deployment/back; it fell sick 1 s earlier";
    assert_eq!(said.grouped, [why(&front, GroupedBy::Calls, told)]);
    assert_eq!(said.own_severity, None);

    let mut log = Log::new();
    let (web, api) = (log.healthy("web", 2), log.healthy("api", 2));
    calls(&mut log, &web, &api);
    let load = blame("request_rate", 300.0, 120.0);
    let full = [blame("cpu_utilisation", 0.95, 0.4), load.clone()];
    log.anomaly(&web, AnomalyPhase::Opened, &full);
    let slow = [blame("latency_p99", 2.0, 0.1), load];
    log.anomaly(&api, AnomalyPhase::Opened, &slow);
    let said = incidents(&log.wait(31)).pop().unwrap();
    let told = "it gets more requests than usual from deployment/web; it fell sick 1 s later";
    assert_eq!(said.grouped, [why(&api, GroupedBy::Load, told)]);
}

#[test]
fn of_a_long_chain_eight_steps_are_told_and_where_it_ends() {
    let mut log = Log::new();
    let chain: Vec<Entity> = (0..=10)
        .map(|number| log.healthy(&format!("w{number}"), 2))
        .collect();
    for pair in chain.windows(2) {
        calls(&mut log, &pair[0], &pair[1]);
    }
    let errors = [blame("error_ratio", 0.3, 0.001)];
    let mut said = Vec::new();
    for entity in chain.iter().rev() {
        said.extend(log.anomaly(entity, AnomalyPhase::Opened, &errors));
    }
    said.extend(log.wait(40));
    let said = incidents(&said).pop().unwrap();
    assert_eq!(said.entity, chain[10]);
    let of = |entity: &Entity| {
        let why = said.grouped.iter().find(|one| one.entity == *entity);
        why.unwrap().because.clone()
    };
    let steps: Vec<String> = (1..=8)
        .map(|at| format!("calls deployment/w{at}"))
        .collect();
    let told = format!(
        "it {}, and so on to deployment/w10; ",
        steps.join(", which ")
    );
    assert!(of(&chain[0]).starts_with(&told), "{}", of(&chain[0]));
    let last = of(&chain[2]);
    assert!(last.contains(", which calls deployment/w10; "), "{last}");
}

#[test]
fn a_diagnosis_sees_nothing_of_what_a_person_merged_in() {
    let mut log = Log::new();
    let (cart, pay) = two_crash(&mut log);
    merge(&mut log, &cart, &pay);
    let cases: Vec<_> = log.core.cases().collect();
    let [(incident, case)] = &cases[..] else {
        panic!("one incident is left of two");
    };
    assert_eq!(incident.incident, pay.incident);
    let seen: Vec<&str> = case.entities.keys().map(String::as_str).collect();
    assert_eq!(seen, ["pay"]);
}

#[test]
fn a_merged_incident_ends_at_once_and_what_is_sick_of_it_is_the_others_while_that_lasts() {
    let mut log = Log::new();
    let (cart, pay) = two_crash(&mut log);
    let said = merge(&mut log, &cart, &pay);
    let ids: Vec<_> = said.iter().map(|one| (one.incident, one.phase)).collect();
    let expected = [
        (cart.incident, IncidentPhase::Resolved),
        (pay.incident, IncidentPhase::Updated),
    ];
    assert_eq!(ids, expected);
    let told = format!("`ann` merged it into {}", pay.incident);
    assert!(said[0].summary.contains(&told), "{}", said[0].summary);
    assert_eq!(said[1].affected, [workload("pay"), workload("cart")]);
    let why = &said[1].grouped[0];
    assert_eq!(
        (why.by, &why.entity),
        (GroupedBy::Person, &workload("cart"))
    );
    let told = format!(
        "it was in the incident {}, which `ann` merged",
        cart.incident
    );
    assert!(why.because.starts_with(&told), "{}", why.because);

    // Another pod of it, and somebody who calls it: theirs is the same trouble.
    let mut later = log.pod("cart", 2, false, 4, Some("CrashLoopBackOff"), "rev1");
    let shop = log.healthy("shop", 2);
    calls(&mut log, &shop, &workload("cart"));
    let errors = [blame("error_ratio", 0.3, 0.001)];
    later.extend(log.anomaly(&shop, AnomalyPhase::Opened, &errors));
    later.extend(log.wait(31));
    let later = incidents(&later);
    assert!(later.iter().all(|one| one.incident == pay.incident));
    let last = later.last().unwrap();
    let why = last.grouped.iter().find(|one| one.entity == shop).unwrap();
    assert_eq!(why.by, GroupedBy::Person);
    let told = "it calls deployment/cart, which was in the incident ";
    assert!(why.because.starts_with(told), "{}", why.because);

    // What does not recover with it has a trouble of its own after all.
    heal(&mut log, "pay");
    let ids: Vec<_> = incidents(&log.wait(60))
        .into_iter()
        .map(|one| (one.incident, one.phase))
        .collect();
    assert_eq!(ids[0], (cart.incident, IncidentPhase::Opened));
    assert!(ids.contains(&(pay.incident, IncidentPhase::Resolved)));
}

#[test]
fn a_merge_holds_for_that_trouble_and_for_nothing_else() {
    let mut log = Log::new();
    let (cart, pay) = two_crash(&mut log);
    let shop = log.healthy("shop", 2);
    calls(&mut log, &shop, &cart.entity);
    merge(&mut log, &cart, &pay);
    let errors = [blame("error_ratio", 0.3, 0.001)];
    log.anomaly(&shop, AnomalyPhase::Opened, &errors);
    log.wait(8);
    // Nobody named the shop, and now its own pods crash.
    let said = incidents(&log.pod("shop", 1, false, 4, Some("CrashLoopBackOff"), "rev1"));
    assert!(said.iter().any(|one| one.entity == shop), "{said:?}");
    // Cart recovers, and what it has next is not what was merged.
    heal(&mut log, "cart");
    log.wait(15);
    let said = incidents(&log.pod("cart", 2, false, 4, Some("CrashLoopBackOff"), "rev1"));
    assert!(said.iter().any(|one| one.entity == cart.entity), "{said:?}");
}

#[test]
fn nothing_is_merged_into_an_incident_whose_root_is_well() {
    let mut log = Log::new();
    let (cart, pay) = two_crash(&mut log);
    heal(&mut log, "pay");
    log.wait(3);
    assert_eq!(log.core.stats().open, 2);
    assert_eq!(merge(&mut log, &cart, &pay), []);
    assert_eq!(log.core.stats().idle_regroupings, 1);
    assert!(log.core.open().any(|one| one.incident == cart.incident));
}

#[test]
fn a_merge_adds_words_and_no_act() {
    let mut log = Log::new();
    let (cart, pay) = two_crash(&mut log);
    assert_eq!(
        (cart.severity, pay.severity),
        (Severity::Error, Severity::Critical)
    );
    let said = merge(&mut log, &pay, &cart).pop().unwrap();
    assert_eq!(
        said.severity,
        Severity::Critical,
        "people hear how bad it is"
    );
    assert_eq!(said.own_severity, Some(Severity::Error));
    let essence = |one: &Incident| {
        let acts = one.recommendations.clone();
        (one.entity.clone(), one.kind, one.confidence, acts)
    };
    assert_eq!(essence(&said), essence(&cart));
    let about: BTreeSet<&Entity> = said.evidence.iter().map(|one| &one.entity).collect();
    assert_eq!(about.len(), 2, "the evidence of both");
}

#[test]
fn an_act_for_an_incident_that_was_merged_is_judged_as_ever() {
    let mut log = Log::new();
    let (cart, pay) = two_crash(&mut log);
    log.act(&cart);
    merge(&mut log, &cart, &pay);
    heal(&mut log, "cart");
    let judged = assessments(&log.wait(20)).remove(0);
    assert_eq!(judged.verdict, AssessmentVerdict::Verified);
    assert_eq!(judged.incident, Some(cart.incident));
}

#[test]
fn what_is_split_has_an_incident_of_its_own_and_is_not_grouped_again_while_either_lasts() {
    let mut log = Log::new();
    let (front, back, both) = front_and_back(&mut log);
    let said = split(&mut log, &both, &front);
    let told: Vec<_> = said
        .iter()
        .map(|one| (one.phase, one.entity.clone(), one.affected.len()))
        .collect();
    let expected = [
        (IncidentPhase::Updated, back.clone(), 1),
        (IncidentPhase::Opened, front.clone(), 1),
    ];
    assert_eq!(told, expected);
    // Back recovers and fails again: front is still on its own.
    log.anomaly(&back, AnomalyPhase::Closed, &[]);
    log.wait(20);
    let errors = [blame("error_ratio", 0.3, 0.001)];
    let mut again = log.anomaly(&back, AnomalyPhase::Opened, &errors);
    again.extend(log.wait(8));
    assert!(incidents(&again).iter().any(|one| one.entity == back));
    assert!(incidents(&again).iter().all(|one| one.affected.len() == 1));
    assert_eq!(log.core.stats().open, 2);
    // All is over and forgotten: now the rule holds again.
    log.anomaly(&front, AnomalyPhase::Closed, &[]);
    log.anomaly(&back, AnomalyPhase::Closed, &[]);
    log.wait(60);
    assert_eq!(log.core.stats().open, 0);
    let said = both_err(&mut log, &front, &back).pop().unwrap();
    assert_eq!(said.affected, [back, front]);
}

#[test]
fn what_is_split_takes_along_what_it_explains_and_stays_apart_when_a_third_explains_both() {
    // Whether front calls that one as well, or by back only.
    for directly in [true, false] {
        let mut log = Log::new();
        let (db, shop) = (log.healthy("db", 2), log.healthy("shop", 2));
        let (front, back, _) = front_and_back(&mut log);
        calls(&mut log, &shop, &front);
        let errors = [blame("error_ratio", 0.3, 0.001)];
        log.anomaly(&shop, AnomalyPhase::Opened, &errors);
        let all = incidents(&log.wait(31)).pop().unwrap();
        let told = "it calls deployment/front, which calls deployment/back; ";
        assert!(all.grouped.iter().any(|one| one.because.starts_with(told)));
        let said = split(&mut log, &all, &front);
        assert_eq!(said[1].affected, [front.clone(), shop.clone()]);

        calls(&mut log, &back, &db);
        if directly {
            calls(&mut log, &front, &db);
        }
        log.anomaly(&db, AnomalyPhase::Opened, &errors);
        let said = incidents(&log.wait(31));
        let last = |root: &Entity| said.iter().rfind(|one| one.entity == *root).unwrap();
        assert_eq!(last(&db).incident, all.incident);
        assert_eq!(last(&db).affected, [back, db.clone()]);
        assert_eq!(last(&front).affected, [front.clone(), shop]);
        assert_eq!(log.core.stats().open, 2);
    }
}

#[test]
fn what_was_merged_and_is_split_again_has_its_incident_back() {
    let mut log = Log::new();
    let (cart, pay) = two_crash(&mut log);
    merge(&mut log, &cart, &pay);
    let said = split(&mut log, &pay, &cart.entity);
    assert_eq!(said[0].affected, [workload("pay")]);
    assert_eq!(said[1].incident, cart.incident);
    assert_eq!(said[1].recommendations, cart.recommendations);
    // And who changes their mind once more.
    let said = merge(&mut log, &cart, &pay);
    assert_eq!(said[1].affected.len(), 2);
}

#[test]
fn what_fits_nothing_changes_nothing() {
    let mut log = Log::new();
    let (cart, pay) = two_crash(&mut log);
    let nobody = Incident {
        incident: IncidentId::default(),
        ..cart.clone()
    };
    heal(&mut log, "cart");
    log.wait(14);
    let before: Vec<Incident> = log.core.open().cloned().collect();
    assert_eq!(before.len(), 1);
    let said = [
        merge(&mut log, &pay, &pay),
        merge(&mut log, &pay, &nobody),
        merge(&mut log, &nobody, &pay),
        merge(&mut log, &cart, &pay),
        merge(&mut log, &pay, &cart),
        split(&mut log, &pay, &pay.entity),
        split(&mut log, &pay, &cart.entity),
        split(&mut log, &nobody, &pay.entity),
    ];
    assert_eq!(said.concat(), []);
    assert_eq!(log.core.stats().idle_regroupings, 8);
    assert_eq!(log.core.open().cloned().collect::<Vec<_>>(), before);
}

#[test]
fn a_core_restored_between_any_two_steps_says_the_same_bytes() {
    type Step = fn(&mut Log, &[Incident]);
    let steps: [Step; 6] = [
        |log, all| drop(merge(log, &all[0], &all[1])),
        |log, _| drop(log.wait(12)),
        |log, all| drop(split(log, &all[2], &workload("front"))),
        |log, all| drop(split(log, &all[1], &workload("cart"))),
        |log, _| drop(log.wait(31)),
        |log, _| {
            log.anomaly(&workload("back"), AnomalyPhase::Closed, &[]);
            heal(log, "pay");
            log.wait(60);
        },
    ];
    let story = |cut: usize| {
        let mut log = Log::new();
        let (cart, pay) = two_crash(&mut log);
        let (_, _, both) = front_and_back(&mut log);
        for (number, step) in steps.iter().enumerate() {
            if number == cut {
                let bytes = aegis_schemas::codec::encode(&log.core.state()).unwrap();
                let mut fresh = Log::new().core;
                fresh.restore(aegis_schemas::codec::decode(&bytes).unwrap());
                log.core = fresh;
            }
            step(&mut log, &[cart.clone(), pay.clone(), both.clone()]);
        }
        log.said
    };
    let whole = story(usize::MAX);
    for cut in 0..steps.len() {
        assert_eq!(whole, story(cut), "cut before step {cut}");
    }
}
