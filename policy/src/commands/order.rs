//! Orders that stand: modes, freezes, the kill switch, and the policy set itself.

use std::sync::Arc;

use aegis_schemas::{Command, CommandBody, Digest, Mode, Reason, Scope, Verdict};

use super::{reasons, refused};
use crate::core::{Core, Turn};
use crate::orders::MAX_SCOPES;
use crate::rules::{Order, Rules, Said};
use crate::say::Words;

impl Core {
    pub(super) fn order(&mut self, turn: &mut Turn<'_>, command: &Command) {
        let Some(permits) = self.permitted(turn, command) else {
            return;
        };
        let now = self.state.now;
        let orders = &mut self.state.orders;
        let scopes = orders.modes.len().max(orders.freezes.len());
        let full = scopes >= MAX_SCOPES;
        let done = match &command.body {
            CommandBody::Mode { scope, mode } if !full || orders.modes.contains_key(scope) => {
                orders.modes.insert(scope.clone(), *mode);
                Ok(format!(
                    "the mode of {} is {mode} from now on",
                    place(scope)
                ))
            }
            CommandBody::Freeze { until, .. } if *until <= now => {
                Err(("freeze-over", format!("{until} is past")))
            }
            CommandBody::Freeze { scope, until } if !full || orders.freezes.contains_key(scope) => {
                orders.freezes.insert(scope.clone(), *until);
                Ok(format!("{} is frozen until {until}", place(scope)))
            }
            CommandBody::Unfreeze { scope } => Ok(match orders.freezes.remove(scope) {
                Some(_) => format!("{} is frozen no more", place(scope)),
                None => format!("{} was not frozen", place(scope)),
            }),
            CommandBody::KillSwitch { cluster } => {
                orders.halted.insert(cluster.clone());
                Ok(format!(
                    "the kill switch of {cluster} is on: nothing is signed from now on"
                ))
            }
            CommandBody::Resume { cluster } => Ok(if orders.halted.remove(cluster) {
                format!("{cluster} goes on; what was decided before stays void")
            } else {
                format!("the kill switch of {cluster} was not on")
            }),
            _ => Err((
                "too-many-scopes",
                format!("{MAX_SCOPES} scopes have orders, more are not kept"),
            )),
        };
        match done {
            Ok(text) => self.stands(turn, command, permits, text),
            Err(reason) => {
                let words = Words::of_cluster(&self.cluster, Verdict::Deny);
                self.refuse(turn, command, words, reason, "");
            }
        }
    }

    pub(super) fn activate(
        &mut self,
        turn: &mut Turn<'_>,
        command: &Command,
        digest: Digest,
        content: &str,
    ) {
        let Some(permits) = self.permitted(turn, command) else {
            return;
        };
        match self.checked(digest, content) {
            Ok(rules) => {
                self.rules = Arc::new(rules);
                self.unreadable = None;
                self.state.activated = Some(content.to_owned());
                let text = format!("the policy set {digest} holds from now on");
                self.stands(turn, command, permits, text);
            }
            Err(text) => {
                self.stats.invalid_activations += 1;
                let words = Words::of_cluster(&self.cluster, Verdict::Deny);
                let reason = ("invalid-policy", text);
                self.refuse(turn, command, words, reason, "correct the policy set");
            }
        }
    }

    fn checked(&self, digest: Digest, content: &str) -> Result<Rules, String> {
        if Digest::of(content.as_bytes()) != digest {
            return Err("the content is not that of the digest".to_owned());
        }
        let rules = Rules::parse(content).map_err(|error| error.to_string())?;
        match &rules.settings().signing_key {
            Some(kid) if self.keys.keyring().get(kid).is_none() => Err(format!(
                "`settings.toml`: the signing key `{kid}` is not in the key file"
            )),
            _ => Ok(rules),
        }
    }

    /// The policies that permit an order; a refusal is said.
    fn permitted(&mut self, turn: &mut Turn<'_>, command: &Command) -> Option<Vec<Said>> {
        let (scope, mode): (Option<&Scope>, Option<Mode>) = match &command.body {
            CommandBody::Mode { scope, mode } => (Some(scope), Some(*mode)),
            CommandBody::Freeze { scope, .. } | CommandBody::Unfreeze { scope } => {
                (Some(scope), None)
            }
            _ => (None, None),
        };
        let answer = self.rules.policies().order(&Order {
            by: &command.actor,
            token: command.body.token(),
            cluster: self.cluster.as_str(),
            namespace: scope.and_then(|scope| Some(scope.namespace.as_ref()?.as_str())),
            action: scope.and_then(|scope| scope.action),
            mode,
        });
        if answer.allowed {
            return Some(answer.deciding);
        }
        let words = Words::of_cluster(&self.cluster, Verdict::Deny);
        self.say(turn, refused(command, words, answer));
        None
    }

    /// Says all orders as they stand now.
    fn stands(&mut self, turn: &mut Turn<'_>, command: &Command, permits: Vec<Said>, text: String) {
        self.state.orders_said = Some(self.state.now);
        self.state.orders_known = true;
        let order = Reason {
            policy: "standing".to_owned(),
            text,
        };
        let reasons = std::iter::once(order).chain(reasons(permits)).collect();
        let words = Words::standing(&self.cluster, self.state.orders.said(), reasons);
        self.say(turn, words.by(&command.actor));
    }
}

fn place(scope: &Scope) -> String {
    let place = scope
        .namespace
        .as_ref()
        .map_or_else(|| scope.cluster.to_string(), ToString::to_string);
    match scope.action {
        Some(action) => format!("{place} for {action}"),
        None => place,
    }
}
