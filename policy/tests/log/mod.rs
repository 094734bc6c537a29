//! A log that a policy core reads, one second per event; what it says comes back to it, as on the bus.
#![allow(dead_code, reason = "each test file uses its part")]

use std::time::Duration;

use aegis_policy::Core;
use aegis_schemas::keyring::KeyFile;
use aegis_schemas::pipeline::{Core as _, Input, Origin, Output};
use aegis_schemas::signal::{
    Genesis, Heartbeat, NamespaceState, PodState, Revision, WorkloadState,
};
use aegis_schemas::{
    Action, Actor, Assessment, AssessmentVerdict, Blast, Cluster, Command, CommandBody, Decision,
    Digest, Entity, EntityKind, Event, EventId, Evidence, EvidenceSource, FailureKind, Incident,
    IncidentId, IncidentPhase, Mode, Outcome, OutcomePhase, PreImage, Recommendation, RefusalCode,
    Scope, Severity, Signal, SignalBody, Target, Timestamp, Verdict, Warrant, signature::Envelope,
};

pub(crate) struct Log {
    pub(crate) core: Core,
    pub(crate) seq: u64,
    pub(crate) now: Timestamp,
    pub(crate) inputs: Vec<Input>,
    pub(crate) said: Vec<Output>,
    /// How full heartbeats say that AEGIS_EVENTS is.
    pub(crate) fill: f64,
}

/// What was said to one event.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) warrants: Vec<Warrant>,
    pub(crate) decisions: Vec<Decision>,
}

impl Answer {
    pub(crate) fn is_silent(&self) -> bool {
        self.warrants.is_empty() && self.decisions.is_empty()
    }

    pub(crate) fn warrant(&self) -> &Warrant {
        assert_eq!(self.warrants.len(), 1, "{self:#?}");
        &self.warrants[0]
    }

    /// The one decision, of that verdict and with that reason first.
    pub(crate) fn is(&self, verdict: Verdict, policy: &str) -> &Decision {
        assert!(self.warrants.is_empty(), "{self:#?}");
        assert_eq!(self.decisions.len(), 1, "{self:#?}");
        let decision = &self.decisions[0];
        assert_eq!(decision.verdict, verdict, "{decision:#?}");
        let ids: Vec<_> = decision
            .reasons
            .iter()
            .map(|reason| reason.policy.as_str())
            .collect();
        assert!(ids.contains(&policy), "{policy}: {decision:#?}");
        decision
    }
}

pub(crate) fn keys() -> KeyFile {
    KeyFile::new("test", vec![7; 32]).unwrap()
}

pub(crate) fn cluster() -> Cluster {
    Cluster::parse("demo").unwrap()
}

pub(crate) fn workload(name: &str) -> Entity {
    format!("demo/shop/deployment/{name}").parse().unwrap()
}

pub(crate) fn pod(name: &str) -> Entity {
    format!("demo/shop/pod/{name}").parse().unwrap()
}

pub(crate) fn person(name: &str, role: &str) -> Actor {
    Actor {
        name: name.to_owned(),
        roles: [role.to_owned()].into(),
    }
}

pub(crate) fn everywhere() -> Scope {
    Scope {
        cluster: cluster(),
        namespace: None,
        action: None,
    }
}

impl Log {
    /// Nothing is on the log yet.
    pub(crate) fn empty() -> Self {
        Self {
            core: Core::new(cluster(), keys()),
            seq: 0,
            now: Timestamp::from_millis(1_700_000_000_000),
            inputs: Vec::new(),
            said: Vec::new(),
            fill: 0.0,
        }
    }

    /// The namespace `shop` takes part; mode act; `cart` has four pods, `web` and `db` ten each.
    pub(crate) fn new() -> Self {
        let mut log = Self::observing();
        log.mode(Mode::Act);
        log
    }

    pub(crate) fn observing() -> Self {
        let mut log = Self::empty();
        let genesis = SignalBody::Genesis(Genesis {
            epoch: 3,
            clusters: [("demo".to_owned(), "cluster-uid".to_owned())].into(),
        });
        let demo: Entity = "demo/cluster/demo".parse().unwrap();
        log.signal(&demo, genesis);
        log.namespace(&[("aegis.dev/enabled", "true")]);
        for (name, replicas) in [("cart", 4), ("web", 10), ("db", 10)] {
            log.workload(
                name,
                replicas,
                replicas,
                1,
                &[("aegis.dev/managed", "true")],
            );
        }
        log
    }

    pub(crate) fn event(&mut self, event: Event) -> Answer {
        self.now = self.now + Duration::from_secs(1);
        self.put(event, None)
    }

    fn put(&mut self, event: Event, origin: Option<Origin>) -> Answer {
        self.seq += 1;
        let input = Input {
            epoch: 1,
            seq: self.seq,
            time: self.now,
            id: EventId::derive("test", EventId::default(), self.seq as u32),
            cause: None,
            origin,
            event,
        };
        let outputs = self.core.handle(&input);
        self.inputs.push(input);
        self.said.extend(outputs.iter().cloned());
        let mut answer = Answer::default();
        for output in outputs {
            let event = Event::decode(output.kind.as_str(), &output.body).unwrap();
            match &event {
                Event::Warrant(envelope) => {
                    let bytes = event.encode().unwrap();
                    Envelope::verify(&bytes, &keys().keyring()).expect("signed");
                    answer
                        .warrants
                        .push(Warrant::decode_strict(&envelope.payload).expect("strict"));
                }
                Event::Decision(decision) => answer.decisions.push(decision.clone()),
                other => panic!("unexpected {other:?}"),
            }
            let echo = self.put(event, Some(output.origin));
            assert!(echo.is_silent(), "an echo causes nothing");
        }
        answer
    }

    pub(crate) fn signal(&mut self, entity: &Entity, body: SignalBody) -> Answer {
        let observed = self.now;
        self.event(Event::Signal(Signal {
            entity: entity.clone(),
            observed,
            source: "kubernetes".to_owned(),
            body,
        }))
    }

    pub(crate) fn namespace(&mut self, tags: &[(&str, &str)]) {
        let entity =
            Entity::cluster_scoped(cluster(), EntityKind::Namespace, "shop".parse().unwrap());
        let state = NamespaceState {
            labels: tags
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            ..NamespaceState::default()
        };
        self.signal(&entity, SignalBody::Namespace(state));
    }

    pub(crate) fn workload(
        &mut self,
        name: &str,
        replicas: i32,
        ready: i32,
        generation: i64,
        tags: &[(&str, &str)],
    ) {
        let state = WorkloadState {
            uid: format!("{name}-uid"),
            generation,
            gvk: "apps/v1/Deployment".to_owned(),
            replicas,
            ready,
            revisions: vec![Revision {
                number: 1,
                template_hash: "old".to_owned(),
                ready,
                ..Revision::default()
            }],
            labels: tags
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            ..WorkloadState::default()
        };
        self.signal(&workload(name), SignalBody::Workload(state));
    }

    pub(crate) fn pod(&mut self, of: &str, number: u32, ready: bool) -> Entity {
        let entity = pod(&format!("{of}-{number}"));
        let state = PodState {
            uid: format!("{of}-{number}-uid"),
            workload: Some(workload(of)),
            ready,
            ..PodState::default()
        };
        self.signal(&entity, SignalBody::Pod(state));
        entity
    }

    /// A heartbeat every five seconds; all that is said meanwhile.
    pub(crate) fn wait(&mut self, seconds: u64) -> Answer {
        let mut all = Answer::default();
        for _ in 0..seconds.div_ceil(5) {
            self.now = self.now + Duration::from_secs(4);
            let answer = self.heartbeat(0);
            all.warrants.extend(answer.warrants);
            all.decisions.extend(answer.decisions);
        }
        all
    }

    pub(crate) fn heartbeat(&mut self, clock_ahead_s: u64) -> Answer {
        let demo: Entity = "demo/cluster/demo".parse().unwrap();
        let clock = self.now + Duration::from_secs(1 + clock_ahead_s);
        let sources = std::collections::BTreeMap::new();
        let fill = self.fill;
        let beat = Heartbeat {
            clock,
            sources,
            fill,
        };
        self.signal(&demo, SignalBody::Heartbeat(beat))
    }

    pub(crate) fn command(&mut self, actor: Actor, body: CommandBody) -> Answer {
        self.event(Event::Command(Command {
            actor,
            reason: "because".to_owned(),
            body,
        }))
    }

    pub(crate) fn mode(&mut self, mode: Mode) {
        let scope = everywhere();
        let answer = self.command(person("root", "admin"), CommandBody::Mode { scope, mode });
        answer.is(Verdict::Standing, "admins");
    }

    pub(crate) fn approve(&mut self, who: &str, proposal: Digest) -> Answer {
        self.command(person(who, "operator"), CommandBody::Approve { proposal })
    }

    pub(crate) fn incident(&mut self, incident: &Incident) -> Answer {
        let incident = Incident {
            newest_evidence: self.now,
            ..incident.clone()
        };
        self.event(Event::Incident(incident))
    }

    pub(crate) fn outcome(
        &mut self,
        warrant: &Warrant,
        phase: OutcomePhase,
        code: Option<RefusalCode>,
        pre_image: Option<PreImage>,
    ) -> Answer {
        self.event(Event::Outcome(Outcome {
            decision: warrant.decision_id,
            incident: warrant.incident,
            phase,
            code,
            message: "said".to_owned(),
            action: Some(warrant.action.clone()),
            target: Some(warrant.target.object.clone()),
            pre_image,
            generation: warrant.target.object.generation + 1,
            resource_version: String::new(),
            fence: warrant.fence,
            stream_seq: 0,
            envelope: Digest::default(),
        }))
    }

    /// Carried out, with what was there before.
    pub(crate) fn applied(&mut self, warrant: &Warrant) -> Answer {
        let pre_image = match &warrant.action {
            Action::Scale { from, .. } => PreImage::Replicas { replicas: *from },
            Action::RestartPod { .. } => PreImage::Pod {
                uid: warrant.target.object.uid.clone(),
            },
            _ => PreImage::Template {
                template: "{\"before\":true}".to_owned(),
            },
        };
        self.outcome(warrant, OutcomePhase::Applied, None, Some(pre_image))
    }

    pub(crate) fn assessed(&mut self, warrant: &Warrant, verdict: AssessmentVerdict) -> Answer {
        self.event(Event::Assessment(Assessment {
            decision: warrant.decision_id,
            incident: warrant.incident,
            action: warrant.action.kind(),
            target: warrant.target.object.clone(),
            verdict,
            checks: Vec::new(),
            after_ms: 1,
        }))
    }

    /// Carried out and judged.
    pub(crate) fn done(&mut self, warrant: &Warrant, verdict: AssessmentVerdict) -> Answer {
        assert!(self.applied(warrant).is_silent());
        self.assessed(warrant, verdict)
    }
}

pub(crate) fn target(name: &str, generation: i64) -> Target {
    Target {
        entity: workload(name),
        workload: workload(name),
        gvk: "apps/v1/Deployment".to_owned(),
        uid: format!("{name}-uid"),
        generation,
    }
}

pub(crate) fn pod_target(of: &str, number: u32) -> Target {
    Target {
        entity: pod(&format!("{of}-{number}")),
        workload: workload(of),
        gvk: "v1/Pod".to_owned(),
        uid: format!("{of}-{number}-uid"),
        generation: 0,
    }
}

pub(crate) fn scale(name: &str, from: i32, replicas: i32) -> Recommendation {
    recommend(Action::Scale { replicas, from }, target(name, 1))
}

pub(crate) fn restart(of: &str, number: u32) -> Recommendation {
    recommend(Action::RestartPod { delete: false }, pod_target(of, number))
}

pub(crate) fn recommend(action: Action, target: Target) -> Recommendation {
    Recommendation {
        action,
        target,
        confidence: 800,
        blast: Blast::default(),
        because: vec!["it helps".to_owned()],
        against: Vec::new(),
    }
}

pub(crate) fn incident(name: &str, recommendations: Vec<Recommendation>) -> Incident {
    let entity = workload(name);
    let at = Timestamp::from_millis(1_700_000_000_000);
    Incident {
        incident: IncidentId(EventId::of_content("test", name.as_bytes())),
        phase: IncidentPhase::Opened,
        entity: entity.clone(),
        severity: Severity::Error,
        kind: FailureKind::CrashLoop,
        confidence: 800,
        opened: at,
        newest_evidence: at,
        affected: vec![entity.clone()],
        evidence: vec![Evidence {
            event: EventId::default(),
            source: EvidenceSource::ObjectState,
            entity,
            at,
            text: "it is down".to_owned(),
        }],
        causes: Vec::new(),
        recommendations,
        summary: "it is down".to_owned(),
        grouped: Vec::new(),
        own_severity: None,
    }
}
