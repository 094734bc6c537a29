//! What surrounds every page: where one is, who one is, how much Aegis may do just now.

use aegis_schemas::Cluster;
use serde::Deserialize;
use serde_json::Value;

use super::past::Moment;
use super::visitor::Visitor;
use crate::app::App;
use crate::problem::Problem;
use crate::store::Reading;

/// A page's surroundings.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) title: String,
    /// Which entry of the navigation it is.
    pub(super) place: &'static str,
    pub(super) cluster: String,
    pub(super) name: String,
    pub(super) roles: String,
    pub(super) csrf: String,
    pub(super) css: String,
    pub(super) script: String,
    pub(super) icon: String,
    /// The moment that the page tells of; the bar and the navigation tell of now.
    pub(super) moment: Moment,
    /// Whether the visitor may stop all acts.
    pub(super) stops: bool,
    /// Whether the page lets the visitor ask for acts: nobody changes the past.
    pub(super) operates: bool,
    /// Whether the visitor may change modes and users.
    pub(super) administers: bool,
    pub(super) open_incidents: i64,
    pub(super) open_approvals: i64,
    pub(super) mode: String,
    pub(super) frozen: bool,
    pub(super) halted: bool,
    /// How many entries the audit log has.
    pub(super) entries: i64,
}

#[derive(Deserialize)]
struct Around {
    open_incidents: i64,
    open_approvals: i64,
    size: i64,
    modes: Option<Vec<(Value, String)>>,
    freezes: Option<Vec<(Value, String)>>,
    halted: Option<Vec<String>>,
    now: Option<jiff::Timestamp>,
}

/// The most open incidents that are counted: nobody reads on, and counting them costs each page its time.
pub(super) const MOST_OPEN: i64 = 1_000;
const AROUND: &str = "SELECT
    (SELECT count(*) FROM (
        SELECT 1 FROM views.incident WHERE state = 'open' LIMIT $1::bigint) AS open) AS open_incidents,
    (SELECT count(*) FROM views.approval WHERE state = 'open'
        AND expires_at >= (SELECT at FROM views.clock WHERE stream = 'AEGIS_EVENTS')) AS open_approvals,
    (SELECT size FROM audit.audit_head) AS size,
    (SELECT at FROM views.clock WHERE stream = 'AEGIS_EVENTS') AS now,
    s.modes, s.freezes, s.halted
    FROM (SELECT 1) AS one LEFT JOIN LATERAL (
        SELECT * FROM views.standing ORDER BY position DESC LIMIT 1) AS s ON true";

impl Frame {
    /// The surroundings of the page `title` at the navigation's entry `place`.
    pub(super) async fn around(
        app: &App,
        visitor: &Visitor,
        place: &'static str,
        title: impl Into<String>,
    ) -> Result<Self, Problem> {
        let mut reading = app.store.reading().await?;
        Self::read(&mut reading, &app.config.cluster, visitor, place, title).await
    }

    /// As [`Frame::around`], on the connection that a page reads the rest with.
    pub(super) async fn read(
        reading: &mut Reading,
        cluster: &Cluster,
        visitor: &Visitor,
        place: &'static str,
        title: impl Into<String>,
    ) -> Result<Self, Problem> {
        let around: Around = reading
            .read_one(AROUND, &[Some(MOST_OPEN.to_string())])
            .await?
            .ok_or_else(|| Problem::unavailable("the database does not answer"))?;
        let cluster = cluster.to_string();
        let modes = around.modes.unwrap_or_default();
        let freezes = around.freezes.unwrap_or_default();
        let holds =
            |(_, until): &(Value, String)| match (until.parse::<jiff::Timestamp>(), around.now) {
                (Ok(until), Some(now)) => until > now,
                _ => true,
            };
        Ok(Self {
            title: title.into(),
            place,
            name: visitor.who.name.clone(),
            roles: visitor
                .who
                .roles
                .iter()
                .cloned()
                .collect::<Vec<_>>()
                .join(", "),
            csrf: visitor.csrf.clone(),
            css: super::assets::path("app.css"),
            script: super::assets::path("app.js"),
            icon: super::assets::path("icon.svg"),
            moment: Moment::default(),
            stops: visitor.has(&["admin", "operator"]),
            operates: visitor.has(&["admin", "operator"]),
            administers: visitor.has(&["admin"]),
            open_incidents: around.open_incidents,
            open_approvals: around.open_approvals,
            mode: mode_of(&modes),
            frozen: freezes.iter().any(holds),
            halted: around.halted.unwrap_or_default().contains(&cluster),
            entries: around.size,
            cluster,
        })
    }

    /// As these, around a page that tells of `moment`.
    pub(super) fn at_moment(mut self, moment: Moment) -> Self {
        if moment.past().is_some() {
            self.operates = false;
            self.administers = false;
        }
        self.moment = moment;
        self
    }

    /// Whether the navigation's entry is this page's.
    pub(super) fn at(&self, place: &str) -> bool {
        self.place == place
    }
}

/// So many, as far as they are counted.
pub(super) fn counted(open: &i64) -> String {
    if *open < MOST_OPEN {
        open.to_string()
    } else {
        format!("{}+", MOST_OPEN - 1)
    }
}

/// The mode of the whole cluster, and how many scopes differ from it.
fn mode_of(modes: &[(Value, String)]) -> String {
    let whole = |scope: &Value| scope["namespace"].is_null() && scope["action"].is_null();
    let base = modes
        .iter()
        .find(|(scope, _)| whole(scope))
        .map_or("observe", |(_, mode)| mode.as_str());
    let others = modes
        .iter()
        .filter(|(scope, mode)| !whole(scope) && mode != base)
        .count();
    match others {
        0 => base.to_owned(),
        _ => format!("{base} +{others}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn incidents_are_counted_as_far_as_anybody_reads() {
        for (open, said) in [(0, "0"), (999, "999"), (1_000, "999+"), (1_001, "999+")] {
            assert_eq!(counted(&open), said);
        }
    }

    #[test]
    fn the_mode_is_that_of_the_cluster_and_tells_of_exceptions() {
        let all = json!({"cluster": "demo", "namespace": null, "action": null});
        let shop = json!({"cluster": "demo", "namespace": "shop", "action": null});
        let of = |modes: &[(&Value, &str)]| {
            let modes: Vec<(Value, String)> = modes
                .iter()
                .map(|(scope, mode)| ((*scope).clone(), (*mode).to_owned()))
                .collect();
            mode_of(&modes)
        };
        assert_eq!(of(&[]), "observe");
        assert_eq!(of(&[(&all, "act")]), "act");
        assert_eq!(of(&[(&all, "act"), (&shop, "ask")]), "act +1");
        assert_eq!(of(&[(&shop, "act")]), "observe +1");
    }
}
