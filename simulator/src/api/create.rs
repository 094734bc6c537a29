//! How objects come: name, namespace, identity, defaults.

use http::StatusCode;
use serde_json::Value;

use super::cluster::Cluster;
use super::error::Refusal;
use super::managed::Fields;
use super::request::Call;
use super::resources::Kind;
use super::store::Key;
use super::verbs::{Answer, Sent, dry_run, shown, writer};
use super::{defaults, json, validate, wire};

impl Cluster {
    pub(super) fn create(
        &mut self,
        call: &Call,
        sent: &Sent<'_>,
        body: Value,
        applied: Option<Fields>,
    ) -> Result<Answer, Refusal> {
        let resource = call.resource;
        let dry_run = dry_run(call, sent);
        let mut object = wire::inward(resource, body)?;
        self.place(call, &mut object)?;
        if json::name(&object).is_empty() {
            let prefix = json::text(&object, "/metadata/generateName").to_owned();
            if prefix.is_empty() {
                let why = "Required value: name or generateName is required";
                return Err(Refusal::invalid(resource, "", "metadata.name", why));
            }
            let name = self.free_name(resource.kind, &call.namespace, &prefix, dry_run);
            json::set(&mut object, &["metadata", "name"], name);
        }
        let key = Key::of(resource.kind, &object);
        if self.store.get(&key).is_some() {
            return Err(Refusal::already_exists(resource, &key.name));
        }
        if !json::text(&object, "/metadata/resourceVersion").is_empty() {
            let why = "resourceVersion should not be set on objects to be created";
            return Err(Refusal::internal(why));
        }
        // A node registers itself with its status.
        if resource.has_status() && resource.kind != Kind::Node {
            json::put(&mut object, "status", None);
        }
        self.admit_new(&key, &mut object, dry_run)?;
        let writer = writer(call, sent, applied);
        let stored = self.commit(&key, object, &writer, dry_run);
        Ok((StatusCode::CREATED, shown(call, &stored)))
    }

    /// Puts a new object into the namespace of the path, which must exist.
    fn place(&self, call: &Call, object: &mut Value) -> Result<(), Refusal> {
        if !call.resource.namespaced {
            json::put(json::entry(object, &["metadata"]), "namespace", None);
            return Ok(());
        }
        let named = json::namespace(object);
        if !named.is_empty() && named != call.namespace {
            return Err(Refusal::bad_request(
                "the namespace of the provided object does not match the namespace sent on the \
                 request",
            ));
        }
        json::set(object, &["metadata", "namespace"], call.namespace.clone());
        let kind = Kind::Namespace;
        match self.store.get(&Key::new(kind, "", &call.namespace)) {
            None => Err(Refusal::not_found(kind.resource(), &call.namespace)),
            Some(namespace) if json::terminating(namespace) => {
                let name = json::name(object);
                Err(Refusal::terminating(call.resource, name, &call.namespace))
            }
            Some(_) => Ok(()),
        }
    }

    fn free_name(&mut self, kind: Kind, namespace: &str, prefix: &str, dry_run: bool) -> String {
        let drawn = format!("{kind:?} {namespace}/{prefix}");
        loop {
            let name = format!("{prefix}{}", self.identity.suffix(&drawn, dry_run));
            let taken = self.store.get(&Key::new(kind, namespace, &name)).is_some();
            if !taken || dry_run {
                return name;
            }
        }
    }

    /// Completes and checks an object that is not stored yet.
    pub(crate) fn admit_new(
        &mut self,
        key: &Key,
        object: &mut Value,
        dry_run: bool,
    ) -> Result<(), Refusal> {
        let resource = key.kind.resource();
        let uid_of = format!("{:?} {}/{}", key.kind, key.namespace, key.name);
        let uid = self.identity.uid(&uid_of, dry_run);
        let metadata = json::entry(object, &["metadata"]);
        for gone in [
            "managedFields",
            "generation",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ] {
            json::put(metadata, gone, None);
        }
        json::set(metadata, &["uid"], uid);
        json::set(metadata, &["creationTimestamp"], json::stamp(self.now));
        if key.kind == Kind::Service && json::text(object, "/spec/clusterIP").is_empty() {
            let number = self.identity.number(&uid_of);
            let address = format!("10.96.{}.{}", number % 256, 1 + number / 256 % 254);
            json::set(object, &["spec", "clusterIP"], address);
        }
        defaults::fill(key.kind, object);
        validate::shape(resource, object)?;
        validate::values(resource, None, object)
    }
}
