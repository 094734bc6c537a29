//! The stages' pure cores as the gateway asks them: a stage never imports a stage, so this plugs them in.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use aegis_audit_sink::checkpoint::VerifyingKey;
use aegis_audit_sink::read::{Reader, Standing};
use aegis_audit_sink::{Error, prove};
use aegis_detector::diagnosis::Model;
use aegis_detector::incidents;
use aegis_detector::scorer::{self, Scorer};
use aegis_gateway::{
    Because, Call, Checked, Detection, Evaluation, Fault, PolicySaid, Question, Silence,
};
use aegis_policy::{NOT_LOOKED_AT, Permissions, Rules};
use aegis_schemas::pipeline::{Core as _, Input};
use aegis_schemas::{
    Actor, CommandBody, ConfigurationKind, Digest, Event, EventId, MetricBatch, Timestamp, Verdict,
};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::sync::{OnceCell, Semaphore};

use crate::audit::public_key_file;
use crate::config::Config;

/// What the gateway asks.
#[derive(Debug)]
pub(crate) struct Cores {
    permissions: Arc<Permissions>,
    pub(crate) scorer: scorer::Config,
    database_url_file: PathBuf,
    pub(crate) public_key_file: PathBuf,
    reader: OnceCell<Reader>,
    /// The policy set that was asked last.
    rules: Mutex<Arc<Rules>>,
    /// The text that was looked for last.
    text: Mutex<Option<(Digest, Arc<str>)>>,
    /// Scoring is work: one at a time beside the pipeline.
    pub(crate) scoring: Semaphore,
}

impl Cores {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            permissions: Permissions::built_in(),
            scorer: config.detector.scorer.clone(),
            database_url_file: config.gateway.database_url_file.clone(),
            public_key_file: public_key_file(config),
            reader: OnceCell::new(),
            rules: Mutex::new(Rules::built_in()),
            text: Mutex::new(None),
            scoring: Semaphore::new(1),
        }
    }

    /// The audit log, as the gateway's own user may read it.
    pub(crate) async fn reader(&self) -> Result<&Reader, Silence> {
        let connect = || Reader::connect_file(&self.database_url_file);
        self.reader.get_or_try_init(connect).await.map_err(silence)
    }

    /// What the policy core of the question's cluster said last to stand.
    async fn standing(&self, question: &Question) -> Result<Standing, Silence> {
        let all = self.reader().await?.standing().await.map_err(silence)?;
        let name = format!("policy/{}", question.workload.cluster);
        all.get(&name)
            .cloned()
            .ok_or_else(|| Silence::NotFound(format!("policy has said nothing as `{name}` yet")))
    }

    /// The policy set of that digest, from the command that activated it.
    async fn rules(&self, digest: Option<Digest>) -> Result<Arc<Rules>, Silence> {
        let digest = digest.ok_or_else(|| {
            Silence::Unavailable("the policy set in force cannot be told".to_owned())
        })?;
        for known in [self.last_rules(), Rules::built_in()] {
            if known.digest() == digest {
                return Ok(known);
            }
        }
        let content = self.policy_set(digest).await?.ok_or_else(|| {
            Silence::Unavailable(format!("the policy set {digest} is not on record"))
        })?;
        let rules = Rules::parse(&content)
            .map_err(|error| Silence::Unavailable(format!("the policy set in force: {error}")))?;
        let rules = Arc::new(rules);
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&rules);
        Ok(rules)
    }

    /// The text of the policy set of that digest, from the command that activated it.
    pub(crate) async fn policy_set(&self, digest: Digest) -> Result<Option<Arc<str>>, Silence> {
        if digest == Rules::built_in().digest() {
            return Ok(Some(aegis_policy::default_bundle().into()));
        }
        // A digest names one text for ever.
        let known = self.last_text();
        if let Some((_, text)) = known.filter(|(of, _)| *of == digest) {
            return Ok(Some(text));
        }
        let commands = self.reader().await?.commands().await.map_err(silence)?;
        let found = commands
            .iter()
            .rev()
            .find_map(|record| match record.event() {
                Ok(Event::Command(command)) => match command.body {
                    CommandBody::Activate {
                        what: ConfigurationKind::Policy,
                        digest: of,
                        content,
                    } if of == digest => Some(content),
                    _ => None,
                },
                _ => None,
            });
        let found = found.map(Arc::<str>::from);
        if let Some(text) = &found {
            let mut last = self.text.lock().unwrap_or_else(PoisonError::into_inner);
            *last = Some((digest, Arc::clone(text)));
        }
        Ok(found)
    }

    fn last_text(&self) -> Option<(Digest, Arc<str>)> {
        let last = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }

    fn last_rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn evaluation(&self, question: Question) -> Result<Evaluation, Silence> {
        let standing = self.standing(&question).await?;
        let rules = self.rules(standing.policy).await?;
        let asked = aegis_policy::Question {
            by: question.roles.map(|roles| Actor {
                name: "somebody".to_owned(),
                roles,
            }),
            action: question.action,
            workload: question.workload,
            replicas: question.replicas,
            ready: question.ready,
            tags: question.tags,
            namespace_tags: question.namespace_tags,
            mode: question.mode,
            approved: question.approved,
            failure: question.failure,
            severity: question.severity,
            confidence: question.confidence,
            sources: question.sources,
            at_risk: question.at_risk,
        };
        let said = rules.evaluate(&asked, &standing.orders, now());
        let reasons = said.reasons.into_iter().map(|reason| Because {
            policy: reason.policy,
            text: reason.text,
            flip: reason.flip,
        });
        Ok(Evaluation {
            verdict: said.verdict.map_or("allow", Verdict::as_str),
            mode: said.mode.as_str(),
            reasons: reasons.collect(),
            policy: said.policy.to_string(),
            not_looked_at: NOT_LOOKED_AT.to_vec(),
        })
    }

    async fn proof(&self, event: EventId) -> Result<Value, Silence> {
        let key = VerifyingKey::read(&self.public_key_file).map_err(silence)?;
        let reader = self.reader().await?;
        let proof = prove::prove(reader, event, &key).await.map_err(silence)?;
        serde_json::to_value(proof).map_err(|error| Silence::Unavailable(error.to_string()))
    }
}

impl aegis_gateway::Cores for Cores {
    fn permits(&self, call: &Call<'_>) -> Result<(), String> {
        self.permissions.check(&aegis_policy::Call {
            by: call.by,
            operation: call.operation,
            scopes: call.scopes,
            signed_in: call.signed_in,
        })
    }

    fn evaluate(&self, question: Question) -> BoxFuture<'_, Result<Evaluation, Silence>> {
        self.evaluation(question).boxed()
    }

    fn check_configuration(&self, what: ConfigurationKind, content: &str) -> Result<(), String> {
        match what {
            // Policy answers itself.
            ConfigurationKind::Policy => Ok(()),
            ConfigurationKind::Incidents => incidents::Config::parse(content)
                .map(drop)
                .map_err(|error| error.to_string()),
            ConfigurationKind::Model if content.is_empty() => Ok(()),
            ConfigurationKind::Model => Model::parse(content)
                .map(drop)
                .map_err(|error| error.to_string()),
        }
    }

    fn check_policies(&self, content: &str) -> Checked {
        let digest = Digest::of(content.as_bytes()).to_string();
        match Rules::parse(content) {
            Ok(rules) => Checked {
                valid: true,
                digest,
                policies: rules
                    .reasons()
                    .map(|(id, reason)| PolicySaid {
                        id: id.to_owned(),
                        reason: reason.to_owned(),
                    })
                    .collect(),
                fault: None,
            },
            Err(invalid) => Checked {
                digest,
                fault: Some(Fault {
                    file: invalid.file.to_owned(),
                    line: invalid.line,
                    reason: invalid.reason,
                }),
                ..Checked::default()
            },
        }
    }

    fn detect(&self, batch: MetricBatch) -> Detection {
        let mut scorer = Scorer::new(0, self.scorer.clone());
        let newest = batch.times.last().copied().unwrap_or_default();
        let outputs = scorer.handle(&Input {
            epoch: 1,
            seq: 1,
            time: newest,
            id: EventId::of_content("gateway/detect", &[]),
            cause: None,
            origin: None,
            event: Event::Metric(batch),
        });
        let decoded = outputs
            .iter()
            .map(|output| Event::decode(output.kind.as_str(), &output.body));
        let anomalies = decoded.filter_map(|event| match event {
            Ok(Event::Anomaly(anomaly)) => Some(anomaly),
            _ => None,
        });
        Detection {
            anomalies: anomalies.collect(),
            rows: scorer.stats().rows,
            warm_up_rows: self.scorer.warm_up_rows,
        }
    }

    fn prove(&self, event: EventId) -> BoxFuture<'_, Result<Value, Silence>> {
        self.proof(event).boxed()
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is mapped over errors")]
fn silence(error: Error) -> Silence {
    match error {
        Error::NotFound(_) => Silence::NotFound(error.to_string()),
        error => Silence::Unavailable(error.to_string()),
    }
}

/// The wall clock: freezes end by it for whoever asks.
fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use aegis_gateway::Cores as _;
    use aegis_schemas::{MetricKind, Series};

    use super::*;

    /// Requests every second, of which from one second on a third fails.
    fn samples(rows: u16, failing_from: u16) -> MetricBatch {
        let requests = |code: &str, value: fn(u16, u16) -> f64| Series {
            metric: "http_requests_total".to_owned(),
            pod: None,
            labels: [("code".to_owned(), code.to_owned())].into(),
            kind: MetricKind::Counter,
            values: (0..rows).map(|row| value(row, failing_from)).collect(),
        };
        MetricBatch {
            entity: "demo/shop/deployment/cart".parse().expect("an entity"),
            source: "test".to_owned(),
            backfill: false,
            times: (0..rows)
                .map(|row| Timestamp::from_millis(i64::from(row) * 1_000))
                .collect(),
            series: vec![
                requests("200", |row, _| f64::from(row) * 100.0 + f64::from(row % 7)),
                requests("500", |row, from| {
                    f64::from(row.saturating_sub(from)) * 50.0
                }),
            ],
        }
    }

    #[test]
    fn posted_samples_are_scored_as_the_detector_would() {
        let cores = Cores::new(&Config::default());
        let calm = cores.detect(samples(600, 600));
        assert_eq!((calm.rows, calm.anomalies.len()), (600, 0));
        let strange = cores.detect(samples(720, 600));
        let first = strange.anomalies.first().expect("an anomaly");
        assert!(first.since >= Timestamp::from_millis(599_000), "{first:?}");
        let short = cores.detect(samples(20, 10));
        assert_eq!(short.anomalies.len(), 0, "nothing is usual yet");
        assert!(u64::from(short.warm_up_rows) > short.rows);
    }
}
