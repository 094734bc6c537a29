//! PagerDuty: an alert for each incident, triggered and resolved; acts that helped as change events, which
//! page nobody. It never acknowledges: that would silence whoever is to be woken when an act does not help.
//!
//! <https://developer.pagerduty.com/docs/events-api-v2/trigger-events/>,
//! <https://developer.pagerduty.com/docs/events-api-v2/send-change-events/>.

use serde_json::{Map, Value, json};

use super::{Call, Sent, Step, json as text_of, short};
use crate::notice::{Helped, Notice};
use crate::secret::Secret;

/// The longest summary.
const MAX_SUMMARY: usize = 1_024;

/// A service of PagerDuty.
#[derive(Clone, Debug)]
pub struct PagerDuty {
    pub(super) api_url: String,
    pub(super) routing_key: Secret,
}

impl PagerDuty {
    pub(super) fn next(&self, notice: &Notice, sent: &Sent) -> Option<Step> {
        if sent.differs(notice) {
            let body = if notice.firing {
                self.trigger(notice)
            } else {
                self.event("resolve", notice)
            };
            return Some(Step {
                call: self.call("v2/enqueue", &body),
                then: sent.more(notice),
            });
        }
        let mut helped = notice.helped.iter();
        let untold = helped.find(|helped| !sent.helped.contains(&helped.decision))?;
        let mut then = sent.more(notice);
        then.helped.insert(untold.decision);
        Some(Step {
            call: self.call("v2/change/enqueue", &self.change(notice, untold)),
            then,
        })
    }

    fn call(&self, path: &str, body: &Value) -> Call {
        Call {
            url: format!("{}/{path}", self.api_url),
            headers: Vec::new(),
            body: text_of(body),
        }
    }

    fn event(&self, action: &str, notice: &Notice) -> Value {
        json!({
            "routing_key": self.routing_key.text(),
            "event_action": action,
            "dedup_key": format!("aegis/{}", notice.key),
        })
    }

    fn trigger(&self, notice: &Notice) -> Value {
        let mut event = self.event("trigger", notice);
        event["payload"] = json!({
            "summary": short(&notice.headline, MAX_SUMMARY),
            "source": source(notice),
            "severity": notice.severity.as_str(),
            "timestamp": notice.since.to_string(),
            "class": notice.kind,
            "custom_details": details(notice),
        });
        if let Some(entity) = &notice.entity {
            event["payload"]["component"] = json!(entity.short());
            if let Some(namespace) = &entity.namespace {
                event["payload"]["group"] = json!(namespace);
            }
        }
        event["client"] = json!("Aegis");
        if let Some(link) = &notice.link {
            event["client_url"] = json!(link);
        }
        event["links"] = links(notice);
        event
    }

    fn change(&self, notice: &Notice, helped: &Helped) -> Value {
        json!({
            "routing_key": self.routing_key.text(),
            "payload": {
                "summary": short(&format!("Aegis: {}, verified", helped.text), MAX_SUMMARY),
                "source": source(notice),
                "timestamp": helped.at.to_string(),
                "custom_details": { "incident": notice.key, "decision": helped.decision },
            },
            "links": links(notice),
        })
    }
}

fn source(notice: &Notice) -> String {
    match (&notice.entity, &notice.cluster) {
        (Some(entity), _) => entity.to_string(),
        (None, Some(cluster)) => cluster.to_string(),
        (None, None) => "aegis".to_owned(),
    }
}

/// The lines by label; several of one label in one text.
fn details(notice: &Notice) -> Value {
    let mut details = Map::new();
    for line in &notice.lines {
        let text = match details.get(line.label).and_then(Value::as_str) {
            Some(before) => format!("{before}\n{}", line.text),
            None => line.text.clone(),
        };
        details.insert(line.label.to_owned(), json!(text));
    }
    Value::Object(details)
}

fn links(notice: &Notice) -> Value {
    let question = notice.question.as_ref();
    let decide = question.and_then(|question| question.link.as_ref());
    let decide = decide.map(|link| json!({ "href": link, "text": "look and decide" }));
    let open = notice.link.as_ref();
    let open = open.map(|link| json!({ "href": link, "text": "open in Aegis" }));
    decide.into_iter().chain(open).collect()
}
