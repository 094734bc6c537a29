//! What the API server takes from Aegis' service accounts, with what `deploy/` installs on a real one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use aegis_e2e::bounds::{Bounds, all_held};

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_takes_each_act_and_refuses_all_else() {
    let Some(mut bounds) = Bounds::start().await.unwrap() else {
        return;
    };
    let acts = bounds.acts().await.unwrap();
    all_held(&bounds.judge(&acts).await.unwrap()).unwrap();
    for refused in [bounds.changes(), bounds.escapes()] {
        all_held(&bounds.judge(&refused).await.unwrap()).unwrap();
    }
    bounds.widen().await.unwrap();
    for refused in [bounds.changes(), bounds.escapes()] {
        all_held(&bounds.judge(&refused).await.unwrap()).unwrap();
    }
}
