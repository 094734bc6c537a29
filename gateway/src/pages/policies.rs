//! What Aegis may do: the policy set that holds, its digest, modes and freezes, who may ask for what.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;

use super::frame::Frame;
use super::visitor::{Sent, Visitor};
use super::words::When;
use super::{Page, show};
use crate::app::App;
use crate::auth::ROLES;
use crate::cores::Checked;
use crate::document::Operation;
use crate::problem::Problem;
use crate::record::Unavailable;

const STANDING: &str = "SELECT * FROM views.standing ORDER BY position DESC";
const SPOKE: &str = "SELECT r->>'policy' AS policy, count(*) AS times, max(decided_at) AS last
    FROM views.decision, jsonb_array_elements(reasons) AS r
    WHERE decided_at > now() - interval '7 days' GROUP BY 1 ORDER BY 2 DESC";

/// What holds.
#[derive(Debug, Deserialize)]
pub(super) struct Standing {
    at: jiff::Timestamp,
    pub(super) policy: String,
    modes: Vec<(Value, String)>,
    freezes: Vec<(Value, String)>,
}

impl Standing {
    pub(super) async fn now(app: &App) -> Result<Option<Self>, Problem> {
        Ok(app.store.read_one(STANDING, &[]).await?)
    }

    fn said(&self) -> When {
        When(self.at)
    }

    /// Scopes with their modes.
    pub(super) fn modes(&self) -> Vec<(String, &str)> {
        self.modes
            .iter()
            .map(|(scope, mode)| (scope_in_words(scope), mode.as_str()))
            .collect()
    }

    /// Scopes with the ends of their freezes.
    pub(super) fn freezes(&self) -> Vec<(String, Option<When>)> {
        self.freezes
            .iter()
            .map(|(scope, until)| (scope_in_words(scope), until.parse().ok().map(When)))
            .collect()
    }
}

/// How often a policy or guard spoke.
#[derive(Debug, Deserialize)]
struct Spoke {
    policy: String,
    times: i64,
    last: jiff::Timestamp,
}

impl Spoke {
    fn last(&self) -> When {
        When(self.last)
    }
}

/// A file of the policy set.
struct File {
    name: String,
    text: String,
}

/// What somebody may ask for.
struct Right {
    operation: String,
    summary: String,
    /// Whether each of the roles may, in their order.
    may: Vec<bool>,
}

/// Who may ask for what, as the policies answer.
fn rights(app: &App) -> Vec<Right> {
    let right = |(operation, known): (&str, &Operation)| Right {
        operation: operation.to_owned(),
        summary: known.summary.clone(),
        may: ROLES
            .iter()
            .map(|role| known.roles.contains(role))
            .collect(),
    };
    app.document.guarded().map(right).collect()
}

#[derive(Template)]
#[template(path = "policies.html")]
struct Policies {
    frame: Frame,
    standing: Option<Standing>,
    files: Vec<File>,
    missing: Option<String>,
    /// What is said of the set in force.
    checked: Option<Checked>,
    /// The text to think about, and what is said of it once it was sent.
    draft: String,
    answer: Option<Checked>,
    spoke: Vec<Spoke>,
    roles: [&'static str; 4],
    rights: Vec<Right>,
}

pub(super) async fn page(State(app): State<Arc<App>>, visitor: Visitor) -> Page {
    visitor.who.demand(&app, "get_orders")?;
    page_with(&app, &visitor, None).await
}

/// The page with what is wrong with the set that somebody thinks of; nothing comes of it.
pub(super) async fn check(State(app): State<Arc<App>>, sent: Sent) -> Page {
    sent.visitor.who.demand(&app, "check_policies")?;
    page_with(&app, &sent.visitor, Some(sent.written("draft"))).await
}

async fn page_with(app: &Arc<App>, visitor: &Visitor, draft: Option<String>) -> Page {
    let standing = Standing::now(app).await?;
    let (mut content, mut missing) = (None, None);
    if let Some(standing) = &standing {
        match app.cores.policy_set(&standing.policy).await {
            Ok(text) => content = Some(text),
            Err(Unavailable::NotFound(_)) => {
                missing = Some(
                    "the policy set is not on record: it was activated before this log began"
                        .to_owned(),
                );
            }
            Err(error) => missing = Some(error.to_string()),
        }
    }
    let mut files = content.as_deref().map_or_else(Vec::new, files_of);
    // What decides comes before what it is decided with.
    files.sort_by_key(|file| !file.name.ends_with(".cedar"));
    let checked = match &content {
        Some(content) => Some(app.in_force.check(&app.cores, content.clone()).await?),
        None => None,
    };
    let answer = match &draft {
        Some(draft) => Some(app.drafts.check(&app.cores, draft.clone()).await?),
        None => None,
    };
    show(&Policies {
        frame: Frame::around(app, visitor, "policies", "Policies").await?,
        spoke: app.store.read(SPOKE, &[], 40).await?,
        roles: ROLES,
        rights: rights(app),
        draft: draft
            .or_else(|| content.map(|text| text.to_string()))
            .unwrap_or_default(),
        checked,
        answer,
        standing,
        files,
        missing,
    })
}

/// A policy set is one text of its files, each under a line `=== NAME ===`.
fn files_of(content: &str) -> Vec<File> {
    let mut files: Vec<File> = Vec::new();
    for line in content.lines() {
        let named = line
            .strip_prefix("=== ")
            .and_then(|rest| rest.strip_suffix(" ==="));
        match (named, files.last_mut()) {
            (Some(name), _) => files.push(File {
                name: name.to_owned(),
                text: String::new(),
            }),
            (None, Some(file)) => {
                file.text.push_str(line);
                file.text.push('\n');
            }
            (None, None) => files.push(File {
                name: "policy set".to_owned(),
                text: format!("{line}\n"),
            }),
        }
    }
    files
}

fn scope_in_words(scope: &Value) -> String {
    let part = |name: &str| scope[name].as_str();
    let mut said = part("cluster").unwrap_or("everything").to_owned();
    if let Some(namespace) = part("namespace") {
        said = format!("{said}/{namespace}");
    }
    if let Some(action) = part("action") {
        said = format!("{said}, {} only", super::words::spoken(action));
    }
    said
}
