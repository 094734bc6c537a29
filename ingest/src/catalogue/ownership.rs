//! Which pod belongs to which workload.

use aegis_schemas::{Entity, EntityKind, Name, Namespace, SignalBody};

use super::object::Object;
use super::pod::Pod;
use super::say::Out;
use super::{Catalogue, ObjectKind, kind};

impl Catalogue {
    /// The workload that a pod belongs to.
    #[must_use]
    pub fn owner_of(&self, namespace: &str, pod: &str) -> Option<Entity> {
        let namespace = Namespace::parse(namespace).ok()?;
        let name = Name::parse(pod).ok()?;
        let entity = self.namespaced(&namespace, EntityKind::Pod, name);
        match self.pods.get(&entity) {
            Some(pod) => pod.state.workload.clone(),
            // Metrics may be faster than the watch, and history tells of pods that are gone.
            None => self.owner_by_name(&namespace, pod),
        }
    }

    pub(super) fn pod(&mut self, entity: &Entity, object: Object<'_>, out: &mut Out) {
        let workload = self.controller_of_pod(entity, object);
        if workload.is_none()
            && let Some(("ReplicaSet", set)) = object.controller()
            && let (Some(namespace), Ok(set)) = (entity.namespace.clone(), Name::parse(set))
        {
            let key = (ObjectKind::ReplicaSet, namespace, set);
            self.orphans.entry(key).or_default().insert(entity.clone());
        }
        let pod = Pod::read(workload.clone(), object);
        let state = SignalBody::Pod(pod.state.clone());
        let before = self
            .pods
            .insert(entity.clone(), pod)
            .and_then(|old| old.state.workload);
        self.say(entity, state, out);
        if before != workload {
            self.unlink(entity, before.as_ref(), out);
        }
        if let Some(workload) = workload {
            let pods = self.pods_of.entry(workload.clone()).or_default();
            pods.insert(entity.clone());
            self.say_workload(&workload, out);
        }
    }

    /// The workload of a pod became known.
    pub(super) fn adopt(&mut self, entity: &Entity, workload: &Entity, out: &mut Out) {
        let Some(pod) = self.pods.get_mut(entity) else {
            return;
        };
        pod.state.workload = Some(workload.clone());
        let state = SignalBody::Pod(pod.state.clone());
        self.say(entity, state, out);
        let pods = self.pods_of.entry(workload.clone()).or_default();
        pods.insert(entity.clone());
    }

    fn controller_of_pod(&self, entity: &Entity, object: Object<'_>) -> Option<Entity> {
        let namespace = entity.namespace.as_ref()?;
        let (kind, name) = object.controller()?;
        if kind != "ReplicaSet" {
            let name = Name::parse(name).ok()?;
            return Some(self.namespaced(namespace, kind::workload_kind(kind)?, name));
        }
        let set = Name::parse(name).ok()?;
        let key = (ObjectKind::ReplicaSet, namespace.clone(), set);
        if let Some(set) = self.kept.get(&key) {
            return set.owner.clone();
        }
        // The pod may be seen before its ReplicaSet, which is named after the Deployment and the hash.
        let hash = object.label("pod-template-hash")?;
        let deployment = name.strip_suffix(hash)?.strip_suffix('-')?;
        let name = Name::parse(deployment).ok()?;
        Some(self.namespaced(namespace, EntityKind::Deployment, name))
    }

    pub(super) fn unlink(&mut self, pod: &Entity, workload: Option<&Entity>, out: &mut Out) {
        let Some(workload) = workload else { return };
        if let Some(pods) = self.pods_of.get_mut(workload) {
            pods.remove(pod);
            if pods.is_empty() {
                self.pods_of.remove(workload);
            }
        }
        self.say_workload(workload, out);
    }

    /// The known workload whose pods are named like that.
    fn owner_by_name(&self, namespace: &Namespace, pod: &str) -> Option<Entity> {
        let (most, last) = pod.rsplit_once('-')?;
        let known = |kind, name: &str| {
            let entity = self.namespaced(namespace, kind, Name::parse(name).ok()?);
            self.workloads.contains_key(&entity).then_some(entity)
        };
        if last.bytes().all(|byte| byte.is_ascii_digit())
            && let Some(found) = known(EntityKind::StatefulSet, most)
        {
            return Some(found);
        }
        most.rsplit_once('-')
            .and_then(|(deployment, _)| known(EntityKind::Deployment, deployment))
            .or_else(|| known(EntityKind::DaemonSet, most))
    }
}
