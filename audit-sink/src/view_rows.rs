//! Which rows an event is in the views.

use aegis_schemas::header::Meta;
use aegis_schemas::signal::Sync;
use aegis_schemas::{
    Access, Action, Assessment, Command, CommandBody, Decision, Entity, EntityKind, Event,
    Incident, IncidentId, IncidentPhase, Outcome, Signal, SignalBody, Target, Verdict, Warrant,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::Record;

/// A table of the views.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    Incident,
    IncidentEntry,
    IncidentSaid,
    IncidentEvidence,
    Decision,
    Outcome,
    Assessment,
    Answer,
    Access,
    Standing,
    Sampled,
    Object,
    ObjectSync,
}

/// Writes rows that come as a JSON array into a view in which the first one of a key stays.
macro_rules! first_stays {
    ($view:literal) => {
        concat!(
            "INSERT INTO views.",
            $view,
            " SELECT * FROM jsonb_populate_recordset(NULL::views.",
            $view,
            ", $1::jsonb) ON CONFLICT DO NOTHING"
        )
    };
}

impl Table {
    /// Whether a row replaces an older one of the same key; otherwise the first one stays.
    pub(crate) const fn newest_wins(self) -> bool {
        matches!(self, Self::Incident | Self::Standing | Self::Object)
    }

    /// Writes rows that come as a JSON array.
    pub(crate) const fn upsert(self) -> &'static str {
        match self {
            Self::Incident => {
                "INSERT INTO views.incident
                 SELECT * FROM jsonb_populate_recordset(NULL::views.incident, $1::jsonb)
                 ON CONFLICT (incident) DO UPDATE SET
                   position = excluded.position, idx = excluded.idx, state = excluded.state,
                   cluster = excluded.cluster, namespace = excluded.namespace, entity = excluded.entity,
                   severity = excluded.severity, kind = excluded.kind, confidence = excluded.confidence,
                   opened_at = excluded.opened_at, updated_at = excluded.updated_at,
                   resolved_at = excluded.resolved_at, newest_evidence_at = excluded.newest_evidence_at,
                   summary = excluded.summary, affected = excluded.affected,
                   grouped = excluded.grouped, own_severity = excluded.own_severity,
                   evidence = excluded.evidence,
                   causes = excluded.causes, recommendations = excluded.recommendations
                 WHERE excluded.position > incident.position"
            }
            Self::IncidentEntry => first_stays!("incident_entry"),
            Self::IncidentSaid => first_stays!("incident_said"),
            Self::IncidentEvidence => first_stays!("incident_evidence"),
            Self::Decision => first_stays!("decision"),
            Self::Outcome => first_stays!("outcome"),
            Self::Assessment => first_stays!("assessment"),
            Self::Answer => first_stays!("answer"),
            Self::Access => first_stays!("access"),
            Self::Sampled => first_stays!("sampled"),
            Self::Object => {
                "WITH said AS MATERIALIZED (
                   SELECT * FROM jsonb_populate_recordset(NULL::views.object, $1::jsonb)),
                 floors AS MATERIALIZED (
                   SELECT cluster, views.object_floor(cluster) AS floor
                   FROM (SELECT DISTINCT cluster FROM said) c)
                 INSERT INTO views.object
                 SELECT said.* FROM said JOIN floors USING (cluster) WHERE said.position >= floors.floor
                 ON CONFLICT (entity) DO UPDATE SET
                   position = excluded.position, idx = excluded.idx, at = excluded.at,
                   cluster = excluded.cluster, owner = excluded.owner, state = excluded.state
                 WHERE excluded.position > object.position"
            }
            Self::ObjectSync => {
                "INSERT INTO views.object_sync
                 SELECT * FROM jsonb_populate_recordset(NULL::views.object_sync, $1::jsonb) s
                 WHERE s.position >= views.object_floor(s.cluster)
                 ON CONFLICT DO NOTHING"
            }
            Self::Standing => {
                "INSERT INTO views.standing
                 SELECT * FROM jsonb_populate_recordset(NULL::views.standing, $1::jsonb)
                 ON CONFLICT (source) DO UPDATE SET
                   position = excluded.position, idx = excluded.idx, at = excluded.at,
                   modes = excluded.modes, freezes = excluded.freezes, halted = excluded.halted,
                   policy = excluded.policy
                 WHERE excluded.position > standing.position"
            }
        }
    }
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) table: Table,
    pub(crate) key: String,
    pub(crate) position: i64,
    pub(crate) value: Value,
}

/// The rows that an event is.
pub(crate) fn rows(idx: u64, record: &Record, meta: &Meta, event: &Event) -> Vec<Row> {
    let here = Here { idx, record, meta };
    match event {
        Event::Incident(incident) => here.incident(incident),
        Event::Warrant(envelope) => {
            let warrant = envelope.peek();
            warrant.map_or_else(|_| Vec::new(), |warrant| here.warrant(&warrant))
        }
        Event::Decision(decision) => here.decision(decision),
        Event::Outcome(outcome) => here.outcome(outcome),
        Event::Assessment(assessment) => here.assessment(assessment),
        Event::Command(command) => here.command(command),
        Event::Access(access) => here.access(access),
        Event::Signal(signal) => here.signal(signal),
        Event::Metric(_) | Event::Anomaly(_) | Event::DeadLetter(_) => Vec::new(),
    }
}

/// Where samples of a workload are. No body is decoded for it: the subject says whose they are.
pub(crate) fn sampled(idx: u64, record: &Record, workload: &str) -> Row {
    Row {
        table: Table::Sampled,
        key: idx.to_string(),
        position: bigint_of(idx),
        value: json!({ "workload": workload, "at": record.time, "idx": bigint_of(idx) }),
    }
}

struct Here<'a> {
    idx: u64,
    record: &'a Record,
    meta: &'a Meta,
}

impl Here<'_> {
    fn incident(&self, incident: &Incident) -> Vec<Row> {
        let id = incident.incident;
        let resolved = incident.phase == IncidentPhase::Resolved;
        let said = json!({
            "incident": id,
            "state": if resolved { "resolved" } else { "open" },
            "entity": incident.entity.to_string(),
            "severity": incident.severity,
            "kind": incident.kind,
            "confidence": incident.confidence,
            "opened_at": incident.opened,
            "updated_at": self.record.time,
            "newest_evidence_at": incident.newest_evidence,
            "summary": incident.summary,
        });
        let mut newest = said.clone();
        newest["cluster"] = json!(incident.entity.cluster);
        newest["namespace"] = json!(incident.entity.namespace);
        newest["resolved_at"] = json!(resolved.then_some(self.record.time));
        newest["affected"] = json!(incident.affected);
        newest["grouped"] = json!(incident.grouped);
        newest["own_severity"] = json!(incident.own_severity);
        newest["evidence"] = json!(incident.evidence);
        newest["causes"] = json!(incident.causes);
        newest["recommendations"] = json!(incident.recommendations);
        let mut rows = self.with_entry(Some(id), self.row(Table::Incident, id.to_string(), newest));
        let key = format!("{id}/{}", self.idx);
        rows.push(self.row(Table::IncidentSaid, key, said));
        rows.extend(incident.evidence.iter().map(|evidence| {
            let row = json!({ "incident": id, "event": evidence.event, "at": evidence.at });
            let key = format!("{id}/{}", evidence.event);
            self.row(Table::IncidentEvidence, key, row)
        }));
        rows
    }

    fn warrant(&self, warrant: &Warrant) -> Vec<Row> {
        let row = json!({
            "decision": warrant.decision_id,
            "decided_at": self.record.time,
            "verdict": "allow",
            "cause": warrant.cause,
            "incident": warrant.incident,
            "actor": warrant.actor.name,
            "action": warrant.action.kind(),
            "description": warrant.action.describe(),
            "entity": warrant.target.object.entity.to_string(),
            "target": warrant.target.object,
            "parameters": warrant.action,
            "reasons": warrant.reasons,
            "flip": null,
            "would_allow": true,
            "policy": warrant.policy_hash,
            "proposal": null,
            "expires_at": warrant.exp,
            "undo_of": warrant.undo_of,
            "fence": bigint(warrant.fence),
            "approvals": warrant.approvals,
        });
        let key = warrant.decision_id.to_string();
        self.with_entry(warrant.incident, self.row(Table::Decision, key, row))
    }

    fn decision(&self, decision: &Decision) -> Vec<Row> {
        let asked: Option<(&Action, &Target)> = decision
            .proposal
            .as_ref()
            .map(|proposal| (&proposal.action, &proposal.target));
        let row = json!({
            "decision": decision.decision,
            "decided_at": self.record.time,
            "verdict": decision.verdict,
            "cause": decision.cause,
            "incident": decision.incident,
            "actor": decision.actor.name,
            "action": decision.action,
            "description": asked.map(|(action, _)| action.describe()),
            "entity": asked.map(|(_, target)| target.entity.to_string()),
            "target": asked.map(|(_, target)| target),
            "parameters": asked.map(|(action, _)| action),
            "reasons": decision.reasons,
            "flip": decision.flip,
            "would_allow": decision.would_allow,
            "policy": decision.policy,
            "proposal": decision.proposal.as_ref().map(|proposal| proposal.digest),
            "expires_at": decision.proposal.as_ref().map(|proposal| proposal.expires),
            "undo_of": null,
            "fence": null,
            "approvals": [],
        });
        let key = decision.decision.to_string();
        let mut rows = self.with_entry(decision.incident, self.row(Table::Decision, key, row));
        if let (Verdict::Standing, Some(orders)) = (decision.verdict, &decision.standing) {
            let row = json!({
                "source": self.meta.source,
                "at": self.record.time,
                "modes": orders.modes,
                "freezes": orders.freezes,
                "halted": orders.halted,
                "policy": decision.policy,
            });
            rows.push(self.row(Table::Standing, self.meta.source.clone(), row));
        }
        rows
    }

    fn outcome(&self, outcome: &Outcome) -> Vec<Row> {
        let row = json!({
            "event": self.meta.id,
            "decision": outcome.decision,
            "at": self.record.time,
            "incident": outcome.incident,
            "phase": outcome.phase,
            "code": outcome.code,
            "message": outcome.message,
            "pre_image": outcome.pre_image,
            "generation": outcome.generation,
        });
        self.with_entry(
            outcome.incident,
            self.row(Table::Outcome, self.meta.id.to_string(), row),
        )
    }

    fn assessment(&self, assessment: &Assessment) -> Vec<Row> {
        let row = json!({
            "decision": assessment.decision,
            "at": self.record.time,
            "incident": assessment.incident,
            "action": assessment.action,
            "entity": assessment.target.entity.to_string(),
            "verdict": assessment.verdict,
            "checks": assessment.checks,
            "after_ms": bigint(assessment.after_ms),
        });
        let key = assessment.decision.to_string();
        self.with_entry(assessment.incident, self.row(Table::Assessment, key, row))
    }

    fn command(&self, command: &Command) -> Vec<Row> {
        let (proposal, answer) = match &command.body {
            CommandBody::Approve { proposal } => (proposal, "approved"),
            CommandBody::Reject { proposal } => (proposal, "rejected"),
            CommandBody::Feedback { incident, .. } | CommandBody::Split { incident, .. } => {
                return self.entry(Some(*incident));
            }
            CommandBody::Merge { incident, into } => {
                let both = [*incident, *into].map(|one| self.entry(Some(one)));
                return both.concat();
            }
            _ => return Vec::new(),
        };
        let row = json!({
            "event": self.meta.id,
            "proposal": proposal,
            "at": self.record.time,
            "answer": answer,
            "actor": command.actor.name,
            "reason": command.reason,
        });
        vec![self.row(Table::Answer, self.meta.id.to_string(), row)]
    }

    fn access(&self, access: &Access) -> Vec<Row> {
        let row = json!({
            "event": self.meta.id,
            "at": self.record.time,
            "since": access.since,
            "actor": access.actor,
            "outcome": access.outcome,
            "operation": access.operation,
            "reason": access.reason,
            "address": access.address,
            "count": bigint(access.count),
        });
        vec![self.row(Table::Access, self.meta.id.to_string(), row)]
    }

    fn signal(&self, signal: &Signal) -> Vec<Row> {
        let (owner, state) = match &signal.body {
            SignalBody::Workload(state) => (None, json!(state)),
            SignalBody::Pod(state) => (state.workload.as_ref(), json!(state)),
            SignalBody::Gone(_) if stands(signal.entity.kind) => (None, Value::Null),
            SignalBody::Sync(sync) => return self.sync(&signal.entity, sync),
            _ => return Vec::new(),
        };
        let row = json!({
            "entity": signal.entity.to_string(),
            "at": self.record.time,
            "cluster": signal.entity.cluster,
            "owner": owner.map(ToString::to_string),
            "state": state,
        });
        vec![self.row(Table::Object, signal.entity.to_string(), row)]
    }

    /// A statement that leaves pods out says nothing of what stands.
    fn sync(&self, of: &Entity, sync: &Sync) -> Vec<Row> {
        if !sync.kinds.contains(&EntityKind::Pod) {
            return Vec::new();
        }
        let row = json!({
            "cluster": of.cluster,
            "round": sync.round.to_string(),
            "phase": sync.phase,
        });
        let key = format!("{}/{}", of.cluster, self.idx);
        vec![self.row(Table::ObjectSync, key, row)]
    }

    fn row(&self, table: Table, key: String, mut value: Value) -> Row {
        let position = Warrant::fence(self.record.epoch, self.record.seq);
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        value["position"] = json!(position);
        value["idx"] = json!(self.idx);
        without_nul(&mut value);
        Row {
            table,
            key,
            position,
            value,
        }
    }

    fn with_entry(&self, incident: Option<IncidentId>, row: Row) -> Vec<Row> {
        let mut rows = self.entry(incident);
        rows.push(row);
        rows
    }

    fn entry(&self, incident: Option<IncidentId>) -> Vec<Row> {
        let entry = |incident: IncidentId| {
            let key = format!("{incident}/{}", self.idx);
            self.row(Table::IncidentEntry, key, json!({ "incident": incident }))
        };
        incident.map(entry).into_iter().collect()
    }
}

/// Whether it is among the objects that are kept.
const fn stands(kind: EntityKind) -> bool {
    use EntityKind::{DaemonSet, Deployment, Pod, StatefulSet};
    matches!(kind, Deployment | StatefulSet | DaemonSet | Pod)
}

fn bigint(number: u64) -> impl Serialize {
    bigint_of(number)
}

fn bigint_of(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// PostgreSQL has no text with the character 0; a message may have.
fn without_nul(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(values) => values.iter_mut().for_each(without_nul),
        Value::Object(fields) => {
            let hidden: Vec<String> = fields
                .keys()
                .filter(|key| key.contains('\0'))
                .cloned()
                .collect();
            for key in hidden {
                if let Some(value) = fields.remove(&key) {
                    fields.insert(key.replace('\0', "\u{fffd}"), value);
                }
            }
            fields.values_mut().for_each(without_nul);
        }
        _ => {}
    }
}
