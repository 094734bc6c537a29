//! Pages and forms without a browser: what other sites, people without the right and hostile input get.

use aegis_e2e::{Entry, Options, Stack};
use aegis_schemas::{CommandBody, Event, EventId, IncidentId};
use reqwest::StatusCode;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use crate::SOON;

/// What a browser would send with a form of our own page.
struct Visitor {
    client: reqwest::Client,
    home: String,
    cookie: String,
}

impl Visitor {
    async fn page(&self, path: &str) -> reqwest::Response {
        let asked = self.client.get(format!("{}{path}", self.home));
        asked.header("cookie", &self.cookie).send().await.unwrap()
    }

    async fn send(&self, path: &str, fields: &[(&str, &str)], from: &str) -> StatusCode {
        self.form(path, fields, from).await.status()
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> reqwest::Response {
        self.form(path, fields, "same-origin").await
    }

    async fn form(&self, path: &str, fields: &[(&str, &str)], from: &str) -> reqwest::Response {
        let body: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let asked = self
            .client
            .post(format!("{}{path}", self.home))
            .header("cookie", &self.cookie)
            .header("sec-fetch-site", from)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.join("&"));
        asked.send().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_of_other_sites_and_roles_without_the_right_change_nothing() {
    let roles = ["audit-sink", "ingest", "policy", "gateway"];
    let stack = Stack::start(Options::scenario("healthy-day").roles(&roles))
        .await
        .unwrap();
    stack.person("ada", &["operator"]).await.unwrap();
    stack.person("eve", &["auditor"]).await.unwrap();
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let home = stack.gateway();
    let mut visitors = Vec::new();
    for name in ["ada", "eve"] {
        let answer = client
            .post(format!("{home}/sign-in"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!(
                "name={name}&password=correct+horse+battery+staple&next=//evil.example"
            ))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        assert_eq!(answer.headers()["location"], "/", "no way to another site");
        let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
        assert!(cookie.contains("; HttpOnly; SameSite=Strict"), "{cookie}");
        visitors.push(Visitor {
            client: client.clone(),
            home: home.clone(),
            cookie: cookie.split(';').next().unwrap().to_owned(),
        });
    }
    let [ada, eve] = visitors.as_slice() else {
        panic!("two visitors")
    };

    let page = ada.page("/admin").await;
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'"));
    assert!(!policy.contains("unsafe"), "{policy}");
    let csrf_of = |text: &str| {
        let begin = text.split("name=\"csrf\" value=\"").nth(1).unwrap();
        begin.split('"').next().unwrap().to_owned()
    };
    let hers = csrf_of(&page.text().await.unwrap());
    let other = csrf_of(&eve.page("/admin").await.text().await.unwrap());

    let freeze = |csrf: &str| vec![("for", "5".to_owned()), ("csrf", csrf.to_owned())];
    for (who, csrf, from, said) in [
        (ada, "", "same-origin", StatusCode::FORBIDDEN),
        (ada, other.as_str(), "same-origin", StatusCode::FORBIDDEN),
        (ada, hers.as_str(), "cross-site", StatusCode::FORBIDDEN),
        (eve, other.as_str(), "same-origin", StatusCode::FORBIDDEN),
        (ada, hers.as_str(), "same-origin", StatusCode::SEE_OTHER),
    ] {
        let fields = freeze(csrf);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(a, b)| (*a, b.as_str())).collect();
        assert_eq!(
            who.send("/admin/freeze", &fields, from).await,
            said,
            "{csrf} {from}"
        );
    }
    // Only the last of them froze anything, and everybody sees it.
    let seen = eve.page("/policies").await.text().await.unwrap();
    assert!(!seen.contains("Nothing is frozen"));

    // What somebody says of incidents is a command of theirs.
    let [one, two] = ["one", "two"].map(|of| EventId::of_content("test", of.as_bytes()));
    let (cart, two) = ("demo/shop/deployment/cart", two.to_string());
    for (who, csrf, what, field, said) in [
        (
            eve,
            &other,
            "merge",
            ("into", two.as_str()),
            StatusCode::FORBIDDEN,
        ),
        (ada, &hers, "merge", ("into", "x"), StatusCode::NOT_FOUND),
        (ada, &hers, "merge", ("into", &two), StatusCode::SEE_OTHER),
        (
            eve,
            &other,
            "split",
            ("entity", cart),
            StatusCode::FORBIDDEN,
        ),
        (
            ada,
            &hers,
            "split",
            ("entity", "x"),
            StatusCode::BAD_REQUEST,
        ),
        (ada, &hers, "split", ("entity", cart), StatusCode::SEE_OTHER),
    ] {
        let path = format!("/incidents/{one}/{what}");
        let fields = [("csrf", csrf.as_str()), field];
        assert_eq!(
            who.send(&path, &fields, "same-origin").await,
            said,
            "{what} {field:?}"
        );
    }
    let mut watch = stack.watch().await.unwrap();
    let is_split = |entry: &Entry| match &entry.event {
        Event::Command(command) => match &command.body {
            CommandBody::Split { incident, entity } => Some((*incident, entity.to_string())),
            _ => None,
        },
        _ => None,
    };
    let split = watch.until("the split", SOON, is_split).await.unwrap();
    assert_eq!(split, (IncidentId(one), cart.to_owned()));

    // A key is shown once, and works as its scope says.
    let asked = ada
        .post(
            "/people/key",
            &[
                ("csrf", &hers),
                ("label", "x"),
                ("scope", "read"),
                ("days", "1"),
            ],
        )
        .await;
    let shown = asked.text().await.unwrap();
    let key = shown.split("<pre id=\"given\">").nth(1).unwrap();
    let key = key.split('<').next().unwrap();
    for (path, said) in [
        ("/incidents", StatusCode::OK),
        ("/keys", StatusCode::FORBIDDEN),
    ] {
        let asked = client.get(format!("{home}/api/v1{path}")).bearer_auth(key);
        assert_eq!(asked.send().await.unwrap().status(), said, "{path}");
    }
    let again = ada.page("/people").await.text().await.unwrap();
    assert!(
        !again.contains(key) && again.contains("<td>x<small>"),
        "{again}"
    );
    // Who there is, and inviting others, is not an operator's.
    assert!(!again.contains("Who may sign in"));
    let invite = [
        ("csrf", hers.as_str()),
        ("name", "mallory"),
        ("role", "admin"),
    ];
    assert_eq!(
        ada.send("/people/invite", &invite, "same-origin").await,
        StatusCode::FORBIDDEN
    );

    // What was over a while ago and is back says so, and leads to what was.
    come_back(&stack).await;
    let list = ada
        .page("/incidents?state=open")
        .await
        .text()
        .await
        .unwrap();
    let badge = list.split("class=\"chip back\"").nth(1).unwrap_or(&list);
    let badge = badge.split("</a>").next().unwrap();
    assert!(
        badge.contains("href=\"/incidents/before\"") && badge.ends_with("back after 14 min 0 s"),
        "{badge}"
    );

    merges_by_choice(ada, eve).await;
    // Each page holds one connection of a few while it is made: whoever waited for another would wait for all.
    let crowd = (0..60).map(|n| {
        let page = ["/", "/incidents?state=", "/incidents/again", "/acts"][n % 4];
        async move { (page, ada.page(page).await.status()) }
    });
    for (page, status) in futures::future::join_all(crowd).await {
        assert_eq!(status, StatusCode::OK, "{page}");
    }

    // A moment that is none is said so.
    for (at, why) in [
        ("yesterday", "is no moment"),
        ("2999-01-01T00:00:00Z", "is still to come"),
    ] {
        let answer = ada.page(&format!("/incidents?at={at}")).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        let text = answer.text().await.unwrap();
        assert!(text.contains(why), "{text}");
    }

    // Hostile paths and queries are refused in words, and none of them is a 500.
    for path in [
        "/incidents?after=%27%3B+DROP+TABLE&severity=%3Cscript%3E",
        "/incidents/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "/approvals/nothing",
        "/audit/99999999999999",
        "/audit/-1",
        "/audit?before=99999999999999999999999",
        "/audit?q=%00",
        "/assets/..%2f..%2fCargo.toml",
    ] {
        let answer = ada.page(path).await;
        assert!(
            answer.status().as_u16() < 500,
            "{path}: {}",
            answer.status()
        );
        let text = answer.text().await.unwrap();
        assert!(!text.contains("<script>"), "{path}");
    }

    // Signed out, the cookie is worth nothing.
    assert_eq!(
        ada.send("/sign-out", &[("csrf", &hers)], "same-origin")
            .await,
        StatusCode::SEE_OTHER
    );
    let answer = ada.page("/").await;
    assert_eq!(answer.headers()["location"], "/sign-in");
    stack.stop().await;
}

/// What an incident may be merged into is chosen among the others that are open.
async fn merges_by_choice(ada: &Visitor, eve: &Visitor) {
    let page = ada.page("/incidents/again").await.text().await.unwrap();
    assert!(page.contains("href=\"/incidents/again/merge\""), "{page}");
    for (words, offered) in [("", true), ("?q=bad_rollout", true), ("?q=latency", false)] {
        let page = ada.page(&format!("/incidents/again/merge{words}")).await;
        let page = page.text().await.unwrap();
        let choices: Vec<&str> = page
            .split("<option value=\"")
            .skip(2)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert_eq!(choices == ["beside"], offered, "{words}: {choices:?}");
    }
    for (who, incident, said) in [
        (eve, "again", StatusCode::FORBIDDEN),
        (ada, "none", StatusCode::NOT_FOUND),
    ] {
        let answer = who.page(&format!("/incidents/{incident}/merge")).await;
        assert_eq!(answer.status(), said, "{incident}");
    }
    let over = ada.page("/incidents/before/merge").await;
    assert!(!over.text().await.unwrap().contains("name=\"into\""));
}

/// An incident of an entity that had another of its kind, which was over 14 minutes before, and one of another
/// kind later; and one more beside it.
async fn come_back(stack: &Stack) {
    let url = stack
        .installation()
        .join(&stack.config().audit.database_url_file);
    let url = std::fs::read_to_string(url).unwrap();
    let mut connection = PgConnection::connect(url.trim()).await.unwrap();
    sqlx::raw_sql(
        "INSERT INTO views.incident_said
         SELECT incident, idx, idx, updated_at, state, 'demo/shop/deployment/cart', 'error', kind, 900,
           opened_at, opened_at, 'it crashes'
         FROM (VALUES
           ('before', 1, now() - interval '24 min', now() - interval '30 min', 'resolved', 'crash_loop'),
           ('other', 2, now() - interval '12 min', now() - interval '13 min', 'resolved', 'latency'),
           ('again', 3, now() - interval '9 min', now() - interval '10 min', 'open', 'crash_loop'),
           ('beside', 4, now() - interval '9 min', now() - interval '11 min', 'open', 'bad_rollout'))
           AS said (incident, idx, updated_at, opened_at, state, kind);
         INSERT INTO views.incident
         SELECT incident, position, idx, state, 'demo', 'shop', entity, severity, kind, confidence, opened_at,
           updated_at, NULL, newest_evidence_at, summary, '[]'::jsonb, '[]'::jsonb, '[]'::jsonb, '[]'::jsonb
         FROM views.incident_said",
    )
    .execute(&mut connection)
    .await
    .unwrap();
}
