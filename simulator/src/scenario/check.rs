//! What a scenario must be beyond its form.

use std::collections::BTreeSet;

use super::{Effect, Fault, Scenario, Workload};
use crate::{Error, quantity};

/// The acts that an oracle can name.
const ACTS: [&str; 4] = ["restart_pod", "rollout_restart", "scale", "rollback"];

impl Scenario {
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.faulty().map_err(Error::Scenario)
    }

    fn faulty(&self) -> Result<(), String> {
        if self.nodes == 0 {
            return Err("`nodes` must be at least 1".to_owned());
        }
        let pace = self.pace.as_secs();
        if self.pace.subsec_nanos() > 0 || pace == 0 || 60 % pace != 0 {
            return Err("`pace` must be whole seconds that divide a minute".to_owned());
        }
        let namespaces: BTreeSet<&str> = self
            .namespaces
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        let mut seen = BTreeSet::new();
        for workload in &self.workloads {
            let path = workload.path();
            if !namespaces.contains(workload.namespace.as_str()) {
                return Err(format!(
                    "workload `{path}` is in a namespace that no `[[namespace]]` names"
                ));
            }
            self.workload(workload)
                .map_err(|what| format!("workload `{path}`: {what}"))?;
            if !seen.insert(path.clone()) {
                return Err(format!("workload `{path}` is there twice"));
            }
        }
        for load in &self.loads {
            self.known(&load.to)
                .map_err(|what| format!("load: {what}"))?;
            let sound =
                load.rps.is_finite() && load.rps >= 0.0 && (0.0..=1.0).contains(&load.daily);
            if !sound {
                let to = &load.to;
                return Err(format!(
                    "load of `{to}`: `rps` must not be negative, `daily` is 0 to 1"
                ));
            }
        }
        let mut before = BTreeSet::new();
        for fault in &self.faults {
            self.fault(fault, &before)
                .map_err(|what| format!("fault `{}`: {what}", fault.name))?;
            if !before.insert(fault.name.as_str()) {
                return Err(format!("fault `{}` is there twice", fault.name));
            }
        }
        for expect in &self.expect {
            if !before.contains(expect.fault.as_str()) {
                return Err(format!("expect: there is no fault `{}`", expect.fault));
            }
        }
        self.order().map(|_| ())
    }

    fn known(&self, path: &str) -> Result<(), String> {
        match self.place(path) {
            Some(_) => Ok(()),
            None => Err(format!(
                "there is no workload `{path}` (workloads are named `namespace/name`)"
            )),
        }
    }

    fn workload(&self, workload: &Workload) -> Result<(), String> {
        for (key, text) in [
            ("cpu", &workload.cpu),
            ("memory", &workload.memory),
            ("base_memory", &workload.base_memory),
        ] {
            if quantity::parse(text).is_none_or(|value| value <= 0.0) {
                return Err(format!(
                    "`{key}` is not a quantity such as `500m` or `256Mi`: `{text}`"
                ));
            }
        }
        if !(workload.cpu_per_request.is_finite() && workload.cpu_per_request > 0.0) {
            return Err("`cpu_per_request` must be above 0".to_owned());
        }
        if workload.service_time.is_zero() {
            return Err("`service_time` must be above 0".to_owned());
        }
        for call in &workload.calls {
            self.known(&format!("{}/{}", workload.namespace, call.to))?;
        }
        Ok(())
    }

    fn fault(&self, fault: &Fault, before: &BTreeSet<&str>) -> Result<(), String> {
        self.known(&fault.target)?;
        if let Some(root) = &fault.oracle.root {
            self.known(root)?;
        }
        if let Some(after) = &fault.after
            && !before.contains(after.as_str())
        {
            return Err(format!("`after` must name an earlier fault, not `{after}`"));
        }
        let acts = fault.oracle.right.iter().chain(&fault.oracle.wrong);
        if let Some(act) = acts.into_iter().find(|act| !ACTS.contains(&act.as_str())) {
            return Err(format!(
                "there is no act `{act}`; acts are {}",
                ACTS.join(", ")
            ));
        }
        if let Effect::Deploy {
            memory: Some(memory),
            ..
        } = &fault.effect
            && quantity::parse(memory).is_none_or(|value| value <= 0.0)
        {
            return Err(format!(
                "`memory` is not a quantity such as `256Mi`: `{memory}`"
            ));
        }
        if let Effect::Flap { on, off, .. } = fault.effect
            && (on + off).is_zero()
        {
            return Err("`on` or `off` must be above 0".to_owned());
        }
        Ok(())
    }

    /// The workloads' places, callers before those that they call.
    pub(crate) fn order(&self) -> Result<Vec<usize>, String> {
        let callees = |place: usize| {
            let caller = &self.workloads[place];
            caller
                .calls
                .iter()
                .filter_map(|call| self.place(&format!("{}/{}", caller.namespace, call.to)))
        };
        let mut waiting = vec![0_usize; self.workloads.len()];
        for place in 0..self.workloads.len() {
            callees(place).for_each(|callee| waiting[callee] += 1);
        }
        let mut order: Vec<usize> = (0..waiting.len())
            .filter(|one| waiting[*one] == 0)
            .collect();
        let mut next = 0;
        while let Some(place) = order.get(next).copied() {
            next += 1;
            for callee in callees(place) {
                waiting[callee] -= 1;
                if waiting[callee] == 0 {
                    order.push(callee);
                }
            }
        }
        match waiting.iter().position(|left| *left > 0) {
            Some(place) => Err(format!(
                "workload `{}` is in a circle of calls",
                self.workloads[place].path()
            )),
            None => Ok(order),
        }
    }
}
