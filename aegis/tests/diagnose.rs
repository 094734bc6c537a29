//! `aegis train` and `aegis backtest diagnose` as people call them: folders in, lines of JSON out.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

fn aegis(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aegis"));
    command.args(arguments).output().unwrap()
}

/// What the command printed; it must have succeeded.
fn answers(arguments: &[&str]) -> String {
    let output = aegis(arguments);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

/// What the command complained about; it must have failed.
fn complaint(arguments: &[&str]) -> String {
    let output = aegis(arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// Half an hour of `cpu` and `memory` of three entities; the root's `metric` doubles at the detection.
fn write_incident(folder: &Path, number: usize, metric: &str, labels: Option<(&str, &str)>) {
    let folder = folder.join(format!("i{number:02}"));
    std::fs::create_dir_all(&folder).unwrap();
    let root = format!("e{}", number % 3);
    let mut text = "timestamp,entity,metric,value\n".to_owned();
    for minute in 0..34 {
        for entity in ["e0", "e1", "e2"] {
            for name in ["cpu", "memory"] {
                let wobble = 1.0 + 0.01 * ((minute * 7 + number * 5 + name.len()) % 9) as f64;
                let failed = minute >= 30 && entity == root && name == metric;
                let value = wobble * if failed { 2.0 } else { 1.0 };
                writeln!(
                    text,
                    "{},{entity},{name},{value}",
                    1_700_000_000 + 60 * minute
                )
                .unwrap();
            }
        }
    }
    std::fs::write(folder.join("metrics.csv"), text).unwrap();
    let mut about = json!({ "id": format!("i{number:02}"), "detected_at": "2023-11-14T22:43:20Z" });
    if let Some((kind, root)) = labels {
        about["kind"] = json!(kind);
        about["root_entity"] = json!(root);
    }
    std::fs::write(folder.join("incident.json"), about.to_string()).unwrap();
}

/// Twelve incidents of two kinds to learn from, and two new ones.
fn incidents(home: &Path) -> (PathBuf, PathBuf) {
    let (known, new) = (home.join("known"), home.join("new"));
    for number in 0..12 {
        let (metric, kind) = [("cpu", "hot"), ("memory", "leak")][number % 2];
        write_incident(
            &known,
            number,
            metric,
            Some((kind, &format!("e{}", number % 3))),
        );
    }
    write_incident(&new, 20, "cpu", None);
    write_incident(&new, 21, "memory", None);
    (known, new)
}

#[test]
fn incidents_are_named_after_known_ones_straight_or_by_a_model_file() {
    let home = tempfile::tempdir().unwrap();
    let (known, new) = incidents(home.path());
    let file = home.path().join("kinds.model");
    let [known, new, file] = [&known, &new, &file].map(|path| path.to_str().unwrap());
    let straight = answers(&["backtest", "diagnose", "--incidents", new, "--train", known]);
    let lines: Vec<Value> = straight
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for (line, (id, kind, root)) in lines
        .iter()
        .zip([("i20", "hot", "e2"), ("i21", "leak", "e0")])
    {
        assert_eq!(
            (&line["id"], &line["kind"]),
            (&json!(id), &json!(kind)),
            "{line}"
        );
        assert_eq!(line["ranking"][0]["entity"], root, "{line}");
        assert_eq!(line["ranking"].as_array().unwrap().len(), 3);
        assert!((0.0..=1.0).contains(&line["confidence"].as_f64().unwrap()));
    }
    assert_eq!(lines.len(), 2);

    let trained = answers(&["train", "--incidents", known, "--output", file]);
    assert!(
        trained.contains("macro-F1") && trained.contains("sha256:"),
        "{trained}"
    );
    let by_model = ["backtest", "diagnose", "--incidents", new, "--model", file];
    assert_eq!(answers(&by_model), straight);

    let first = std::fs::read(file).unwrap();
    answers(&["train", "--incidents", known, "--output", file]);
    assert!(
        std::fs::read(file).unwrap() == first,
        "the same incidents, other bytes"
    );
    let mut changed = first;
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(file, changed).unwrap();
    assert!(complaint(&by_model).contains("was changed"));
}

#[test]
fn without_incidents_to_learn_from_causes_are_ranked_and_kinds_are_unknown() {
    let home = tempfile::tempdir().unwrap();
    let (_, new) = incidents(home.path());
    let empty = home.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let [new, empty] = [&new, &empty].map(|path| path.to_str().unwrap());
    let said = answers(&["backtest", "diagnose", "--incidents", new, "--train", empty]);
    let first: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["kind"], &first["confidence"]),
        (&json!("unknown"), &json!(0.0))
    );
    assert_eq!(first["ranking"][0]["entity"], "e2");
    let output = home.path().join("none.model");
    let refused = complaint(&[
        "train",
        "--incidents",
        empty,
        "--output",
        output.to_str().unwrap(),
    ]);
    assert!(refused.contains("no incident"), "{refused}");
}

#[test]
fn what_is_wrong_is_said_with_the_file_and_the_line() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("i");
    let incident = folder.join("one");
    std::fs::create_dir_all(&incident).unwrap();
    let diagnose = || {
        complaint(&[
            "backtest",
            "diagnose",
            "--incidents",
            folder.to_str().unwrap(),
        ])
    };
    assert!(diagnose().contains("incident.json"), "{}", diagnose());
    let about = |text: &str| std::fs::write(incident.join("incident.json"), text).unwrap();
    about(r#"{"id": "one", "detected_at": "yesterday"}"#);
    assert!(diagnose().contains("`yesterday` is neither RFC 3339 nor unix seconds"));
    about(r#"{"id": "one", "detected_at": 120}"#);
    let header = "timestamp,entity,metric,value\n";
    for (text, told) in [
        (
            "time,entity,metric,value\n".to_owned(),
            "line 1: the header is",
        ),
        (
            format!("{header}60,a,cpu,1\n0,a,cpu,1\n"),
            "line 3: `0` comes after a later one",
        ),
        (
            format!("{header}60,a,cpu,NaN\n"),
            "line 2: `NaN` is not a number",
        ),
        (format!("{header}60,a,cpu\n"), "line: 2"),
        (
            format!("{header}soon,a,cpu,1\n"),
            "line 2: `soon` is neither",
        ),
    ] {
        std::fs::write(incident.join("metrics.csv"), text).unwrap();
        let said = diagnose();
        assert!(
            said.contains("metrics.csv") && said.contains(told),
            "{told}: {said}"
        );
    }
}
