//! What each verb does.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::deletion::{self, Options};
use super::error::{self, Refusal};
use super::managed::{Fields, Writer};
use super::request::{Call, Verb};
use super::resources::Kind;
use super::store::Key;
use super::{admission, defaults, journal, json, validate, wire};

/// What a client gets: the code and the body.
pub(crate) type Answer = (StatusCode, Value);

/// The user, and what they sent.
#[derive(Debug)]
pub(crate) struct Sent<'a> {
    pub(crate) user: &'a str,
    pub(crate) content_type: &'a str,
    /// Null without a body.
    pub(crate) body: Value,
}

impl Cluster {
    /// Answers everything but a watch.
    pub(crate) fn answer(&mut self, call: &Call, sent: &Sent<'_>) -> Result<Answer, Refusal> {
        let before = self.store.version();
        let answer = match call.verb {
            Verb::Get => self.read(call),
            Verb::List => self.list(call),
            Verb::Watch => Err(Refusal::no_such_method()),
            Verb::Create if call.subresource == "eviction" => self.create_eviction(call, sent),
            Verb::Create => self.create(call, sent, sent.body.clone(), None),
            Verb::Update => self.update(call, sent),
            Verb::Patch => self.patch(call, sent),
            Verb::Delete => self.delete_one(call, sent),
            Verb::DeleteCollection => self.delete_all(call, sent),
        }?;
        if call.is_write() {
            self.note(call, sent, before, &answer.1);
        }
        Ok(answer)
    }

    fn note(&mut self, call: &Call, sent: &Sent<'_>, before: u64, answer: &Value) {
        if call.subresource == "status" || call.resource.kind == Kind::Lease {
            return;
        }
        let named = if call.name.is_empty() {
            json::name(answer)
        } else {
            &call.name
        };
        self.journal.push(journal::Entry {
            time: self.now,
            user: sent.user.to_owned(),
            verb: call.verb.as_str().to_owned(),
            resource: call.resource.qualified(),
            subresource: call.subresource.clone(),
            namespace: call.namespace.clone(),
            name: named.to_owned(),
            dry_run: dry_run(call, sent),
            changed: self.store.version() != before,
            digest: journal::digest(&sent.body),
            decision_id: journal::decision_id(&sent.body),
            resource_version: self.store.version(),
        });
    }

    pub(super) fn find(&self, call: &Call) -> Result<Arc<Value>, Refusal> {
        self.store
            .get(&key(call))
            .cloned()
            .ok_or_else(|| Refusal::not_found(call.resource, &call.name))
    }

    fn read(&self, call: &Call) -> Result<Answer, Refusal> {
        let object = self.find(call)?;
        Ok((StatusCode::OK, shown(call, &object)))
    }

    fn update(&mut self, call: &Call, sent: &Sent<'_>) -> Result<Answer, Refusal> {
        let old = self.find(call)?;
        let wanted = if call.subresource == "scale" {
            scaled(&old, &sent.body)?
        } else {
            wire::inward(call.resource, sent.body.clone())?
        };
        self.modify(call, sent, &old, wanted, None)
    }

    /// Stores what an update or patch makes of `old`.
    pub(super) fn modify(
        &mut self,
        call: &Call,
        sent: &Sent<'_>,
        old: &Arc<Value>,
        wanted: Value,
        applied: Option<Fields>,
    ) -> Result<Answer, Refusal> {
        let resource = call.resource;
        same_object(call, old, &wanted)?;
        let mut new = if call.subresource == "status" {
            let mut new = (**old).clone();
            json::put(&mut new, "status", wanted.get("status").cloned());
            new
        } else {
            let mut new = wanted;
            if resource.has_status() {
                json::put(&mut new, "status", old.get("status").cloned());
            }
            new
        };
        for kept in [
            "name",
            "namespace",
            "uid",
            "creationTimestamp",
            "generation",
            "managedFields",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ] {
            let value = old["metadata"].get(kept).cloned();
            json::put(json::entry(&mut new, &["metadata"]), kept, value);
        }
        if call.subresource != "status" {
            defaults::fill(resource.kind, &mut new);
        }
        validate::shape(resource.kind.resource(), &new).map_err(|refusal| match call.verb {
            Verb::Patch => Refusal::patched_to_nothing(&refusal.to_string()),
            _ => refusal,
        })?;
        if call.subresource != "status" {
            validate::values(resource, Some(old), &new)?;
            admission::update(sent.user, resource, old, &new)?;
        }
        let dry_run = dry_run(call, sent);
        let key = Key::of(resource.kind, old);
        if deletion::is_free(&key, &new) {
            // The last write of what was held: it goes instead of being stored.
            if !dry_run {
                self.remove(&key);
            }
            return Ok((StatusCode::OK, shown(call, &new)));
        }
        let stored = self.commit(&key, new, &writer(call, sent, applied), dry_run);
        Ok((StatusCode::OK, shown(call, &stored)))
    }

    fn create_eviction(&mut self, call: &Call, sent: &Sent<'_>) -> Result<Answer, Refusal> {
        let named = json::name(&sent.body);
        if !named.is_empty() && named != call.name {
            return Err(Refusal::bad_request(
                "name in URL does not match name in Eviction object",
            ));
        }
        let null = Value::Null;
        let mut options = Options::read(sent.body.get("deleteOptions").unwrap_or(&null));
        options.dry_run |= call.query("dryRun") == "All";
        self.evict(&key(call), &options)?;
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201,
        });
        Ok((StatusCode::CREATED, status))
    }

    fn delete_one(&mut self, call: &Call, sent: &Sent<'_>) -> Result<Answer, Refusal> {
        let object = self.find(call)?;
        let options = delete_options(call, sent)?;
        options.check(call.resource, &object)?;
        let body = match self.delete(&key(call), &options) {
            Some(left) => shown(call, &left),
            None => error::success(call.resource, &call.name, json::uid(&object)),
        };
        Ok((StatusCode::OK, body))
    }

    fn delete_all(&mut self, call: &Call, sent: &Sent<'_>) -> Result<Answer, Refusal> {
        let (_, list) = self.list(call)?;
        let options = delete_options(call, sent)?;
        for object in json::list(&list, "/items") {
            self.delete(&Key::of(call.resource.kind, object), &options);
        }
        Ok((StatusCode::OK, list))
    }
}

fn key(call: &Call) -> Key {
    Key::new(call.resource.kind, &call.namespace, &call.name)
}

/// What the caller sees of a stored object.
pub(super) fn shown(call: &Call, object: &Value) -> Value {
    if call.subresource == "scale" {
        wire::scale(object)
    } else {
        wire::outward(call.resource, object)
    }
}

pub(super) fn dry_run(call: &Call, sent: &Sent<'_>) -> bool {
    let in_body = |path| {
        json::list(&sent.body, path)
            .iter()
            .any(|mode| mode == "All")
    };
    call.query("dryRun") == "All"
        || (call.verb == Verb::Delete && in_body("/dryRun"))
        || (call.subresource == "eviction" && in_body("/deleteOptions/dryRun"))
}

/// Who a write is recorded for: the named manager, else the user.
pub(super) fn writer(call: &Call, sent: &Sent<'_>, applied: Option<Fields>) -> Writer {
    let manager = match call.query("fieldManager") {
        "" => sent.user,
        manager => manager,
    };
    let subresource = match call.subresource.as_str() {
        "finalize" => "",
        subresource => subresource,
    };
    Writer {
        applied,
        ..Writer::new(manager, subresource)
    }
}

fn delete_options(call: &Call, sent: &Sent<'_>) -> Result<Options, Refusal> {
    let mut options = Options::read(&sent.body);
    options.dry_run |= call.query("dryRun") == "All";
    if let Some(grace) = call.number("gracePeriodSeconds")? {
        options.grace = i64::try_from(grace).ok();
    }
    if options.propagation.is_empty() {
        call.query("propagationPolicy")
            .clone_into(&mut options.propagation);
    }
    Ok(options)
}

/// A workload with the replicas that a `Scale` asks for.
pub(super) fn scaled(old: &Value, scale: &Value) -> Result<Value, Refusal> {
    let replicas = scale
        .pointer("/spec/replicas")
        .map_or(Some(0), Value::as_i64)
        .ok_or_else(|| Refusal::bad_request("spec.replicas of a Scale must be a number"))?;
    let mut new = old.clone();
    json::set(&mut new, &["spec", "replicas"], replicas);
    let version = scale.pointer("/metadata/resourceVersion").cloned();
    json::put(
        json::entry(&mut new, &["metadata"]),
        "resourceVersion",
        version,
    );
    Ok(new)
}

/// Refuses a write that means another object or an older state of this one.
fn same_object(call: &Call, old: &Value, wanted: &Value) -> Result<(), Refusal> {
    let name = json::name(old);
    if json::name(wanted) != name {
        return Err(Refusal::bad_request(format!(
            "the name of the object ({}) does not match the name on the URL ({name})",
            json::name(wanted)
        )));
    }
    let namespace = json::namespace(wanted);
    if !namespace.is_empty() && namespace != json::namespace(old) {
        return Err(Refusal::bad_request(
            "the namespace of the object does not match the namespace on the request",
        ));
    }
    let (uid, live) = (json::uid(wanted), json::uid(old));
    if !uid.is_empty() && uid != live && call.verb == Verb::Patch {
        let fault = ("metadata.uid", "Invalid value: field is immutable");
        return Err(Refusal::all_invalid(call.resource, name, &[fault; 2]));
    }
    if !uid.is_empty() && uid != live {
        let why =
            format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {live}");
        return Err(Refusal::conflict(call.resource, name, &why));
    }
    let version = json::text(wanted, "/metadata/resourceVersion");
    if !version.is_empty() && version != json::text(old, "/metadata/resourceVersion") {
        return Err(Refusal::modified(call.resource, name));
    }
    Ok(())
}
