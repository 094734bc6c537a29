//! What takes the webhooks of Prometheus' Alertmanager, version 4: a group of one alert.
//!
//! <https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>.

use aegis_schemas::Digest;
use serde_json::{Value, json};

use super::{Call, Sent, Step, json as text_of};
use crate::notice::Notice;
use crate::secret::Secret;

/// What `endsAt` says as long as it lasts.
const NOT_OVER: &str = "0001-01-01T00:00:00Z";

/// Whatever takes Alertmanager's webhooks.
#[derive(Clone, Debug)]
pub struct Alertmanager {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) token: Option<Secret>,
}

impl Alertmanager {
    pub(super) fn next(&self, notice: &Notice, sent: &Sent) -> Option<Step> {
        if !sent.differs(notice) {
            return None;
        }
        let bearer = |token: &Secret| ("authorization", format!("Bearer {}", token.text()));
        Some(Step {
            call: Call {
                url: self.url.clone(),
                headers: self.token.iter().map(bearer).collect(),
                body: text_of(&self.group(notice)),
            },
            then: sent.more(notice),
        })
    }

    fn group(&self, notice: &Notice) -> Value {
        let status = if notice.firing { "firing" } else { "resolved" };
        let (labels, annotations) = (labels(notice), annotations(notice));
        let link = notice.link.as_deref().unwrap_or_default();
        let ends = notice.ended.map(|ended| ended.to_string());
        json!({
            "version": "4",
            "groupKey": format!("{{}}:{{incident=\"{}\"}}", notice.key),
            "truncatedAlerts": 0,
            "status": status,
            "receiver": self.name,
            "groupLabels": { "incident": notice.key },
            "commonLabels": labels,
            "commonAnnotations": annotations,
            "externalURL": link,
            "alerts": [{
                "status": status,
                "labels": labels,
                "annotations": annotations,
                "startsAt": notice.since.to_string(),
                "endsAt": ends.as_deref().unwrap_or(NOT_OVER),
                "generatorURL": link,
                "fingerprint": fingerprint(&notice.key),
            }],
        })
    }
}

/// The same as long as it lasts.
fn fingerprint(key: &str) -> String {
    let digest = Digest::of_parts("aegis/alert/v1", &[key.as_bytes()]);
    digest.to_string().chars().take(16).collect()
}

fn labels(notice: &Notice) -> Value {
    let mut labels = json!({
        "alertname": "AegisIncident",
        "incident": notice.key,
        "severity": notice.severity.as_str(),
        "kind": notice.kind,
    });
    if let Some(cluster) = &notice.cluster {
        labels["cluster"] = json!(cluster);
    }
    if let Some(entity) = &notice.entity {
        labels[entity.kind.as_str()] = json!(entity.name);
        if let Some(namespace) = &entity.namespace {
            labels["namespace"] = json!(namespace);
        }
    }
    labels
}

fn annotations(notice: &Notice) -> Value {
    let lines = notice.lines.iter();
    let lines = lines.map(|line| format!("{}: {}", line.label, line.text));
    json!({
        "summary": notice.headline,
        "description": lines.collect::<Vec<_>>().join("\n"),
    })
}
