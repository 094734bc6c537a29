//! Modes, freezes, the kill switch, and how every stage is.

use std::sync::Arc;

use aegis_schemas::{CommandBody, Mode, Namespace, Scope, Timestamp};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Redirect;
use serde::Deserialize;

use super::frame::Frame;
use super::policies::Standing;
use super::visitor::{Sent, Visitor};
use super::words::{When, thousands};
use super::{Done, Page, ask, show};
use crate::app::App;
use crate::problem::Problem;
use crate::stages::stages;

const STREAMS: &str = "SELECT s.stream, c.at, sum(s.entries)::bigint AS entries, sum(s.bytes)::bigint AS bytes,
      coalesce(sum(s.entries) FILTER (WHERE s.hour > now() - interval '1 hour'), 0)::bigint AS lately
    FROM views.statistics s JOIN views.clock c USING (stream) GROUP BY 1, 2 ORDER BY 1";
const REFUSED: &str =
    "SELECT at, actor, outcome, operation, reason, address, count FROM views.access
    WHERE outcome NOT IN ('signed_in', 'signed_out') ORDER BY at DESC";

/// What was recorded of a stream.
#[derive(Debug, Deserialize)]
struct StreamRow {
    stream: String,
    at: jiff::Timestamp,
    entries: i64,
    bytes: i64,
    lately: i64,
}

impl StreamRow {
    fn newest(&self) -> When {
        When(self.at)
    }

    fn entries(&self) -> String {
        thousands(self.entries)
    }

    fn lately(&self) -> String {
        thousands(self.lately)
    }

    /// Mebibytes.
    fn size(&self) -> String {
        format!("{:.1}", self.bytes as f64 / 1_048_576.0)
    }
}

/// Somebody was refused, or changed users.
#[derive(Debug, Deserialize)]
struct AccessRow {
    at: jiff::Timestamp,
    actor: Option<String>,
    outcome: String,
    operation: String,
    reason: String,
    address: String,
    count: i64,
}

impl AccessRow {
    fn at(&self) -> When {
        When(self.at)
    }

    fn outcome(&self) -> String {
        super::words::spoken(&self.outcome)
    }
}

/// How a part of Aegis is.
struct Part {
    name: String,
    well: bool,
    said: String,
}

#[derive(Template)]
#[template(path = "admin.html")]
struct Admin {
    frame: Frame,
    parts: Vec<Part>,
    streams: Vec<StreamRow>,
    standing: Option<Standing>,
    refused: Vec<AccessRow>,
    version: &'static str,
}

pub(super) async fn page(State(app): State<Arc<App>>, visitor: Visitor) -> Page {
    visitor.who.demand(&app, "get_orders")?;
    show(&Admin {
        frame: Frame::around(&app, &visitor, "admin", "Admin").await?,
        parts: parts(&app).await,
        streams: app.store.read(STREAMS, &[], 20).await?,
        standing: Standing::now(&app).await?,
        refused: app.store.read(REFUSED, &[], 20).await?,
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// How everything is that Aegis runs on, and every stage.
async fn parts(app: &App) -> Vec<Part> {
    let part = |name: &str, well, said: &str| Part {
        name: name.to_owned(),
        well,
        said: said.to_owned(),
    };
    let database = app.store.answers().await;
    let said = if database {
        "answers"
    } else {
        "does not answer"
    };
    let mut parts = vec![part("PostgreSQL", database, said)];
    match stages(app).await {
        Ok(stages) => {
            parts.insert(0, part("NATS", true, "answers"));
            parts.extend(
                stages
                    .iter()
                    .map(|stage| part(&stage.stage, stage.well, &stage.said())),
            );
        }
        Err(error) => parts.insert(0, part("NATS", false, &error.to_string())),
    }
    let listen = format!("{} listen to events here", app.live.listeners());
    parts.push(part("listeners", true, &listen));
    parts
}

pub(super) async fn order(
    State(app): State<Arc<App>>,
    Path(order): Path<String>,
    sent: Sent,
) -> Done {
    let visitor = &sent.visitor;
    let reason = sent.text("reason");
    match order.as_str() {
        "mode" => {
            visitor.who.demand(&app, "set_mode")?;
            let mode = match sent.needed("mode")? {
                "observe" => Mode::Observe,
                "ask" => Mode::Ask,
                "act" => Mode::Act,
                other => return Err(Problem::invalid(format!("`{other}` is no mode")).into()),
            };
            let body = CommandBody::Mode {
                scope: scope(&app, &sent)?,
                mode,
            };
            ask(&app, visitor, None, reason, body).await?;
        }
        "freeze" => {
            visitor.who.demand(&app, "begin_freeze")?;
            let body = CommandBody::Freeze {
                scope: scope(&app, &sent)?,
                until: until(sent.needed("for")?)?,
            };
            ask(&app, visitor, None, reason, body).await?;
        }
        "unfreeze" => {
            visitor.who.demand(&app, "end_freeze")?;
            let body = CommandBody::Unfreeze {
                scope: scope(&app, &sent)?,
            };
            ask(&app, visitor, None, reason, body).await?;
        }
        "kill-switch" => {
            visitor.who.demand(&app, "stop_acts")?;
            crate::routes::engage(&app, &visitor.who, reason, None).await?;
        }
        "resume" => {
            visitor.who.demand(&app, "resume_acts")?;
            // Stopping is one click; going on is not.
            if sent.field("typed") != Some(app.config.cluster.as_str()) {
                let cluster = &app.config.cluster;
                let why = format!("type the cluster's name, `{cluster}`, to let Aegis act again");
                return Err(Problem::invalid(why).into());
            }
            crate::routes::release(&app, &visitor.who, reason, None).await?;
        }
        _ => return Err(Problem::not_found("order").into()),
    }
    Ok(Redirect::to("/admin"))
}

/// The cluster, or one namespace of it.
fn scope(app: &App, sent: &Sent) -> Result<Scope, Problem> {
    let namespace = sent
        .field("namespace")
        .map(Namespace::parse)
        .transpose()
        .map_err(|error| Problem::invalid(error.to_string()))?;
    Ok(Scope {
        cluster: app.config.cluster.clone(),
        namespace,
        action: None,
    })
}

/// A time so many minutes from now.
fn until(minutes: &str) -> Result<Timestamp, Problem> {
    let minutes: i64 = minutes
        .parse()
        .ok()
        .filter(|minutes| (1..=7 * 24 * 60).contains(minutes))
        .ok_or_else(|| Problem::invalid("a freeze lasts from 1 minute to 7 days"))?;
    let now = crate::access::now();
    Ok(Timestamp::from_millis(now.as_millis() + minutes * 60_000))
}
