//! The API server: the few requests that the executor makes, and what its answers mean.

use std::time::Duration;

use aegis_schemas::{Entity, EntityKind};
use http::Uri;
use http::uri::InvalidUri;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::{ApiResource, DynamicObject, Request};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{HALT, Live, MANAGER};

/// Why the API server did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    /// No answer, or one that says nothing about the request: it may have had its effect.
    #[error("{0}")]
    Away(String),
    /// Too many requests, or a disruption budget: not now.
    #[error("{message}")]
    Busy {
        message: String,
        after: Option<Duration>,
    },
    /// No.
    #[error("{message} (status {code})")]
    Refused { code: u16, message: String },
}

pub(crate) type Answer<T> = Result<T, Trouble>;

/// A request to be sent.
type Built = Result<http::Request<Vec<u8>>, kube::core::request::Error>;

/// Whether a write is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// The API server says what it would do.
    DryRun,
    /// It is done, and not after that moment.
    By(Instant),
}

impl How {
    const fn is_dry_run(self) -> bool {
        matches!(self, Self::DryRun)
    }
}

/// The API server.
#[derive(Clone)]
pub(crate) struct ApiServer(kube::Client);

impl std::fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiServer")
    }
}

impl ApiServer {
    pub(crate) const fn new(client: kube::Client) -> Self {
        Self(client)
    }

    /// An object; none when there is none of that name.
    pub(crate) async fn get(&self, entity: &Entity) -> Answer<Option<Live>> {
        let name = entity.name.as_str();
        let object = self.api(entity).get_opt(name).await.map_err(trouble)?;
        Ok(object.map(Live::of))
    }

    /// An object of the group `apps` in the namespace of `beside`.
    pub(crate) async fn get_beside(
        &self,
        beside: &Entity,
        kind: &'static str,
        name: &str,
    ) -> Answer<Option<DynamicObject>> {
        let api = self.namespaced(&resource("apps", kind), beside);
        api.get_opt(name).await.map_err(trouble)
    }

    /// All objects of a group and kind in the namespace of `beside`, by their labels.
    pub(crate) async fn list_beside(
        &self,
        beside: &Entity,
        (group, kind): (&'static str, &'static str),
        labels: &str,
    ) -> Answer<Vec<DynamicObject>> {
        let api = self.namespaced(&resource(group, kind), beside);
        let list = api.list(&ListParams::default().labels(labels)).await;
        Ok(list.map_err(trouble)?.items)
    }

    /// Patches an object; its state after that.
    pub(crate) async fn patch(
        &self,
        entity: &Entity,
        patch: &json_patch::Patch,
        how: How,
    ) -> Answer<Live> {
        let params = PatchParams {
            dry_run: how.is_dry_run(),
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::<()>::Json(patch.clone());
        let request = self
            .request(entity)
            .patch(entity.name.as_str(), &params, &patch);
        self.write(request, how).await.map(Live::of)
    }

    /// Evicts a pod, if it still is this one in this version. The annotations are for the API server's
    /// own audit log: an eviction is not kept.
    pub(crate) async fn evict(
        &self,
        pod: &Entity,
        live: &Live,
        annotations: &Value,
        how: How,
    ) -> Answer<()> {
        // kube's own `evict` writes `delete_options`, a field that no API server knows: the
        // preconditions would be lost.
        let eviction = json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {
                "name": pod.name,
                "namespace": pod.namespace,
                "annotations": annotations,
            },
            "deleteOptions": { "preconditions": {
                "uid": live.uid,
                "resourceVersion": live.resource_version,
            }},
        });
        let params = PostParams {
            dry_run: how.is_dry_run(),
            field_manager: Some(MANAGER.to_owned()),
        };
        let body = eviction.to_string().into_bytes();
        let name = pod.name.as_str();
        let request = self
            .request(pod)
            .create_subresource("eviction", name, &params, body);
        self.write::<Value>(request, how).await.map(|_| ())
    }

    /// Deletes a pod, if it still is this one in this version.
    pub(crate) async fn delete(&self, pod: &Entity, live: &Live, how: How) -> Answer<()> {
        let params = DeleteParams {
            dry_run: how.is_dry_run(),
            preconditions: Some(Preconditions {
                resource_version: Some(live.resource_version.clone()),
                uid: Some(live.uid.clone()),
            }),
            ..DeleteParams::default()
        };
        let request = self.request(pod).delete(pod.name.as_str(), &params);
        self.write::<Value>(request, how).await.map(|_| ())
    }

    /// Whether that namespace is annotated to halt. One that is missing is not, one that may not be read is.
    pub(crate) async fn halted(&self, namespace: &str) -> Answer<bool> {
        let api: Api<DynamicObject> = Api::all_with(self.0.clone(), &resource("", "Namespace"));
        match api.get_opt(namespace).await.map_err(trouble) {
            Ok(namespace) => Ok(namespace
                .and_then(|object| object.metadata.annotations)
                .is_some_and(|annotations| {
                    annotations.get(HALT).map(String::as_str) == Some("true")
                })),
            Err(Trouble::Refused { .. }) => Ok(true),
            Err(trouble) => Err(trouble),
        }
    }

    /// The UID of a namespace.
    pub(crate) async fn namespace_uid(&self, namespace: &str) -> Answer<Option<String>> {
        let api: Api<DynamicObject> = Api::all_with(self.0.clone(), &resource("", "Namespace"));
        let namespace = api.get_opt(namespace).await.map_err(trouble)?;
        Ok(namespace.and_then(|object| object.metadata.uid))
    }

    /// Notes an Event beside `entity`.
    pub(crate) async fn create_event(&self, entity: &Entity, event: &DynamicObject) -> Answer<()> {
        let api = self.namespaced(&resource("", "Event"), entity);
        let created = api.create(&PostParams::default(), event).await;
        created.map(|_| ()).map_err(trouble)
    }

    fn request(&self, entity: &Entity) -> Request {
        Request::new(self.api(entity).resource_url())
    }

    /// Sends what changes an object. A change that is not made by its deadline is given up on both sides.
    async fn write<T: DeserializeOwned>(&self, request: Built, how: How) -> Answer<T> {
        let away = |error: &dyn std::error::Error| Trouble::Away(error.to_string());
        let mut request = request.map_err(|error| away(&error))?;
        let How::By(deadline) = how else {
            return self.0.request(request).await.map_err(trouble);
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left < Duration::from_millis(1) {
            return Err(Trouble::Away("no time is left to write".to_owned()));
        }
        *request.uri_mut() = bounded(request.uri(), left).map_err(|error| away(&error))?;
        match tokio::time::timeout_at(deadline, self.0.request(request)).await {
            Ok(answer) => answer.map_err(trouble),
            Err(late) => Err(away(&late)),
        }
    }

    fn api(&self, entity: &Entity) -> Api<DynamicObject> {
        let resource = match entity.kind {
            EntityKind::Pod => resource("", "Pod"),
            EntityKind::StatefulSet => resource("apps", "StatefulSet"),
            EntityKind::DaemonSet => resource("apps", "DaemonSet"),
            // Other kinds are refused before anything is read.
            _ => resource("apps", "Deployment"),
        };
        self.namespaced(&resource, entity)
    }

    fn namespaced(&self, resource: &ApiResource, entity: &Entity) -> Api<DynamicObject> {
        let namespace = entity
            .namespace
            .as_ref()
            .map_or("default", |ns| ns.as_str());
        Api::namespaced_with(self.0.clone(), namespace, resource)
    }
}

/// The same with the time after which the API server gives up by itself.
fn bounded(uri: &Uri, left: Duration) -> Result<Uri, InvalidUri> {
    let text = uri.to_string();
    let mark = if uri.query().is_some() { '&' } else { '?' };
    format!("{text}{mark}timeout={}ms", left.as_millis()).parse()
}

/// A kind of version 1 of a group.
pub(crate) fn resource(group: &str, kind: &str) -> ApiResource {
    ApiResource {
        group: group.to_owned(),
        version: "v1".to_owned(),
        api_version: if group.is_empty() {
            "v1".to_owned()
        } else {
            format!("{group}/v1")
        },
        kind: kind.to_owned(),
        plural: format!("{}s", kind.to_ascii_lowercase()),
    }
}

fn trouble(error: kube::Error) -> Trouble {
    let kube::Error::Api(status) = error else {
        return Trouble::Away(error.to_string());
    };
    let message = status.message.clone();
    let after = status
        .details
        .as_ref()
        .filter(|details| details.retry_after_seconds > 0)
        .map(|details| Duration::from_secs(u64::from(details.retry_after_seconds)));
    match status.code {
        429 => Trouble::Busy { message, after },
        // 401: a token that is being renewed.
        401 | 408 | 500.. => Trouble::Away(format!("{message} (status {})", status.code)),
        code => Trouble::Refused { code, message },
    }
}
