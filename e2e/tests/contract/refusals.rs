//! Refusing: who is not known, what cannot be read, what is not served.

use anyhow::Result;
use serde_json::{Value, json};

use crate::call::{Call, Caller};
use crate::objects::{DEPLOYMENT, config_map};
use crate::session::Session;

pub(super) async fn a_token_that_nobody_has(s: &mut Session) -> Result<()> {
    s.expect(401, Call::get(DEPLOYMENT).by(Caller::Stranger), &[])
        .await?;
    let watch = Call::watch("v1/pods", "0", 5).by(Caller::Stranger);
    s.expect(401, watch, &[]).await?;
    let map = config_map("a", &Value::Null);
    s.expect(
        401,
        Call::create("v1/configmaps", &map).by(Caller::Stranger),
        &[],
    )
    .await?;
    Ok(())
}

pub(super) async fn a_body_that_cannot_be_read(s: &mut Session) -> Result<()> {
    for body in ["", "{", "[]", "{\"kind\": 1}"] {
        let call = Call::create("v1/configmaps", &json!({})).text("application/json", body);
        s.expect(400, call, &[]).await?;
    }
    let call = Call::delete("v1/configmaps/a", &json!({})).text("application/json", "{");
    s.expect(400, call, &[]).await?;
    Ok(())
}

pub(super) async fn a_body_of_another_kind(s: &mut Session) -> Result<()> {
    let map = config_map("a", &Value::Null).to_string();
    let call = Call::create("v1/configmaps", &json!({})).text("text/plain", &map);
    s.expect(415, call, &[]).await?;
    Ok(())
}

pub(super) async fn a_body_that_is_too_large(s: &mut Session) -> Result<()> {
    let mut map = config_map("a", &Value::Null);
    map["data"]["key"] = "x".repeat(3 << 20).into();
    s.expect(413, Call::create("v1/configmaps", &map), &[])
        .await?;
    Ok(())
}

pub(super) async fn what_is_not_served(s: &mut Session) -> Result<()> {
    for path in ["v1/sorrows", "apps/v9/deployments"] {
        s.expect(404, Call::get(path), &[]).await?;
    }
    s.expect(404, Call::get(format!("{DEPLOYMENT}/eviction")), &[])
        .await?;
    Ok(())
}

pub(super) async fn what_is_not_done_there(s: &mut Session) -> Result<()> {
    let nothing = json!({});
    s.expect(405, Call::create(DEPLOYMENT, &nothing), &[])
        .await?;
    s.expect(405, Call::replace("apps/v1/deployments", &nothing), &[])
        .await?;
    s.expect(405, Call::merge_patch("apps/v1/deployments", &nothing), &[])
        .await?;
    Ok(())
}
