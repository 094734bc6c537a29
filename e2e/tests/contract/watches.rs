//! Watching: what is told, from where on, and when it is too late.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::call::Call;
use crate::objects::{config_map, event, text};
use crate::session::Session;

const MAPS: &str = "v1/configmaps";
const SHOWN: [&str; 3] = ["/kind", "/metadata/name", "/metadata/labels"];

fn version(object: &Value) -> &str {
    text(object, "/metadata/resourceVersion")
}

async fn make(s: &mut Session, name: &str, team: &str) -> Result<Value> {
    let map = config_map(name, &json!({ "team": team }));
    s.made(Call::create(MAPS, &map)).await
}

async fn move_to(s: &mut Session, name: &str, team: &str) -> Result<Value> {
    let patch = json!({ "metadata": { "labels": { "team": team } } });
    s.made(Call::merge_patch(format!("{MAPS}/{name}"), &patch))
        .await
}

async fn delete(s: &mut Session, name: &str) -> Result<Value> {
    s.made(Call::delete(format!("{MAPS}/{name}"), &json!({})))
        .await
}

/// The version of the list that a watch begins at.
async fn listed(s: &mut Session) -> Result<String> {
    let list = s.made(Call::get(MAPS)).await?;
    Ok(version(&list).to_owned())
}

/// Only objects of the case: a real cluster puts one of its own into every namespace.
fn ours(call: Call) -> Call {
    call.query("labelSelector", "team")
}

pub(super) async fn everything_after_a_list(s: &mut Session) -> Result<()> {
    let from = listed(s).await?;
    make(s, "a", "shop").await?;
    move_to(s, "a", "bank").await?;
    delete(s, "a").await?;
    let events = s
        .watched(ours(Call::watch(MAPS, &from, 60)), 3, &SHOWN)
        .await?;
    let versions: Vec<u64> = events
        .iter()
        .map(|event| version(&event["object"]).parse())
        .collect::<Result<_, _>>()?;
    ensure!(versions.is_sorted(), "versions fall: {versions:?}");
    Ok(())
}

pub(super) async fn what_exists_comes_first(s: &mut Session) -> Result<()> {
    make(s, "a", "shop").await?;
    make(s, "b", "shop").await?;
    let all = ours(
        Call::get(MAPS)
            .query("watch", "true")
            .query("timeoutSeconds", 60),
    );
    s.watched(all.clone(), 2, &SHOWN).await?;
    s.watched(all.query("resourceVersion", "0"), 2, &SHOWN)
        .await?;
    Ok(())
}

pub(super) async fn on_from_what_was_seen_last(s: &mut Session) -> Result<()> {
    let from = listed(s).await?;
    make(s, "a", "shop").await?;
    make(s, "b", "shop").await?;
    make(s, "c", "shop").await?;
    let events = s
        .watched(ours(Call::watch(MAPS, &from, 60)), 2, &SHOWN)
        .await?;
    let seen = version(&events[1]["object"]).to_owned();
    s.watched(ours(Call::watch(MAPS, &seen, 60)), 1, &SHOWN)
        .await?;
    Ok(())
}

pub(super) async fn in_and_out_of_a_selection(s: &mut Session) -> Result<()> {
    let from = listed(s).await?;
    make(s, "a", "bank").await?;
    move_to(s, "a", "shop").await?;
    move_to(s, "a", "bank").await?;
    move_to(s, "a", "shop").await?;
    delete(s, "a").await?;
    let shop = Call::watch(MAPS, &from, 60).query("labelSelector", "team=shop");
    s.watched(shop, 4, &SHOWN).await?;
    Ok(())
}

pub(super) async fn one_object_by_its_name(s: &mut Session) -> Result<()> {
    let from = listed(s).await?;
    make(s, "a", "shop").await?;
    make(s, "b", "shop").await?;
    delete(s, "b").await?;
    let one = Call::watch(MAPS, &from, 60).query("fieldSelector", "metadata.name=b");
    s.watched(one, 2, &SHOWN).await?;
    Ok(())
}

pub(super) async fn across_namespaces(s: &mut Session) -> Result<()> {
    let from = listed(s).await?;
    let team = s.namespace.clone();
    make(s, "a", &team).await?;
    let all = Call::watch("/api/v1/configmaps", &from, 60);
    let shown = ["/metadata/name", "/metadata/namespace"];
    s.watched(
        all.query("labelSelector", format!("team={team}")),
        1,
        &shown,
    )
    .await?;
    Ok(())
}

pub(super) async fn metadata_alone(s: &mut Session) -> Result<()> {
    let from = listed(s).await?;
    make(s, "a", "shop").await?;
    delete(s, "a").await?;
    let shown = ["/apiVersion", "/kind", "/metadata/labels", "/data"];
    s.watched(ours(Call::watch(MAPS, &from, 60)).metadata(), 2, &shown)
        .await?;
    Ok(())
}

pub(super) async fn a_deletion_that_waits(s: &mut Session) -> Result<()> {
    let from = listed(s).await?;
    let mut map = config_map("a", &json!({ "team": "shop" }));
    map["metadata"]["finalizers"] = json!(["example.com/hold"]);
    s.made(Call::create(MAPS, &map)).await?;
    delete(s, "a").await?;
    let free = json!({ "metadata": { "finalizers": null } });
    s.made(Call::merge_patch(format!("{MAPS}/a"), &free))
        .await?;
    let shown = ["/metadata/deletionTimestamp", "/metadata/finalizers"];
    s.watched(ours(Call::watch(MAPS, &from, 60)), 3, &shown)
        .await?;
    Ok(())
}

pub(super) async fn a_bookmark_before_the_end(s: &mut Session) -> Result<()> {
    let from = listed(s).await?;
    let made = make(s, "a", "shop").await?;
    let shown = ["/kind", "/apiVersion", "/metadata/name"];
    let events = s
        .watched(ours(Call::watch(MAPS, &from, 4)), usize::MAX, &shown)
        .await?;
    let last = events.last().map_or("", |event| version(&event["object"]));
    let far_enough = last.parse::<u64>()? >= version(&made).parse()?;
    ensure!(
        far_enough,
        "the bookmark stands at {last}, before the last event"
    );
    Ok(())
}

pub(super) async fn no_bookmark_that_was_not_asked_for(s: &mut Session) -> Result<()> {
    let from = listed(s).await?;
    let quiet = Call::get(MAPS)
        .query("watch", "1")
        .query("timeoutSeconds", 3);
    s.watched(
        ours(quiet.query("resourceVersion", from)),
        usize::MAX,
        &SHOWN,
    )
    .await?;
    Ok(())
}

pub(super) async fn a_version_that_is_none(s: &mut Session) -> Result<()> {
    s.expect(500, Call::watch(MAPS, "soon", 60), &[]).await?;
    Ok(())
}

/// Events are what a real server keeps in no cache: there it is the store that forgot.
pub(super) async fn after_the_history_was_forgotten(s: &mut Session) -> Result<()> {
    let mut versions = Vec::new();
    for name in ["a", "b", "c"] {
        let note = event(name, &s.namespace);
        let made = s.made(Call::create("v1/events", &note)).await?;
        versions.push(version(&made).to_owned());
    }
    let first = s.made(Call::get("v1/events").query("limit", 1)).await?;
    let token = text(&first, "/metadata/continue").to_owned();
    let note = event("d", &s.namespace);
    s.made(Call::create("v1/events", &note)).await?;
    s.cluster.compact().await?;
    s.watched(Call::watch("v1/events", &versions[0], 60), 1, &[])
        .await?;
    let rest = Call::get("v1/events")
        .query("limit", 1)
        .query("continue", token);
    let expired = s.expect(410, rest, &[]).await?;
    // It may go on all the same, with what is there now.
    let token = text(&expired, "/metadata/continue").to_owned();
    let rest = Call::get("v1/events").query("continue", token);
    s.expect(
        200,
        rest,
        &[
            "/items/0/metadata/name",
            "/items/2/metadata/name",
            "/items/3",
        ],
    )
    .await?;
    let list = s.made(Call::get("v1/events")).await?;
    let note = event("e", &s.namespace);
    s.made(Call::create("v1/events", &note)).await?;
    let again = Call::watch("v1/events", version(&list), 60);
    s.watched(again, 1, &["/metadata/name"]).await?;
    Ok(())
}
