//! What systems outside of Aegis may hand in: metrics and some signals, about objects that can exist.
//! The gateway tells the sender at once, ingest holds to it whichever way a message came.

use crate::signal::LogRates;
use crate::{Entity, EntityKind, MetricBatch, Signal, SignalBody};

/// The most callees that one message may name.
const MAX_CALLEES: usize = 256;
/// The longest text of a change, in bytes.
const MAX_TEXT: usize = 1_024;
/// The longest time in which lines of a log may be counted: the detector takes a log of which it has not heard
/// for 150 s for empty.
const MAX_INTERVAL_MS: u64 = 120_000;

impl MetricBatch {
    /// Why the batch cannot be handed in from outside, if it cannot: it has a [fault](Self::fault), claims to
    /// be history, or is about what cannot exist.
    #[must_use]
    pub fn refused_from_outside(&self) -> Option<String> {
        if let Some(fault) = self.fault() {
            return Some(fault);
        }
        if self.backfill {
            let why = "history cannot be handed in; ingest reads it with `ingest.backfill`";
            return Some(why.to_owned());
        }
        exists(&self.entity).err()
    }
}

impl Signal {
    /// Why the signal cannot be handed in from outside, if it cannot. What decides about objects and time
    /// comes from Kubernetes and ingest alone.
    #[must_use]
    pub fn refused_from_outside(&self) -> Option<String> {
        check(self).err()
    }
}

fn check(signal: &Signal) -> Result<(), String> {
    let about = &signal.entity;
    exists(about)?;
    match &signal.body {
        SignalBody::Alert(_) => Ok(()),
        SignalBody::LogRates(rates) => is_told_often(rates),
        SignalBody::Change(change) => {
            is_workload(about)?;
            if change.by.starts_with("aegis-") {
                let why = "a change by Aegis is seen at the API server and cannot be handed in";
                return Err(why.to_owned());
            }
            let texts = [&change.what, &change.by, &change.from, &change.to];
            if texts.iter().any(|text| text.len() > MAX_TEXT) {
                return Err(format!(
                    "a text of the change is longer than {MAX_TEXT} bytes; shorten it"
                ));
            }
            Ok(())
        }
        SignalBody::Calls(calls) => {
            is_workload(about)?;
            if calls.callees.len() > MAX_CALLEES {
                return Err(format!(
                    "{} callees are named, at most {MAX_CALLEES} are taken",
                    calls.callees.len()
                ));
            }
            for callee in &calls.callees {
                exists(callee)?;
                is_workload(callee)?;
                if callee.cluster != about.cluster {
                    return Err(format!(
                        "`{callee}` is in another cluster than its caller `{about}`"
                    ));
                }
            }
            Ok(())
        }
        other => Err(format!(
            "a signal of kind `{}` cannot be handed in; alert, change, calls and log_rates can",
            other.token()
        )),
    }
}

/// An entity that cannot exist would be remembered for ever: nobody ever says that it is gone.
fn exists(entity: &Entity) -> Result<(), String> {
    let global = matches!(
        entity.kind,
        EntityKind::Node | EntityKind::Namespace | EntityKind::Cluster
    );
    match &entity.namespace {
        None if !global => Err(format!("`{entity}` needs a namespace")),
        Some(_) if global => Err(format!(
            "`{entity}` names a namespace, which a {} has not",
            entity.kind
        )),
        _ => Ok(()),
    }
}

fn is_told_often(rates: &LogRates) -> Result<(), String> {
    let interval = rates.interval_ms;
    if (1..=MAX_INTERVAL_MS).contains(&interval) {
        Ok(())
    } else {
        Err(format!(
            "`interval_ms` is {interval}; lines must be counted in at least 1 ms and at most {MAX_INTERVAL_MS} ms"
        ))
    }
}

fn is_workload(entity: &Entity) -> Result<(), String> {
    if entity.kind.is_workload() {
        Ok(())
    } else {
        Err(format!(
            "`{entity}` is no workload; only workloads change and call"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use crate::signal::{Alert, Calls, Change, Gone};

    fn change(what: &str, by: &str) -> SignalBody {
        SignalBody::Change(Change {
            what: what.to_owned(),
            by: by.to_owned(),
            ..Change::default()
        })
    }

    fn calls(callees: &[&str]) -> SignalBody {
        SignalBody::Calls(Calls {
            callees: callees.iter().map(|text| entity(text)).collect(),
        })
    }

    fn lines(interval_ms: u64) -> SignalBody {
        SignalBody::LogRates(LogRates {
            interval_ms,
            ..LogRates::default()
        })
    }

    fn entity(text: &str) -> Entity {
        text.parse().expect("the table names entities")
    }

    #[test]
    fn only_what_can_be_and_is_for_others_to_say_is_taken() {
        let cart = "demo/shop/deployment/cart";
        let callee = "demo/shop/service/pay";
        let table = [
            (cart, change("template", "ci"), true),
            (cart, change("template", "aegis-executor"), false),
            (cart, change(&"x".repeat(MAX_TEXT + 1), "ci"), false),
            ("demo/shop/pod/cart-1", change("template", "ci"), false),
            ("demo/deployment/cart", change("template", "ci"), false),
            (cart, calls(&[callee]), true),
            (cart, calls(&[callee; MAX_CALLEES]), true),
            (cart, calls(&[callee; MAX_CALLEES + 1]), false),
            (cart, calls(&["demo/shop/configmap/pay"]), false),
            (cart, calls(&["other/shop/service/pay"]), false),
            (cart, calls(&["demo/service/pay"]), false),
            ("demo/node/n1", SignalBody::Alert(Alert::default()), true),
            (
                "demo/shop/node/n1",
                SignalBody::Alert(Alert::default()),
                false,
            ),
            (cart, lines(MAX_INTERVAL_MS), true),
            (cart, lines(MAX_INTERVAL_MS + 1), false),
            (cart, lines(0), false),
            (cart, SignalBody::Gone(Gone::default()), false),
        ];
        for (about, body, taken) in table {
            let signal = Signal {
                entity: entity(about),
                observed: Timestamp::EPOCH,
                source: "intake/ci".to_owned(),
                body,
            };
            assert_eq!(signal.refused_from_outside().is_none(), taken, "{signal:?}");
        }
    }
}
