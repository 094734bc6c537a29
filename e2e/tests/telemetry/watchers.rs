//! The alert rules and dashboards in `observability/`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use aegis_e2e::{Stack, until};
use aegis_xtask::{root, servers};

use crate::SOON;

const RULES: &str = "prometheus/rules.yml";

fn observability(file: &str) -> PathBuf {
    root().join("observability").join(file)
}

fn read(file: &str) -> String {
    std::fs::read_to_string(observability(file)).unwrap()
}

/// The metrics of Aegis that a text names.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("aegis_"));
    ours.map(str::to_owned).collect()
}

/// What every process measures, by name.
async fn measured(stack: &Stack, roles: &[&str]) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for role in roles {
        let text = stack.metrics(role).await.unwrap();
        let series = text.lines().filter(|line| !line.starts_with('#'));
        all.extend(series.filter_map(|line| Some(line.split(['{', ' ']).next()?.to_owned())));
    }
    all
}

/// Every metric in a rule or dashboard exists in these processes.
pub(crate) async fn name_only_what_is_measured(stack: &Stack, roles: &[&str]) {
    let dashboards =
        ["overview", "pipeline", "healing"].map(|name| format!("grafana/dashboards/{name}.json"));
    let mut wanted = named(&read(RULES));
    assert!(
        wanted.len() > 15,
        "the rules were not understood: {wanted:?}"
    );
    for dashboard in dashboards {
        let names = named(&read(&dashboard));
        assert!(names.len() > 5, "{dashboard} was not understood: {names:?}");
        wanted.extend(names);
    }
    // Some are measured every few seconds only.
    let missing = async || -> BTreeSet<String> {
        let measured = measured(stack, roles).await;
        wanted.difference(&measured).cloned().collect()
    };
    let all = until("every metric", SOON / 4, || async {
        missing().await.is_empty()
    })
    .await;
    assert!(all.is_ok(), "nobody measures {:?}", missing().await);
}

#[test]
fn the_rules_are_valid_and_fire_when_they_should() {
    let promtool = servers::promtool().unwrap();
    for arguments in [
        ["check", "config", "prometheus.yml"],
        ["check", "rules", "rules.yml"],
        ["test", "rules", "rules_test.yml"],
    ] {
        let done = Command::new(&promtool)
            .args(arguments)
            .current_dir(observability("prometheus"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        let errors = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{arguments:?}: {said}{errors}");
    }
}

#[test]
fn every_alert_is_tested_and_says_what_to_do() {
    let (rules, tests) = (read(RULES), read("prometheus/rules_test.yml"));
    let alerts: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    assert!(!alerts.is_empty());
    for alert in alerts {
        let name = alert.lines().next().unwrap();
        for said in ["severity: ", "summary: ", "description: ", "runbook_url: "] {
            assert!(alert.contains(said), "{name} has no `{said}`");
        }
        assert!(
            tests.contains(&format!("  - name: {name}\n")),
            "{name} is not tested"
        );
        let book = alert.split_once("$externalLabels.runbooks }}/").unwrap().1;
        let (book, heading) = book.split_once('#').unwrap();
        let text = std::fs::read_to_string(root().join("docs/runbooks").join(book)).unwrap();
        assert_eq!(
            heading.lines().next().unwrap(),
            format!("{}\"", name.to_lowercase())
        );
        assert!(
            text.contains(&format!("\n## {name}\n")),
            "{book} does not tell of {name}"
        );
    }
}
