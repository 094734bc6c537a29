//! API keys and invitations.

use aegis_e2e::PASSWORD;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::site::{Site, json_of, text};

async fn key(site: &Site<'_>, owner: &str, scopes: &[&str]) -> Value {
    let token = site.access_token(owner).await;
    let body = json!({"label": "a program", "scopes": scopes});
    let made = site.post("/keys", &token, &body).await;
    assert_eq!(made.status(), StatusCode::CREATED);
    json_of(made).await
}

async fn revoke(site: &Site<'_>, whose: &Value, by: &str) -> StatusCode {
    let path = format!("/keys/{}", text(whose, "id"));
    let asked = site.ask(Method::DELETE, &path);
    let asked = asked.bearer_auth(site.access_token(by).await);
    asked.send().await.unwrap().status()
}

pub(crate) async fn do_what_they_are_for_and_no_more(site: &Site<'_>) {
    let reads = key(site, "ada", &["read"]).await;
    let all = key(site, "eve", &["read", "publish", "ask"]).await;
    let table = [
        (&reads, Method::GET, "/incidents", StatusCode::OK),
        (&reads, Method::GET, "/whoami", StatusCode::OK),
        // Not what the key is for, though its owner may.
        (&reads, Method::POST, "/kill-switch", StatusCode::FORBIDDEN),
        // Never with a key.
        (&reads, Method::POST, "/users", StatusCode::FORBIDDEN),
        (&reads, Method::POST, "/keys", StatusCode::FORBIDDEN),
        // What the key is for, but its owner may not.
        (&all, Method::GET, "/incidents", StatusCode::OK),
        (&all, Method::POST, "/kill-switch", StatusCode::FORBIDDEN),
        (&all, Method::POST, "/signals", StatusCode::FORBIDDEN),
    ];
    for (key, method, path, expected) in table {
        let asked = site.ask(method.clone(), path);
        let asked = asked.bearer_auth(text(key, "key")).json(&json!({}));
        let status = asked.send().await.unwrap().status();
        assert_eq!(status, expected, "{method} {path}");
    }
    // The secret is kept nowhere, and others' keys are none of one's business.
    let listed = site.get("/keys", &site.access_token("ada").await).await;
    let listed = listed.text().await.unwrap();
    assert!(listed.contains(text(&reads, "id")) && !listed.contains(text(&reads, "key")));
    let listed = site.get("/keys", &site.access_token("eve").await).await;
    assert!(!listed.text().await.unwrap().contains(text(&reads, "id")));
    assert_eq!(revoke(site, &reads, "eve").await, StatusCode::NOT_FOUND);

    let mut guessed = text(&reads, "key").to_owned();
    guessed.replace_range(guessed.len() - 4.., "0000");
    for (key, expected) in [(guessed.as_str(), 401), (text(&reads, "key"), 200)] {
        assert_eq!(site.get("/whoami", key).await.status(), expected);
    }
    // A role that is taken away is gone at once, for keys too.
    let admin = site.access_token("ada").await;
    let change = |role: &str| {
        let asked = site.ask(Method::PATCH, "/users/eve").bearer_auth(&admin);
        asked.json(&json!({"roles": [role]})).send()
    };
    change("service").await.unwrap();
    let answer = site.get("/incidents", text(&all, "key")).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    change("auditor").await.unwrap();
    // Ended by its owner, or by an administrator.
    for (whose, by) in [(&reads, "ada"), (&all, "root")] {
        assert_eq!(revoke(site, whose, by).await, StatusCode::NO_CONTENT);
        let answer = site.get("/whoami", text(whose, "key")).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
}

pub(crate) async fn an_invitation_makes_one_user(site: &Site<'_>) {
    let admin = site.access_token("ada").await;
    let body = json!({"name": "ivy", "roles": ["auditor"]});
    let invited = site.post("/invitations", &admin, &body).await;
    assert_eq!(invited.status(), StatusCode::CREATED);
    let invited = json_of(invited).await;
    assert!(text(&invited, "link").ends_with(&format!("#{}", text(&invited, "token"))));
    let accept = |token: &str, password: &str| {
        let body = json!({"token": token, "password": password});
        async move {
            site.post_openly("/invitations/accept", &body)
                .await
                .status()
        }
    };
    let token = text(&invited, "token");
    for (token, password, expected) in [
        ("guessed", PASSWORD, StatusCode::UNAUTHORIZED),
        (token, "short", StatusCode::UNPROCESSABLE_ENTITY),
        (token, PASSWORD, StatusCode::CREATED),
        (token, PASSWORD, StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(accept(token, password).await, expected);
    }
    let ivy = site.access_token("ivy").await;
    let me = json_of(site.get("/whoami", &ivy).await).await;
    assert_eq!(me, json!({"name": "ivy", "roles": ["auditor"]}));

    let body = json!({"name": "max", "roles": ["admin"]});
    let invited = json_of(site.post("/invitations", &admin, &body).await).await;
    let path = format!("/invitations/{}", text(&invited, "id"));
    let revoked = site.ask(Method::DELETE, &path).bearer_auth(&admin);
    let revoked = revoked.send().await.unwrap();
    assert_eq!(revoked.status(), StatusCode::NO_CONTENT);
    let late = accept(text(&invited, "token"), PASSWORD).await;
    assert_eq!(late, StatusCode::UNAUTHORIZED);
}
