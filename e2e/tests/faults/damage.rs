//! A stream whose file is damaged.

use aegis_e2e::attack::repelled;

#[tokio::test(flavor = "multi_thread")]
async fn flipped_bits_are_found_and_a_new_stream_goes_on() {
    repelled("blk-bitflip").await;
}
