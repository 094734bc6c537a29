//! Draws messages from bytes, so that proptest finds and shrinks what does not survive the wire.

use std::collections::BTreeMap;

use aegis_schemas::signal::{
    AutoscalerState, Change, ContainerSpec, DisruptionBudgetState, Genesis, Heartbeat,
    KubernetesEvent, LogRates, NamespaceState, NodeState, PodState, Revision, Sync, SyncPhase,
    Terminated, WorkloadState,
};
use aegis_schemas::signature::{DECISION_TYPE, Envelope, Key};
use aegis_schemas::*;

/// A source of values; once its bytes are used up it gives zeros.
pub(crate) struct Draw<'a>(pub(crate) &'a [u8]);

impl Draw<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn u64(&mut self) -> u64 {
        u64::from_be_bytes(std::array::from_fn(|_| self.byte()))
    }

    fn flag(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    fn i64(&mut self) -> i64 {
        self.u64() as i64
    }

    fn i32(&mut self) -> i32 {
        self.u64() as i32
    }

    fn real(&mut self) -> f64 {
        // NaN is not equal to itself, which is all that the round trip would show.
        let real = f64::from_bits(self.u64());
        if real.is_nan() { 0.5 } else { real }
    }

    fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[usize::from(self.byte()) % all.len()].clone()
    }

    fn list<T>(&mut self, item: impl Fn(&mut Self) -> T) -> Vec<T> {
        (0..self.byte() % 4).map(|_| item(self)).collect()
    }

    fn maybe<T>(&mut self, item: impl Fn(&mut Self) -> T) -> Option<T> {
        self.flag().then(|| item(self))
    }

    fn text(&mut self) -> String {
        let bytes = self.list(Self::byte);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn texts(&mut self) -> BTreeMap<String, String> {
        self.list(|draw| (draw.text(), draw.text()))
            .into_iter()
            .collect()
    }

    fn time(&mut self) -> Timestamp {
        Timestamp::from_nanos(self.i64())
    }

    fn id(&mut self) -> EventId {
        EventId::from_bytes(std::array::from_fn(|_| self.byte()))
    }

    fn digest(&mut self) -> Digest {
        Digest::from_bytes(std::array::from_fn(|_| self.byte()))
    }

    fn label(&mut self) -> String {
        self.pick(&["a", "cart", "x-1", "node.local"]).to_owned()
    }

    fn name(&mut self) -> Name {
        Name::parse(self.label()).expect("labels are names")
    }

    fn cluster(&mut self) -> Cluster {
        Cluster::parse(self.label()).expect("labels are names")
    }

    fn entity(&mut self) -> Entity {
        Entity {
            cluster: self.cluster(),
            namespace: self.maybe(|draw| Namespace::parse(draw.label()).expect("labels are names")),
            kind: self.pick(&EntityKind::ALL),
            name: self.name(),
        }
    }

    fn target(&mut self) -> Target {
        Target {
            entity: self.entity(),
            workload: self.entity(),
            gvk: self.text(),
            uid: self.text(),
            generation: self.i64(),
        }
    }

    fn action(&mut self) -> Action {
        match self.byte() % 5 {
            0 => Action::RestartPod {
                delete: self.flag(),
            },
            1 => Action::RolloutRestart,
            2 => Action::Scale {
                replicas: self.i32(),
                from: self.i32(),
            },
            3 => Action::Rollback {
                revision: self.i64(),
                template_hash: self.text(),
            },
            _ => Action::RestoreTemplate {
                template: self.text(),
            },
        }
    }

    fn blast(&mut self) -> Blast {
        Blast {
            pods: self.i32().unsigned_abs(),
            of: self.i32().unsigned_abs(),
        }
    }

    fn actor(&mut self) -> Actor {
        Actor {
            name: self.text(),
            roles: self.list(Self::text).into_iter().collect(),
        }
    }

    fn severity(&mut self) -> Severity {
        self.pick(&[
            Severity::Info,
            Severity::Warning,
            Severity::Error,
            Severity::Critical,
        ])
    }

    fn scope(&mut self) -> Scope {
        Scope {
            cluster: self.cluster(),
            namespace: self.maybe(|draw| Namespace::parse(draw.label()).expect("labels are names")),
            action: self.maybe(|draw| draw.pick(&ActionKind::ALL)),
        }
    }

    fn reason(&mut self) -> Reason {
        Reason {
            policy: self.text(),
            text: self.text(),
        }
    }

    fn metric(&mut self) -> MetricBatch {
        let times = self.list(Self::time);
        MetricBatch {
            entity: self.entity(),
            source: self.text(),
            backfill: self.flag(),
            series: self.list(|draw| Series {
                metric: draw.text(),
                pod: draw.maybe(Self::name),
                labels: draw.texts(),
                kind: draw.pick(&[MetricKind::Counter, MetricKind::Gauge]),
                values: draw.list(Self::real),
            }),
            times,
        }
    }

    fn workload(&mut self) -> WorkloadState {
        WorkloadState {
            uid: self.text(),
            generation: self.i64(),
            replicas: self.i32(),
            paused: self.flag(),
            revisions: self.list(|draw| Revision {
                number: draw.i64(),
                template_hash: draw.text(),
                images: draw.list(Self::text),
                created: draw.time(),
                ready: draw.i32(),
            }),
            containers: self.list(|draw| ContainerSpec {
                name: draw.text(),
                image: draw.text(),
                cpu_limit_millis: draw.i64(),
                memory_limit_bytes: draw.i64(),
            }),
            labels: self.texts(),
            annotations: self.texts(),
            managers: self.texts(),
            ..WorkloadState::default()
        }
    }

    fn pod(&mut self) -> PodState {
        PodState {
            uid: self.text(),
            workload: self.maybe(Self::entity),
            node: self.maybe(Self::name),
            restarts: self.i32(),
            waiting: self.maybe(Self::text),
            terminated: self.maybe(|draw| Terminated {
                reason: draw.text(),
                exit_code: draw.i32(),
                at: draw.time(),
            }),
            created: self.time(),
            ..PodState::default()
        }
    }

    fn signal(&mut self) -> Signal {
        let body = match self.byte() % 14 {
            0 => SignalBody::Genesis(Genesis {
                epoch: self.i32() as u16,
                clusters: self.texts(),
            }),
            1 => SignalBody::Heartbeat(Heartbeat {
                clock: self.time(),
                sources: self
                    .list(|draw| (draw.text(), draw.time()))
                    .into_iter()
                    .collect(),
                fill: 0.0,
            }),
            2 => SignalBody::Sync(Sync {
                phase: self.pick(&[SyncPhase::Begin, SyncPhase::End]),
                round: self.u64(),
                kinds: self.list(|draw| draw.pick(&EntityKind::ALL)),
            }),
            3 => SignalBody::Workload(self.workload()),
            4 => SignalBody::Pod(self.pod()),
            5 => SignalBody::Node(NodeState {
                ready: self.flag(),
                ..NodeState::default()
            }),
            6 => SignalBody::Namespace(NamespaceState {
                labels: self.texts(),
                ..NamespaceState::default()
            }),
            7 => SignalBody::Autoscaler(AutoscalerState {
                target: self.maybe(Self::entity),
                ..AutoscalerState::default()
            }),
            8 => SignalBody::DisruptionBudget(DisruptionBudgetState {
                workloads: self.list(Self::entity),
                ..DisruptionBudgetState::default()
            }),
            9 => SignalBody::Change(Change {
                what: self.text(),
                by: self.text(),
                ..Change::default()
            }),
            10 => SignalBody::KubernetesEvent(KubernetesEvent {
                note: self.text(),
                count: self.i32(),
                ..KubernetesEvent::default()
            }),
            11 => SignalBody::Calls(signal::Calls {
                callees: self.list(Self::entity),
            }),
            12 => SignalBody::LogRates(LogRates {
                interval_ms: self.u64(),
                templates: self
                    .list(|draw| (draw.text(), draw.u64()))
                    .into_iter()
                    .collect(),
                // Not drawn: what was drawn for messages that are kept stays what it was.
                levels: BTreeMap::new(),
            }),
            _ => SignalBody::Alert(signal::Alert {
                severity: self.severity(),
                name: self.text(),
                ..signal::Alert::default()
            }),
        };
        Signal {
            entity: self.entity(),
            observed: self.time(),
            source: self.text(),
            body,
        }
    }

    fn anomaly(&mut self) -> Anomaly {
        Anomaly {
            episode: EpisodeId(self.id()),
            entity: self.entity(),
            phase: self.pick(&[
                AnomalyPhase::Opened,
                AnomalyPhase::Grew,
                AnomalyPhase::Closed,
            ]),
            since: self.time(),
            newest: self.time(),
            score: self.real(),
            threshold: self.real(),
            blame: self.list(|draw| Blame {
                feature: draw.text(),
                pod: draw.maybe(Self::name),
                value: draw.real(),
                expected: draw.real(),
                deviation: draw.real(),
                forecast: None,
            }),
        }
    }

    fn incident(&mut self) -> Incident {
        Incident {
            incident: IncidentId(self.id()),
            phase: self.pick(&[
                IncidentPhase::Opened,
                IncidentPhase::Updated,
                IncidentPhase::Resolved,
            ]),
            entity: self.entity(),
            severity: self.severity(),
            kind: self.pick(&[
                FailureKind::Unknown,
                FailureKind::BadRollout,
                FailureKind::NodeNotReady,
            ]),
            confidence: self.i32() as u16,
            opened: self.time(),
            newest_evidence: self.time(),
            affected: self.list(Self::entity),
            evidence: self.list(|draw| Evidence {
                event: draw.id(),
                source: draw.pick(&[EvidenceSource::Metrics, EvidenceSource::ObjectState]),
                entity: draw.entity(),
                at: draw.time(),
                text: draw.text(),
            }),
            causes: self.list(|draw| Cause {
                entity: draw.entity(),
                kind: draw.pick(&[CauseKind::RecentChange, CauseKind::Itself]),
                confidence: draw.i32() as u16,
                because: draw.list(Self::text),
            }),
            recommendations: self.list(|draw| Recommendation {
                action: draw.action(),
                target: draw.target(),
                confidence: draw.i32() as u16,
                blast: draw.blast(),
                because: draw.list(Self::text),
                against: draw.list(Self::text),
            }),
            summary: self.text(),
            // What came later is there with a number that no golden message draws.
            grouped: if self.byte() > 250 {
                self.list(|draw| Grouped {
                    entity: draw.entity(),
                    by: draw.pick(&[GroupedBy::Calls, GroupedBy::Person]),
                    because: draw.text(),
                })
            } else {
                Vec::new()
            },
            own_severity: (self.byte() > 250).then(|| self.severity()),
        }
    }

    fn assessment(&mut self) -> Assessment {
        Assessment {
            decision: DecisionId(self.id()),
            incident: self.maybe(|draw| IncidentId(draw.id())),
            action: self.pick(&ActionKind::ALL),
            target: self.target(),
            verdict: self.pick(&[AssessmentVerdict::Verified, AssessmentVerdict::Regressed]),
            checks: self.list(|draw| Check {
                name: draw.text(),
                held: draw.flag(),
                measured: draw.text(),
            }),
            after_ms: self.u64(),
        }
    }

    /// A warrant with every field drawn.
    pub(crate) fn warrant(&mut self) -> Warrant {
        Warrant {
            v: Warrant::VERSION,
            decision_id: DecisionId(self.id()),
            nonce: self.digest(),
            issuer: self.text(),
            audience: self.text(),
            kid: self.text(),
            alg: self.text(),
            iat: self.time(),
            nbf: self.time(),
            exp: self.time(),
            cause: self.id(),
            incident: self.maybe(|draw| IncidentId(draw.id())),
            undo_of: self.maybe(|draw| DecisionId(draw.id())),
            actor: self.actor(),
            policy_hash: self.digest(),
            target: WarrantTarget {
                cluster_uid: self.text(),
                object: self.target(),
            },
            action: self.action(),
            fence: self.u64(),
            max_blast: self.blast(),
            approvals: self.list(|draw| Approval {
                by: draw.text(),
                proposal: draw.digest(),
                command: draw.id(),
            }),
            reasons: self.list(Self::reason),
        }
    }

    fn envelope(&mut self) -> Envelope {
        let key = Key::new("k1", vec![self.byte(); 32]).expect("32 bytes");
        let payload = codec::encode(&self.warrant()).expect("drawn warrants are small");
        Envelope::sign(DECISION_TYPE, payload, &key)
    }

    fn decision(&mut self) -> Decision {
        Decision {
            decision: DecisionId(self.id()),
            verdict: self.pick(&[
                Verdict::Ask,
                Verdict::Deny,
                Verdict::Escalate,
                Verdict::Standing,
            ]),
            cause: self.id(),
            incident: self.maybe(|draw| IncidentId(draw.id())),
            actor: self.actor(),
            action: self.maybe(|draw| draw.pick(&ActionKind::ALL)),
            proposal: self.maybe(|draw| Proposal {
                digest: draw.digest(),
                action: draw.action(),
                target: draw.target(),
                expires: draw.time(),
            }),
            reasons: self.list(Self::reason),
            flip: self.maybe(Self::text),
            would_allow: self.flag(),
            policy: self.digest(),
            standing: self.maybe(|draw| StandingOrders {
                modes: draw.list(|draw| (draw.scope(), draw.pick(&[Mode::Observe, Mode::Act]))),
                freezes: draw.list(|draw| (draw.scope(), draw.time())),
                halted: draw.list(Self::cluster),
            }),
        }
    }

    fn outcome(&mut self) -> Outcome {
        Outcome {
            decision: DecisionId(self.id()),
            incident: self.maybe(|draw| IncidentId(draw.id())),
            phase: self.pick(&[
                OutcomePhase::Applied,
                OutcomePhase::Refused,
                OutcomePhase::Failed,
            ]),
            code: self.maybe(|draw| draw.pick(&[RefusalCode::BadMac, RefusalCode::Unavailable])),
            message: self.text(),
            action: self.maybe(Self::action),
            target: self.maybe(Self::target),
            pre_image: self.maybe(|draw| match draw.byte() % 3 {
                0 => PreImage::Replicas {
                    replicas: draw.i32(),
                },
                1 => PreImage::Template {
                    template: draw.text(),
                },
                _ => PreImage::Pod { uid: draw.text() },
            }),
            generation: self.i64(),
            resource_version: self.text(),
            fence: self.u64(),
            stream_seq: self.u64(),
            envelope: self.digest(),
        }
    }

    fn command(&mut self) -> Command {
        // What came later has the numbers that no golden message draws.
        let body = match self.byte() {
            251..=252 => CommandBody::Merge {
                incident: IncidentId(self.id()),
                into: IncidentId(self.id()),
            },
            253..=255 => CommandBody::Split {
                incident: IncidentId(self.id()),
                entity: self.entity(),
            },
            number => self.first_commands(number % 11),
        };
        Command {
            actor: self.actor(),
            reason: self.text(),
            body,
        }
    }

    fn first_commands(&mut self, number: u8) -> CommandBody {
        match number {
            0 => CommandBody::Request {
                action: self.action(),
                target: self.target(),
            },
            1 => CommandBody::Approve {
                proposal: self.digest(),
            },
            2 => CommandBody::Reject {
                proposal: self.digest(),
            },
            3 => CommandBody::Undo {
                decision: DecisionId(self.id()),
            },
            4 => CommandBody::Feedback {
                incident: IncidentId(self.id()),
                verdict: self.pick(&[FeedbackVerdict::Right, FeedbackVerdict::Withdrawn]),
            },
            5 => CommandBody::Activate {
                what: self.pick(&[ConfigurationKind::Policy, ConfigurationKind::Incidents]),
                digest: self.digest(),
                content: self.text(),
            },
            6 => CommandBody::Mode {
                scope: self.scope(),
                mode: self.pick(&[Mode::Observe, Mode::Ask, Mode::Act]),
            },
            7 => CommandBody::Freeze {
                scope: self.scope(),
                until: self.time(),
            },
            8 => CommandBody::Unfreeze {
                scope: self.scope(),
            },
            9 => CommandBody::KillSwitch {
                cluster: self.cluster(),
            },
            _ => CommandBody::Resume {
                cluster: self.cluster(),
            },
        }
    }

    fn access(&mut self) -> Access {
        Access {
            actor: self.maybe(Self::text),
            outcome: self.pick(&[AccessOutcome::SignedIn, AccessOutcome::Forbidden]),
            operation: self.text(),
            reason: self.text(),
            address: self.text(),
            count: self.u64(),
            since: self.time(),
        }
    }

    fn dead_letter(&mut self) -> DeadLetter {
        DeadLetter {
            service: self.text(),
            reason: self.text(),
            stream: self.text(),
            stream_seq: self.u64(),
            subject: self.text(),
            headers: self.texts(),
            body: self.list(Self::byte),
        }
    }

    /// A message of that kind.
    pub(crate) fn event(&mut self, kind: Kind) -> Event {
        match kind {
            Kind::Metric => Event::Metric(self.metric()),
            Kind::Signal => Event::Signal(self.signal()),
            Kind::Anomaly => Event::Anomaly(self.anomaly()),
            Kind::Incident => Event::Incident(self.incident()),
            Kind::Assessment => Event::Assessment(self.assessment()),
            Kind::Warrant => Event::Warrant(self.envelope()),
            Kind::Decision => Event::Decision(self.decision()),
            Kind::Outcome => Event::Outcome(self.outcome()),
            Kind::Command => Event::Command(self.command()),
            Kind::Access => Event::Access(self.access()),
            Kind::DeadLetter => Event::DeadLetter(self.dead_letter()),
        }
    }
}
