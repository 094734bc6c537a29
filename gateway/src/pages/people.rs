//! Who may sign in, who is invited, and which keys programs use.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};

use super::frame::Frame;
use super::visitor::{Sent, Visitor};
use super::{Page, show};
use crate::app::App;
use crate::problem::Problem;
use crate::routes::invitations::{self, Invite};
use crate::routes::keys;
use crate::routes::users::{self, UserChange};
use crate::store::{Invitation, Key, User};

/// Rows of each list.
const ROWS: i64 = 200;

/// A secret that is shown this once.
struct Given {
    what: String,
    secret: String,
}

#[derive(Template)]
#[template(path = "people.html")]
struct People {
    frame: Frame,
    users: Vec<User>,
    invitations: Vec<Invitation>,
    keys: Vec<Key>,
    given: Option<Given>,
}

pub(super) async fn page(State(app): State<Arc<App>>, visitor: Visitor) -> Page {
    people(&app, &visitor, None).await
}

/// Does one of the deeds of the page and shows it again: a secret is in no address and in no history.
pub(super) async fn deed(
    State(app): State<Arc<App>>,
    Path(deed): Path<String>,
    sent: Sent,
) -> Page {
    let visitor = &sent.visitor;
    let given = do_it(&app, visitor, &deed, &sent).await?;
    people(&app, visitor, given).await
}

async fn do_it(
    app: &App,
    visitor: &Visitor,
    deed: &str,
    sent: &Sent,
) -> Result<Option<Given>, Problem> {
    let who = &visitor.who;
    match deed {
        "invite" => {
            who.demand(app, "invite")?;
            let invite = Invite {
                name: sent.needed("name")?.to_owned(),
                roles: vec![sent.needed("role")?.to_owned()],
            };
            let invited = invitations::give(app, who, &invite).await?;
            return Ok(Some(Given {
                what: format!("the invitation of {}, good for three days", invite.name),
                secret: invited.link,
            }));
        }
        "key" => {
            who.demand(app, "create_key")?;
            let days = sent.needed("days")?.parse();
            let wanted = keys::Wanted {
                label: sent.needed("label")?.to_owned(),
                scopes: vec![sent.needed("scope")?.to_owned()],
                days: days.map_err(|_| Problem::invalid("`days` is a number"))?,
            };
            let made = keys::make(app, who, &wanted).await?;
            return Ok(Some(Given {
                what: format!("the key for {}", wanted.label),
                secret: made.key,
            }));
        }
        "revoke-invitation" => {
            who.demand(app, "revoke_invitation")?;
            invitations::end(app, who, sent.needed("id")?).await?;
        }
        "revoke-key" => {
            who.demand(app, "revoke_key")?;
            keys::end(app, who, sent.needed("id")?).await?;
        }
        "disable" | "enable" => {
            who.demand(app, "change_user")?;
            let change = UserChange {
                disabled: Some(deed == "disable"),
                ..UserChange::default()
            };
            users::apply(app, who, sent.needed("name")?, change).await?;
        }
        _ => return Err(Problem::not_found("deed")),
    }
    Ok(None)
}

async fn people(app: &App, visitor: &Visitor, given: Option<Given>) -> Page {
    visitor.who.demand(app, "list_keys")?;
    let (mut users, mut invitations) = (Vec::new(), Vec::new());
    // Who there is, only those learn who may ask for it.
    if visitor.has(&["admin", "auditor"]) {
        users = app.store.users(None, ROWS).await?;
        invitations = app.store.invitations(None, ROWS).await?;
    }
    show(&People {
        frame: Frame::around(app, visitor, "people", "People and keys").await?,
        users,
        invitations,
        keys: app
            .store
            .keys(keys::whose(&visitor.who), None, ROWS)
            .await?,
        given,
    })
}
