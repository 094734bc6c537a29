//! Least privilege on the bus, asked of a real server with the configuration that Aegis writes.

use aegis_e2e::attack::repelled;

#[tokio::test]
async fn every_user_may_do_what_the_table_says_and_nothing_else() {
    repelled("subject-escape").await;
}

#[tokio::test]
async fn nobody_but_the_provisioner_administers_streams_and_its_changes_are_told() {
    repelled("stream-admin").await;
}

#[tokio::test]
async fn headers_make_the_server_do_nothing_but_store() {
    repelled("header-abuse").await;
}

#[tokio::test]
async fn nobody_makes_the_server_publish_a_decision_for_them() {
    repelled("reply-hijack").await;
}

#[tokio::test]
async fn nobody_can_use_anothers_message_id_first() {
    repelled("dedupe-poison").await;
}
