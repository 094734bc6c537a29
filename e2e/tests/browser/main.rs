//! The dashboard in a real browser: a newcomer signs in by a link, watches an incident appear and heal
//! without a reload, approves the next one by keyboard and has its record verified.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod forms;
mod listeners;

use std::time::Duration;

use aegis_e2e::{Browser, Look, Options, Stack};

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
    let tree = "document.querySelector('#owners > li > .state').textContent === 'deployment/payments' \
        && document.querySelector('#owners li li li .state.well') \
        && (document.querySelector('#owners').scrollIntoView({ block: 'center' }), true)";
    browser.until("who owns what", tree, SOON).await.unwrap();
    browser.shoot("owners-dark").await.unwrap();

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
