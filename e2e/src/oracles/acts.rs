//! Writes at the API server against the decisions that allowed them: O2, O3 and the second half of O4.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

/// How far the clocks of the executor and of the API server may be apart.
const SKEW: SignedDuration = SignedDuration::from_secs(5);

/// A write, as the API server's log has it.
#[derive(Clone, Debug, Deserialize)]
pub struct Write {
    /// The server's time.
    pub time: Timestamp,
    /// The plural, such as `deployments.apps`.
    pub resource: String,
    /// The object's namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// The decision that the write names. A deletion names none.
    pub decision_id: Option<String>,
    /// Whether the object changed.
    pub changed: bool,
    /// The object's version after it.
    pub resource_version: u64,
}

/// A signed decision on record.
#[derive(Clone, Debug)]
pub struct Decided {
    /// Its id.
    pub id: String,
    /// Where it stands in the stream.
    pub seq: u64,
    /// The object that it is about, `namespace/name`.
    pub object: String,
    /// Not before.
    pub from: Timestamp,
    /// Not after.
    pub until: Timestamp,
    /// Its fence.
    pub fence: u64,
}

/// The executor's word that a decision was carried out.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The decision.
    pub decision: String,
    /// Where the word stands in the stream.
    pub seq: u64,
}

impl Write {
    fn object(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// The decision that it carries out. A pod that is deleted is named by its decision and by no other: a
    /// new one has another name.
    fn decision<'a>(&self, decided: &'a [Decided]) -> Option<&'a Decided> {
        decided.iter().find(|one| match &self.decision_id {
            Some(id) => one.id == *id,
            None => self.resource == "pods" && one.object == self.object(),
        })
    }
}

/// Checks effective writes against what was decided and what the executor said.
///
/// # Errors
///
/// Says which oracle does not hold, and for which write or decision.
pub(super) fn check(writes: &[Write], decided: &[Decided], applied: &[Applied]) -> Result<()> {
    let mut carried_out = BTreeSet::new();
    let mut fences: BTreeMap<String, u64> = BTreeMap::new();
    let mut in_order: Vec<&Write> = writes.iter().collect();
    in_order.sort_by_key(|write| write.resource_version);
    for write in in_order {
        let decision = write
            .decision(decided)
            .with_context(|| format!("O3: nobody decided {write:?}"))?;
        ensure!(
            decision.object == write.object(),
            "O3: {decision:?} is about another object than {write:?}"
        );
        ensure!(
            decision.from - SKEW <= write.time && write.time <= decision.until + SKEW,
            "O3: {decision:?} was not in force at {write:?}"
        );
        ensure!(
            carried_out.insert(&decision.id),
            "O2: a second write for {decision:?}: {write:?}"
        );
        let last = fences.insert(write.object(), decision.fence);
        ensure!(
            last.is_none_or(|last| last < decision.fence),
            "O2: the fence fell from {last:?} at {write:?}"
        );
    }
    let mut said = BTreeSet::new();
    for outcome in applied {
        let decision = decided.iter().find(|one| one.id == outcome.decision);
        ensure!(
            decision.is_some_and(|decision| decision.seq < outcome.seq),
            "O4: {outcome:?} does not follow its decision, {decision:?}"
        );
        ensure!(said.insert(&outcome.decision), "O2: twice: {outcome:?}");
    }
    ensure!(
        said == carried_out,
        "O2: carried out were {carried_out:?}, the executor says {said:?}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a valid time")
    }

    fn write(second: i64, name: &str, decision: Option<&str>) -> Write {
        Write {
            time: at(second),
            resource: if decision.is_some() {
                "deployments.apps"
            } else {
                "pods"
            }
            .to_owned(),
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            decision_id: decision.map(str::to_owned),
            changed: true,
            resource_version: second.unsigned_abs(),
        }
    }

    fn decided(id: &str, name: &str, from: i64, fence: u64) -> Decided {
        Decided {
            id: id.to_owned(),
            seq: fence,
            object: format!("shop/{name}"),
            from: at(from),
            until: at(from + 120),
            fence,
        }
    }

    fn applied(decision: &str, seq: u64) -> Applied {
        Applied {
            decision: decision.to_owned(),
            seq,
        }
    }

    #[test]
    fn each_breach_is_found_and_named() {
        let all = [
            decided("scale", "web", 1_000, 10),
            decided("undo", "web", 1_100, 20),
            decided("restart", "cart-1", 1_000, 30),
        ];
        let scale = || write(1_010, "web", Some("scale"));
        let said = |list: &[(&str, u64)]| -> Vec<Applied> {
            list.iter().map(|(id, seq)| applied(id, *seq)).collect()
        };
        let table = [
            ("holds", vec![], said(&[])),
            (
                "holds",
                vec![
                    scale(),
                    write(1_110, "web", Some("undo")),
                    write(1_020, "cart-1", None),
                ],
                said(&[("scale", 11), ("undo", 21), ("restart", 31)]),
            ),
            (
                "O2: a second",
                vec![scale(), scale()],
                said(&[("scale", 11)]),
            ),
            (
                "O2: the fence fell",
                vec![
                    write(1_105, "web", Some("undo")),
                    write(1_110, "web", Some("scale")),
                ],
                said(&[("scale", 11), ("undo", 21)]),
            ),
            (
                "O2: twice",
                vec![scale()],
                said(&[("scale", 11), ("scale", 12)]),
            ),
            ("O2: carried out", vec![scale()], said(&[])),
            ("O2: carried out", vec![], said(&[("scale", 11)])),
            (
                "O3: nobody",
                vec![write(1_010, "web", Some("other"))],
                said(&[]),
            ),
            ("O3: nobody", vec![write(1_010, "cart-2", None)], said(&[])),
            (
                "is about another",
                vec![write(1_010, "api", Some("scale"))],
                said(&[]),
            ),
            (
                "was not in force",
                vec![write(1_126, "web", Some("scale"))],
                said(&[]),
            ),
            (
                "was not in force",
                vec![write(994, "web", Some("scale"))],
                said(&[]),
            ),
            ("O4", vec![scale()], said(&[("scale", 10)])),
        ];
        for (expected, writes, said) in table {
            let found = check(&writes, &all, &said);
            let text = found.map_or_else(|error| error.to_string(), |()| "holds".to_owned());
            assert!(text.contains(expected), "{expected}: {text}");
        }
    }
}
