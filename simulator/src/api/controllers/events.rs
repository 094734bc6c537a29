//! Kubernetes Events, as the controllers tell what they do.

use serde_json::{Value, json};

use crate::api::cluster::Cluster;
use crate::api::resources::Kind;
use crate::api::store::Key;
use crate::api::{identity, json};

impl Cluster {
    /// Records an event on `about`; the same one again counts up.
    pub(super) fn tell(
        &mut self,
        about: &Value,
        level: &str,
        reason: &str,
        message: &str,
        component: &str,
    ) {
        let regarding = json!({
            "apiVersion": about["apiVersion"],
            "kind": about["kind"],
            "namespace": json::namespace(about),
            "name": json::name(about),
            "uid": json::uid(about),
        });
        let namespace = match json::namespace(about) {
            "" => "default",
            namespace => namespace,
        };
        let hash = identity::content_hash(&json!([regarding, level, reason, message]));
        let name = format!("{}.{hash}", json::name(about));
        let key = Key::new(Kind::Event, namespace, &name);
        let now = json::stamp(self.now);
        if let Some(known) = self.store.get(&key) {
            let mut again = (**known).clone();
            let count = json::int(known, "/count", 1) + 1;
            json::set(&mut again, &["count"], count);
            json::set(&mut again, &["lastTimestamp"], now);
            self.write(&key, again);
            return;
        }
        let event = json!({
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": regarding,
            "type": level,
            "reason": reason,
            "message": message,
            "source": {"component": component},
            "reportingComponent": component,
            "reportingInstance": "",
            "count": 1,
            "firstTimestamp": now.clone(),
            "lastTimestamp": now,
        });
        self.make(Kind::Event, event);
    }
}
