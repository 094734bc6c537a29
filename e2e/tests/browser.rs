//! The dashboard in a real browser: a newcomer signs in by a link, watches an incident appear and heal
//! without a reload, approves the next one by keyboard and has its record verified.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use aegis_e2e::{Browser, Entry, Look, Options, Stack};
use aegis_schemas::{CommandBody, Event, EventId, IncidentId};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

const SOON: Duration = Duration::from_secs(20);
/// By when an incident is healed and its act is judged.
const HEALED: Duration = Duration::from_secs(90);

/// An expression that is true when something that a selector finds has that text.
fn says(selector: &str, text: &str) -> String {
    format!(
        "[...document.querySelectorAll({selector:?})].some(e => e.textContent.includes({text:?}))"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_sees_an_incident_heal_and_approves_the_next_by_keyboard() {
    let stack = Stack::start(Options::scenario("demo").fault_at(12))
        .await
        .unwrap();
    stack.person("ada", &["operator"]).await.unwrap();
    let link = stack.aegis(&["users", "link", "ada"]).await.unwrap();
    let home = stack.gateway();
    let browser = Browser::start().await.unwrap();
    browser.look(Look::Dark).await.unwrap();

    // Whoever is not signed in is asked to, and comes back to where they wanted to go.
    browser.open(&format!("{home}/acts")).await.unwrap();
    browser
        .until(
            "the sign-in page",
            "location.href.endsWith('/sign-in?next=/acts')",
            SOON,
        )
        .await
        .unwrap();
    browser.shoot("sign-in-dark").await.unwrap();

    // The link signs in by one click, and once.
    browser.open(link.trim()).await.unwrap();
    browser.click("button").await.unwrap();
    browser
        .until("the overview", &says("h1", "Overview"), SOON)
        .await
        .unwrap();
    browser
        .until("the stream of events", "document.querySelector('#live:not([hidden])') && document.querySelector('#live').textContent === 'live'", SOON)
        .await
        .unwrap();
    // A reload would lose this.
    browser
        .until("a mark", "(window.marked = true)", SOON)
        .await
        .unwrap();

    // An incident appears, its act is verified and it is resolved, on the open page. On a slow machine it may
    // have become its act already.
    browser
        .until("an incident", &says("main td", "cart"), HEALED)
        .await
        .unwrap();
    browser.shoot("overview-dark").await.unwrap();
    browser
        .until("a verified act", &says("main .state", "verified"), HEALED)
        .await
        .unwrap();
    browser
        .until("no reload", "window.marked", SOON)
        .await
        .unwrap();

    // The second one waits for a yes: go to approvals, take the first, look, say yes, all by keyboard.
    browser
        .until("an ask", "document.querySelector('.card.ask')", HEALED)
        .await
        .unwrap();
    browser.shoot("overview-asks-dark").await.unwrap();
    browser.keys("ga").await.unwrap();
    browser
        .until("the approvals", &says("h1", "Approvals"), SOON)
        .await
        .unwrap();
    browser.keys("j").await.unwrap();
    browser
        .until("a row", "document.querySelector('[data-row].here')", SOON)
        .await
        .unwrap();
    browser.keys("\u{e007}").await.unwrap();
    browser
        .until("the question", "document.querySelector('#approve')", SOON)
        .await
        .unwrap();
    for (look, name) in [
        (Look::Phone, "phone"),
        (Look::Light, "light"),
        (Look::Dark, "dark"),
    ] {
        browser.look(look).await.unwrap();
        browser.shoot(&format!("approval-{name}")).await.unwrap();
    }
    // Whoever begins to say no and presses Enter has said nothing yet.
    let count = "(window.sent = 0, document.querySelector('form.answer')\
        .addEventListener('submit', () => window.sent++), true)";
    browser.until("a count", count, SOON).await.unwrap();
    browser.keys("n").await.unwrap();
    let in_words = "document.activeElement.id === 'reason'";
    browser.until("the reason", in_words, SOON).await.unwrap();
    browser.keys("not so fast\u{e007}").await.unwrap();
    let nothing = "document.querySelector('#reason').value === 'not so fast' \
        && window.sent === 0 && (document.activeElement.blur(), true)";
    browser.until("nothing sent", nothing, SOON).await.unwrap();
    browser.keys("y").await.unwrap();
    browser
        .until("the focus", "document.activeElement.id === 'approve'", SOON)
        .await
        .unwrap();
    browser.keys("\u{e007}").await.unwrap();
    browser
        .until("the answer", &says("main .state", "approved"), SOON)
        .await
        .unwrap();

    // What came of it, live, with its charts.
    browser.click("main a.button").await.unwrap();
    browser
        .until("the incident", &says("h1", "payments"), SOON)
        .await
        .unwrap();
    browser
        .until("a verified act", &says("main .state", "verified"), HEALED)
        .await
        .unwrap();
    browser
        .until(
            "its charts",
            "document.querySelectorAll('svg.chart path.line').length > 1",
            SOON,
        )
        .await
        .unwrap();
    for (look, name) in [
        (Look::Phone, "phone"),
        (Look::Light, "light"),
        (Look::Dark, "dark"),
    ] {
        browser.look(look).await.unwrap();
        browser.shoot(&format!("incident-{name}")).await.unwrap();
    }
    browser
        .until(
            "the charts in view",
            "(document.querySelector('#charts').scrollIntoView(), true)",
            SOON,
        )
        .await
        .unwrap();
    browser.shoot("charts-dark").await.unwrap();

    // Its record holds.
    browser.keys("gc").await.unwrap();
    browser
        .until("the acts", &says("h1", "Acts"), SOON)
        .await
        .unwrap();
    browser.keys("gu").await.unwrap();
    browser
        .until("the record", &says("h1", "Audit"), SOON)
        .await
        .unwrap();
    browser
        .open(&format!("{home}/audit?kind=aegis.outcome.v1"))
        .await
        .unwrap();
    browser.click("tbody a").await.unwrap();
    browser
        .until("an entry", "document.querySelector('#verify')", SOON)
        .await
        .unwrap();
    browser.keys("v").await.unwrap();
    browser
        .until(
            "the proof",
            "document.querySelector('#proof.verified')",
            SOON,
        )
        .await
        .unwrap();
    browser.shoot("entry-dark").await.unwrap();
    for page in ["incidents", "acts", "audit", "policies", "people", "admin"] {
        browser.open(&format!("{home}/{page}")).await.unwrap();
        browser
            .until("a page", "document.querySelector('h1')", SOON)
            .await
            .unwrap();
        browser.shoot(&format!("{page}-dark")).await.unwrap();
    }

    shows_the_past(&browser, &home).await;

    let complaints = browser.complaints().await.unwrap();
    assert!(complaints.is_empty(), "{complaints:#?}");
    let asked = browser.asked_for().await.unwrap();
    // What is the browser's own goes to no host.
    let hosts = asked.iter().filter(|url| url.starts_with("http"));
    let (ours, elsewhere): (Vec<_>, Vec<_>) = hosts.partition(|url| url.starts_with(&home));
    assert!(!ours.is_empty() && elsewhere.is_empty(), "{elsewhere:#?}");

    // A used link opens nothing, and nobody gets in without a session.
    browser.click(".who button").await.unwrap();
    browser
        .until("the sign-in page", "location.pathname === '/sign-in'", SOON)
        .await
        .unwrap();
    browser.open(link.trim()).await.unwrap();
    browser.click("button").await.unwrap();
    browser
        .until("the refusal", &says("p", "the link was used"), SOON)
        .await
        .unwrap();
    browser.quit().await.unwrap();
    stack.stop().await;
}

/// The first incident is over by now; when it was opened it was open, and before that it was not there.
async fn shows_the_past(browser: &Browser, home: &str) {
    let list = format!("{home}/incidents?state=resolved&q=cart");
    browser.open(&list).await.unwrap();
    browser
        .until(
            "its row",
            "document.querySelector('svg.spark rect')",
            HEALED,
        )
        .await
        .unwrap();
    for (look, name) in [
        (Look::Phone, "phone"),
        (Look::Light, "light"),
        (Look::Dark, "dark"),
    ] {
        browser.look(look).await.unwrap();
        browser.shoot(&format!("incidents-{name}")).await.unwrap();
    }
    browser.keys("jo").await.unwrap();
    let over =
        "document.querySelector('.head .state.resolved') && document.querySelector('#first').href";
    let opened = browser.until("it is over", over, SOON).await.unwrap();
    let json = "(asked => (asked.open('GET', document.querySelector('a[href$=\"/json\"]').href, false), \
        asked.send(), JSON.parse(asked.responseText).state))(new XMLHttpRequest()) === 'resolved'";
    browser.until("its JSON", json, SOON).await.unwrap();

    browser.open(opened.as_str().unwrap()).await.unwrap();
    let was = "document.querySelector('.past') && document.querySelector('.head .state.open') \
        && !document.querySelector('main form, main[data-live]')";
    browser.until("it was open", was, SOON).await.unwrap();
    browser.shoot("incident-past-dark").await.unwrap();

    let before =
        "new Date(new URL(location.href).searchParams.get('at').replace(/\\.\\d+/, '')) - 1000";
    let before = format!("new Date({before}).toISOString()");
    let before = browser.until("before", &before, SOON).await.unwrap();
    let before = before.as_str().unwrap();
    let list = format!("{home}/incidents?state=&q=cart&at={before}");
    browser.open(&list).await.unwrap();
    let nothing = "document.querySelector('.past') && document.querySelector('main .empty') \
        && document.querySelector('.tabs a').href.includes('at=')";
    browser
        .until("it was not there", nothing, SOON)
        .await
        .unwrap();
    browser.open(&format!("{home}/?at={before}")).await.unwrap();
    browser
        .until("the past", &says(".past", "As it was"), SOON)
        .await
        .unwrap();
    browser.shoot("overview-past-dark").await.unwrap();
}

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

/// An incident of an entity that had another of its kind, which was over 14 minutes before, and one of another
/// kind later.
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
           ('again', 3, now() - interval '9 min', now() - interval '10 min', 'open', 'crash_loop'))
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

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_listeners_hear_of_it_and_one_that_comes_back_misses_nothing() {
    let roles = ["audit-sink", "ingest", "policy", "gateway"];
    let options = Options::scenario("healthy-day")
        .roles(&roles)
        .setting("GATEWAY__PER_USER", "100000")
        .setting("GATEWAY__STREAMS_PER_USER", "2000")
        .setting("GATEWAY__PER_ADDRESS", "100000");
    let stack = Stack::start(options).await.unwrap();
    stack.person("ada", &["operator"]).await.unwrap();
    let client = reqwest::Client::new();
    let api = format!("{}/api/v1", stack.gateway());
    let credentials = json!({"name": "ada", "password": "correct horse battery staple"});
    let granted = client
        .post(format!("{api}/session"))
        .json(&credentials)
        .send()
        .await
        .unwrap();
    let granted: Value = granted.json().await.unwrap();
    let token = granted["access_token"].as_str().unwrap().to_owned();
    let listen = |after: Option<String>| {
        let mut asked = client
            .get(format!("{api}/events?kinds=standing"))
            .bearer_auth(&token);
        if let Some(after) = after {
            asked = asked.header("last-event-id", after);
        }
        async move {
            let answer = asked.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            Ear::of(answer)
        }
    };
    let mut ears = Vec::new();
    for _ in 0..1_000 {
        ears.push(listen(None).await);
    }
    let freeze = |namespace: &str| {
        let scope = json!({"cluster": "demo", "namespace": namespace});
        let body = json!({"scope": scope, "until": "2100-01-01T00:00:00Z", "reason": "test"});
        let asked = client
            .post(format!("{api}/freezes?wait=10"))
            .bearer_auth(&token)
            .json(&body);
        async move {
            let answer = asked.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::ACCEPTED);
        }
    };
    freeze("shop").await;
    let mut heard = Vec::new();
    for ear in &mut ears {
        heard.push(ear.event().await);
    }
    let first = heard[0].clone();
    assert!(
        heard.iter().all(|event| *event == first),
        "all hear the same"
    );
    assert!(first.1.contains("shop"), "{first:?}");

    // One was away while more happened.
    drop(ears);
    freeze("billing").await;
    let mut back = listen(Some(first.0)).await;
    assert!(back.event().await.1.contains("billing"));
    stack.stop().await;
}

/// Reads server-sent events.
struct Ear {
    answer: reqwest::Response,
    text: String,
}

impl Ear {
    fn of(answer: reqwest::Response) -> Self {
        Self {
            answer,
            text: String::new(),
        }
    }

    /// The next event's id and data.
    async fn event(&mut self) -> (String, String) {
        let heard = tokio::time::timeout(SOON, self.next()).await;
        heard.expect("something is heard")
    }

    async fn next(&mut self) -> (String, String) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let line = event.lines().find_map(|line| line.strip_prefix(name));
                    line.map(|value| value.trim().to_owned())
                };
                let found = field("id:").zip(field("data:"));
                self.text = rest.to_owned();
                if let Some(found) = found {
                    return found;
                }
                continue;
            }
            let more = tokio::time::timeout(SOON, self.answer.chunk()).await;
            let more = more
                .expect("something is heard")
                .unwrap()
                .expect("the stream goes on");
            self.text.push_str(std::str::from_utf8(&more).unwrap());
        }
    }
}
