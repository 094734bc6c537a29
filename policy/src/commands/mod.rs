//! What people ask for: each command is answered by exactly one decision whose cause it is.

mod approvals;
mod order;
mod request;

use aegis_schemas::{Command, CommandBody, ConfigurationKind, Reason, Target, Verdict};

use crate::core::{Core, Turn};
use crate::rules::{Answer, Principal, Said};
use crate::say::Words;

impl Core {
    pub(crate) fn command(&mut self, turn: &mut Turn<'_>, command: &Command) {
        match &command.body {
            CommandBody::Request { action, target } => {
                if target.workload.cluster == self.cluster {
                    self.request(turn, command, action, target);
                }
            }
            CommandBody::Approve { proposal } => self.approve(turn, command, *proposal),
            CommandBody::Reject { proposal } => self.reject(turn, command, *proposal),
            CommandBody::Undo { decision } => self.undo_command(turn, command, *decision),
            // The incident core's.
            CommandBody::Feedback { .. }
            | CommandBody::Merge { .. }
            | CommandBody::Split { .. }
            | CommandBody::Activate {
                what: ConfigurationKind::Incidents | ConfigurationKind::Model,
                ..
            } => {}
            CommandBody::Activate {
                what: ConfigurationKind::Policy,
                digest,
                content,
            } => self.activate(turn, command, *digest, content),
            CommandBody::Mode { scope, .. }
            | CommandBody::Freeze { scope, .. }
            | CommandBody::Unfreeze { scope } => {
                if scope.cluster == self.cluster {
                    self.order(turn, command);
                }
            }
            CommandBody::KillSwitch { cluster } | CommandBody::Resume { cluster } => {
                if *cluster == self.cluster {
                    self.order(turn, command);
                }
            }
        }
    }

    /// Whether who commands may say such a thing about an act; a refusal is said.
    fn may(&mut self, turn: &mut Turn<'_>, command: &Command, target: &Target) -> bool {
        let token = command.body.token();
        let answer = self
            .view()
            .may(Principal::Person(&command.actor), token, target);
        let allowed = answer.allowed;
        if !allowed {
            let words = Words::new(&target.workload, Verdict::Deny);
            self.say(turn, refused(command, words, answer));
        }
        allowed
    }

    /// Refuses a command with one reason.
    fn refuse(
        &mut self,
        turn: &mut Turn<'_>,
        command: &Command,
        words: Words,
        (policy, text): (&str, String),
        flip: &str,
    ) {
        let words = words.by(&command.actor).because(policy, text);
        let words = if flip.is_empty() {
            words
        } else {
            words.flip(flip)
        };
        self.say(turn, words);
    }
}

/// The refusal of somebody whom no policy permits it, or whom one forbids it.
fn refused(command: &Command, words: Words, answer: Answer) -> Words {
    let actor = &command.actor;
    let words = words.by(actor);
    if answer.deciding.is_empty() {
        let roles: Vec<&str> = actor.roles.iter().map(String::as_str).collect();
        let what = command.body.token().replace('_', " ");
        let text = format!(
            "no policy permits `{}` (roles: {}) to {what}",
            actor.name,
            if roles.is_empty() {
                "none".to_owned()
            } else {
                roles.join(", ")
            }
        );
        return words
            .because("no-permit", text)
            .flip("a role that may, such as `operator` or `admin`");
    }
    let flips: Vec<String> = answer
        .deciding
        .iter()
        .map(|said| said.flip.clone())
        .filter(|flip| !flip.is_empty())
        .collect();
    words
        .reasons(reasons(answer.deciding))
        .flip(flips.join("; and "))
}

fn reasons(said: Vec<Said>) -> Vec<Reason> {
    said.into_iter()
        .map(|said| Reason {
            policy: said.policy,
            text: said.text,
        })
        .collect()
}
