//! People, programs and intruders at the gateway: each operation for each kind of caller, tokens that are
//! not what they seem, keys and invitations, and what is answered to a write that is sent twice.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod commands;
mod keys;
mod matrix;
mod reads;
mod schema;
mod site;
mod tokens;

use aegis_e2e::{Options, Stack};
use site::Site;

/// Many more requests a minute than the limits allow to anybody.
const PLENTY: &str = "1000000";

#[tokio::test(flavor = "multi_thread")]
async fn everybody_may_what_their_role_says_and_refusals_are_on_record() {
    let roles = ["audit-sink", "ingest", "policy", "gateway"];
    let limits = ["ADDRESS", "USER"].map(|whose| format!("GATEWAY__PER_{whose}"));
    let sign_ins = ["ADDRESS", "ACCOUNT"].map(|whose| format!("GATEWAY__SIGN_INS_PER_{whose}"));
    let options = limits.iter().chain(&sign_ins).fold(
        Options::scenario("healthy-day").roles(&roles),
        |options, limit| options.setting(limit, PLENTY),
    );
    let stack = Stack::start(options).await.unwrap();
    let site = Site::with_people(&stack).await;
    tokens::only_genuine_ones_open(&site).await;
    tokens::a_refresh_token_works_once(&site).await;
    keys::do_what_they_are_for_and_no_more(&site).await;
    keys::an_invitation_makes_one_user(&site).await;
    commands::are_taken_once_and_answered(&site).await;
    commands::publishing_is_checked(&site).await;
    reads::lists_lead_from_page_to_page(&site).await;
    reads::an_entry_is_proven_to_whoever_has_the_public_key(&site).await;
    reads::pages_load_nothing_from_elsewhere(&site).await;
    reads::questions_are_answered_under_what_stands(&site).await;
    matrix::each_operation_for_each_caller(&site).await;
    stack.stop().await;
}
