//! What nobody can read is put aside with its reason, and nothing behind it waits.

use aegis_e2e::attack::repelled;

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_put_aside_by_every_reader_and_stalls_nothing() {
    repelled("poison").await;
}
