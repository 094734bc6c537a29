//! A log that the core reads, and small clusters on it.

use std::collections::BTreeSet;
use std::time::Duration;

use aegis_detector::incidents::{Config, Core};
use aegis_schemas::pipeline::{Core as _, Input, Origin, Output};
use aegis_schemas::signal::{Change, ContainerSpec, Heartbeat, PodState, Revision, WorkloadState};
use aegis_schemas::{
    Action, Actor, Anomaly, AnomalyPhase, Assessment, Blame, Cluster, Command, CommandBody, Entity,
    EntityKind, EpisodeId, Event, EventId, Incident, Name, Namespace, Outcome, OutcomePhase,
    Signal, SignalBody, Timestamp, Warrant, WarrantTarget,
    signature::{DECISION_TYPE, Envelope, Key},
};

/// A log that a core reads, one second per event unless said otherwise.
pub(crate) struct Log {
    pub(crate) core: Core,
    pub(crate) seq: u64,
    pub(crate) now: Timestamp,
    pub(crate) said: Vec<Output>,
    /// Where the next event stands in its producer's output.
    pub(crate) origin: Option<Origin>,
}

impl Log {
    pub(crate) fn new() -> Self {
        let config = Config {
            not_ready_grace_s: 10,
            open_after_s: 5,
            resolve_after_s: 10,
            healthy_after_s: 20,
            ready_for_s: 5,
            silent_for_s: 5,
            sideways_for_s: 5,
            assess_within_s: 60,
            ..Config::default()
        };
        Self {
            core: Core::new(Cluster::parse("demo").unwrap(), config),
            seq: 0,
            now: Timestamp::from_millis(1_700_000_000_000),
            said: Vec::new(),
            origin: None,
        }
    }

    pub(crate) fn event(&mut self, event: Event) -> Vec<Event> {
        self.seq += 1;
        self.now = self.now + Duration::from_secs(1);
        let input = Input {
            epoch: 1,
            seq: self.seq,
            time: self.now,
            id: EventId::derive("test", EventId::default(), self.seq as u32),
            cause: None,
            origin: self.origin.take(),
            event,
        };
        let outputs = self.core.handle(&input);
        self.said.extend(outputs.iter().cloned());
        outputs
            .iter()
            .map(|output| Event::decode(output.kind.as_str(), &output.body).unwrap())
            .collect()
    }

    pub(crate) fn signal(&mut self, entity: &Entity, body: SignalBody) -> Vec<Event> {
        let observed = self.now;
        self.event(Event::Signal(Signal {
            entity: entity.clone(),
            observed,
            source: "kubernetes".to_owned(),
            body,
        }))
    }

    /// What an operator asks for.
    pub(crate) fn command(&mut self, body: CommandBody) -> Vec<Event> {
        let actor = Actor {
            name: "ann".to_owned(),
            roles: BTreeSet::new(),
        };
        let reason = "seen".to_owned();
        self.event(Event::Command(Command {
            actor,
            reason,
            body,
        }))
    }

    /// Heartbeats for that many seconds; what was said meanwhile.
    pub(crate) fn wait(&mut self, seconds: u64) -> Vec<Event> {
        let cluster = Entity::cluster_scoped(
            Cluster::parse("demo").unwrap(),
            EntityKind::Cluster,
            Name::parse("demo").unwrap(),
        );
        (0..seconds)
            .flat_map(|_| {
                let clock = self.now + Duration::from_secs(1);
                let beat = Heartbeat {
                    clock,
                    sources: [("kubernetes".to_owned(), clock)].into(),
                    fill: 0.0,
                };
                self.signal(&cluster, SignalBody::Heartbeat(beat))
            })
            .collect()
    }

    /// A workload at revision 1 with `replicas` ready pods, long enough to have proved healthy.
    pub(crate) fn healthy(&mut self, name: &str, replicas: i32) -> Entity {
        let entity = workload(name);
        self.signal(&entity, SignalBody::Workload(state(replicas, replicas, 1)));
        for number in 0..replicas {
            self.pod(name, number, true, 0, None, "rev1");
        }
        self.wait(25);
        entity
    }

    pub(crate) fn pod(
        &mut self,
        of: &str,
        number: i32,
        ready: bool,
        restarts: i32,
        waiting: Option<&str>,
        hash: &str,
    ) -> Vec<Event> {
        self.signal(
            &pod(of, number),
            SignalBody::Pod(PodState {
                uid: format!("{of}-{number}-{hash}"),
                workload: Some(workload(of)),
                phase: "Running".to_owned(),
                ready,
                restarts,
                waiting: waiting.map(str::to_owned),
                template_hash: hash.to_owned(),
                ..PodState::default()
            }),
        )
    }

    pub(crate) fn anomaly(
        &mut self,
        entity: &Entity,
        phase: AnomalyPhase,
        blame: &[Blame],
    ) -> Vec<Event> {
        let now = self.now;
        self.event(Event::Anomaly(Anomaly {
            episode: EpisodeId::default(),
            entity: entity.clone(),
            phase,
            since: now,
            newest: now,
            score: 6.0,
            threshold: 4.0,
            blame: blame.to_vec(),
        }))
    }

    /// Allows and carries out the first recommendation of `incident`.
    pub(crate) fn act(&mut self, incident: &Incident) -> Action {
        let outcome = self.allow(incident);
        let action = outcome.action.clone().unwrap();
        self.event(Event::Outcome(outcome));
        action
    }

    /// Allows the first recommendation of `incident`; what the executor will say when it has done it.
    pub(crate) fn allow(&mut self, incident: &Incident) -> Outcome {
        let (warrant, outcome) = self.decide(incident);
        self.event(Event::Warrant(signed(&warrant)));
        outcome
    }

    pub(crate) fn decide(&self, incident: &Incident) -> (Warrant, Outcome) {
        let recommendation = incident.recommendations.first().unwrap().clone();
        let seq = self.seq;
        let recommendation_is_for_a_workload = recommendation.target.entity.kind.is_workload();
        let decision =
            aegis_schemas::DecisionId(EventId::derive("act", EventId::default(), seq as u32));
        let warrant = Warrant {
            v: Warrant::VERSION,
            decision_id: decision,
            nonce: aegis_schemas::Digest::default(),
            issuer: "policy/demo".to_owned(),
            audience: "aegis-executor/uid".to_owned(),
            kid: "k1".to_owned(),
            alg: "HS256".to_owned(),
            iat: self.now,
            nbf: self.now,
            exp: self.now + Duration::from_secs(60),
            cause: EventId::default(),
            incident: Some(incident.incident),
            undo_of: None,
            actor: aegis_schemas::Actor {
                name: "aegis".to_owned(),
                roles: BTreeSet::new(),
            },
            policy_hash: aegis_schemas::Digest::default(),
            target: WarrantTarget {
                cluster_uid: "uid".to_owned(),
                object: recommendation.target.clone(),
            },
            action: recommendation.action.clone(),
            fence: 1,
            max_blast: recommendation.blast,
            approvals: Vec::new(),
            reasons: Vec::new(),
        };
        let outcome = Outcome {
            decision,
            incident: Some(incident.incident),
            phase: OutcomePhase::Applied,
            code: None,
            message: String::new(),
            action: Some(recommendation.action.clone()),
            target: Some(recommendation.target),
            pre_image: None,
            generation: i64::from(recommendation_is_for_a_workload) * 2,
            resource_version: "9".to_owned(),
            fence: 1,
            stream_seq: seq,
            envelope: aegis_schemas::Digest::default(),
        };
        (warrant, outcome)
    }
}

pub(crate) fn signed(warrant: &Warrant) -> Envelope {
    let key = Key::new("k1", vec![7; 32]).unwrap();
    let payload = aegis_schemas::codec::encode(warrant).unwrap();
    Envelope::sign(DECISION_TYPE, payload, &key)
}

pub(crate) fn name(kind: EntityKind, name: &str) -> Entity {
    Entity::namespaced(
        Cluster::parse("demo").unwrap(),
        Namespace::parse("shop").unwrap(),
        kind,
        Name::parse(name).unwrap(),
    )
}

pub(crate) fn workload(of: &str) -> Entity {
    name(EntityKind::Deployment, of)
}

pub(crate) fn pod(of: &str, number: i32) -> Entity {
    name(EntityKind::Pod, &format!("{of}-{number}"))
}

pub(crate) fn state(replicas: i32, ready: i32, revision: i64) -> WorkloadState {
    WorkloadState {
        uid: "u".to_owned(),
        generation: revision,
        observed_generation: revision,
        gvk: "apps/v1/Deployment".to_owned(),
        replicas,
        ready,
        updated: replicas,
        available: ready,
        current: replicas,
        revision,
        revisions: (1..=revision)
            .map(|number| Revision {
                number,
                template_hash: format!("rev{number}"),
                images: vec![format!("shop:{number}")],
                created: Timestamp::EPOCH,
                ready: if number == 1 { ready } else { 0 },
            })
            .collect(),
        containers: vec![ContainerSpec::default()],
        ..WorkloadState::default()
    }
}

pub(crate) fn blame(feature: &str, value: f64, expected: f64) -> Blame {
    Blame {
        feature: feature.to_owned(),
        pod: None,
        value,
        expected,
        deviation: 12.0,
        forecast: None,
    }
}

pub(crate) fn incidents(events: &[Event]) -> Vec<Incident> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Incident(incident) => Some(incident.clone()),
            _ => None,
        })
        .collect()
}

pub(crate) fn assessments(events: &[Event]) -> Vec<Assessment> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Assessment(assessment) => Some(assessment.clone()),
            _ => None,
        })
        .collect()
}

pub(crate) fn crash(log: &mut Log, of: &str) -> Incident {
    log.signal(&workload(of), SignalBody::Workload(state(3, 2, 1)));
    let events = log.pod(of, 1, false, 4, Some("CrashLoopBackOff"), "rev1");
    let own = |incident: &Incident| incident.entity == workload(of);
    incidents(&events).into_iter().find(own).unwrap()
}

/// Somebody changes a workload's template.
pub(crate) fn new_template(log: &mut Log, of: &Entity, by: &str, revision: i64) {
    let change = Change {
        what: "template".to_owned(),
        by: by.to_owned(),
        revision,
        ..Change::default()
    };
    log.signal(of, SignalBody::Change(change));
    log.signal(of, SignalBody::Workload(state(3, 3, revision)));
}
