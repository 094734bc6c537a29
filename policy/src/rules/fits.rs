//! Whether a schema can hold what Aegis says.

use aegis_schemas::{ActionKind, Actor, Entity, EvidenceSource, Mode, Severity};

use super::Invalid;
use super::bundle::SCHEMA;
use super::cedar::Policies;
use super::question::{CaseFacts, Facts, Order, Principal};

impl Policies {
    /// Asks one question of each shape, so that a schema which cannot hold what Aegis says is refused now.
    pub(super) fn fits(&self) -> Result<(), Invalid> {
        let actor = Actor {
            name: "somebody".to_owned(),
            roles: ["operator".to_owned()].into(),
        };
        let workload: Entity = "c/n/deployment/w".parse().expect("a literal entity");
        let tags = [("aegis.dev/managed".to_owned(), "true".to_owned())].into();
        for principal in [Principal::Aegis, Principal::Person(&actor)] {
            for kind in ActionKind::ALL {
                let facts = Facts {
                    principal,
                    action: kind.as_str(),
                    workload: &workload,
                    replicas: 1,
                    ready: 1,
                    tags: &tags,
                    namespace_tags: &tags,
                    case: Some(CaseFacts {
                        mode: Mode::Act,
                        approved: false,
                        failure: "crash_loop",
                        severity: Some(Severity::Error),
                        confidence: 500,
                        sources: [EvidenceSource::Metrics].into(),
                        from: 1,
                        to: 2,
                        at_risk: 1,
                    }),
                };
                self.try_act(&facts).map_err(|error| misfit(&error))?;
            }
        }
        for action in ["request", "approve", "reject", "undo"] {
            let facts = Facts {
                principal: Principal::Person(&actor),
                action,
                workload: &workload,
                replicas: 1,
                ready: 1,
                tags: &tags,
                namespace_tags: &tags,
                case: None,
            };
            self.try_act(&facts).map_err(|error| misfit(&error))?;
        }
        for token in [
            "mode",
            "freeze",
            "unfreeze",
            "kill_switch",
            "resume",
            "activate",
        ] {
            let order = Order {
                by: &actor,
                token,
                cluster: "c",
                namespace: None,
                action: None,
                mode: None,
            };
            self.try_order(&order).map_err(|error| misfit(&error))?;
        }
        Ok(())
    }
}

fn misfit(error: &str) -> Invalid {
    let reason = format!("what Aegis says does not fit into this schema: {error}");
    Invalid::new(SCHEMA, None, reason)
}
