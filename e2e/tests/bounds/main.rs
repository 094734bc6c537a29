//! What a real API server takes from Aegis' service accounts, with what `deploy/` installs; and what the
//! doctor says of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod acts;
mod doctor;
mod fence;

use aegis_e2e::attack::all_held;
use aegis_e2e::bounds::Bounds;

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_takes_each_request_of_aegis_and_refuses_all_else() {
    let Some(mut bounds) = Bounds::start().await.unwrap() else {
        return;
    };
    let acts = bounds.acts().await.unwrap();
    all_held(&bounds.judge(&acts).await.unwrap());
    fence::is_refused_alike(&bounds).await;
    all_held(&bounds.escape().await.unwrap());
}
