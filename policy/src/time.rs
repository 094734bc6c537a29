//! What time alone brings: questions that nobody answered, obstacles that end, orders that are said again.

use std::time::Duration;

use aegis_schemas::{Reason, Verdict, signal::Heartbeat};

use crate::core::{Core, Turn};
use crate::say::Words;

/// An incident that is said no more was resolved in a message that we never got.
const FORGOTTEN: Duration = Duration::from_secs(3_600);

impl Core {
    pub(crate) fn heartbeat(&mut self, turn: &mut Turn<'_>, heartbeat: &Heartbeat) {
        let now = self.state.now;
        self.state.clock_apart = heartbeat.clock.distance(now);
        self.state.events_fill = heartbeat.fill;
        self.state.acts.prune(now);
        self.state.orders.prune(now);
        self.state.proposals.prune(now);
        self.state
            .dossiers
            .retain(|_, dossier| now.since(dossier.heard) <= FORGOTTEN);
        self.watch_for_storm();
        self.give_up_undos(turn);
        for digest in self.state.proposals.overdue(now) {
            self.time_out(turn, digest);
        }
        let due: Vec<_> = self
            .state
            .dossiers
            .iter()
            .filter(|(_, dossier)| dossier.recheck.is_some_and(|at| at <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.consider_again(turn, id);
        }
        let said = self.state.orders_said.unwrap_or(now);
        if now.since(said) >= self.rules.settings().restate_orders.0 {
            let reason = Reason {
                policy: "standing".to_owned(),
                text: "standing orders are said again, so that they never age out".to_owned(),
            };
            let words = Words::standing(&self.cluster, self.state.orders.said(), vec![reason]);
            self.state.orders_said = Some(now);
            self.state.orders_known = true;
            self.say(turn, words);
        }
    }

    /// Nobody said yes in time.
    fn time_out(&mut self, turn: &mut Turn<'_>, digest: aegis_schemas::Digest) {
        let why = "it timed out: nobody said yes in time";
        let Some(asked) = self.state.proposals.close(digest, why) else {
            return;
        };
        if let Some(dossier) = asked
            .incident
            .and_then(|id| self.state.dossiers.get_mut(&id))
        {
            dossier.refuse(digest);
        }
        let text = format!(
            "nobody said yes to {} of {} until {}",
            asked.action.describe(),
            asked.target.entity.short(),
            asked.expires
        );
        let words = Words::about_asked(digest, &asked, Verdict::Deny)
            .because("approval-timeout", text)
            .flip("ask for it again");
        self.say(turn, words);
    }
}
