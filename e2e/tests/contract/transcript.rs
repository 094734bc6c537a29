//! What was asked and answered, without what differs between any two clusters.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// One call and its answer, normalised.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) call: String,
    pub(crate) answer: Value,
}

/// Gives what differs between two clusters the same names in both.
///
/// Resource versions become numbers in the order of their appearance, so that equal ones stay equal and
/// different ones different. UIDs and generated names are replaced once a case has named them.
#[derive(Debug, Default)]
pub(crate) struct Names {
    versions: BTreeMap<String, usize>,
    /// Generated texts with what stands for them, the longest first.
    generated: Vec<(String, String)>,
}

impl Names {
    /// Lets `name` stand for the generated text `text` from now on.
    pub(crate) fn generated(&mut self, text: &str, name: &str) {
        self.generated.push((text.to_owned(), format!("<{name}>")));
        self.generated
            .sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
    }

    /// `value` as any cluster would have said it.
    pub(crate) fn normalise(&mut self, value: &Value) -> Value {
        self.named("", value)
    }

    fn named(&mut self, key: &str, value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let fields = fields
                    .iter()
                    .filter(|(key, _)| *key != "managedFields")
                    .map(|(key, value)| (key.clone(), self.named(key, value)));
                Value::Object(fields.collect::<Map<_, _>>())
            }
            Value::Array(items) => items.iter().map(|item| self.named("", item)).collect(),
            Value::String(text) => self.text(key, text).into(),
            other => other.clone(),
        }
    }

    fn text(&mut self, key: &str, text: &str) -> String {
        // What is shown stands under its whole pointer.
        match key.rsplit('/').next().unwrap_or_default() {
            "resourceVersion" => self.version(text),
            "continue" => "<token>".to_owned(),
            "message" => self.message(text),
            _ if text.parse::<jiff::Timestamp>().is_ok() => "<time>".to_owned(),
            _ => self.known(text),
        }
    }

    /// `text` with every generated text that a case has named replaced.
    pub(crate) fn known(&self, text: &str) -> String {
        let known = self.generated.iter();
        known.fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }

    /// Versions are short numbers: they are replaced as whole words only.
    fn message(&self, text: &str) -> String {
        let words = text.split_inclusive([' ', ',', ')', '\n']);
        let words = words.map(|word| {
            let bare = word.trim_matches([' ', ',', '.', '(', ')', '\n']);
            match self.versions.get(bare) {
                Some(number) => word.replace(bare, &format!("<version {number}>")),
                None => word.to_owned(),
            }
        });
        self.known(&words.collect::<String>())
    }

    /// The number of a resource version: a new one when it was not seen before.
    pub(crate) fn version(&mut self, text: &str) -> String {
        let next = self.versions.len() + 1;
        let number = self.versions.entry(text.to_owned()).or_insert(next);
        format!("<version {number}>")
    }
}

/// Codes whose words are those of a parser, a validator or a cache, which are no contract.
const WORDLESS: [u16; 5] = [400, 410, 415, 422, 500];

/// What of an answer is compared: of a refusal its reason, words, details and causes; of anything else
/// the fields at `shown`, or all of it when none are named.
pub(crate) fn compared(code: u16, body: &Value, shown: &[&str]) -> Value {
    if code >= 400 {
        return refusal(code, body);
    }
    if shown.is_empty() {
        return json!({ "code": code, "body": body });
    }
    let fields = shown.iter().map(|pointer| {
        (
            (*pointer).to_owned(),
            body.pointer(pointer).cloned().unwrap_or_default(),
        )
    });
    json!({ "code": code, "fields": fields.collect::<Map<_, _>>() })
}

fn refusal(code: u16, body: &Value) -> Value {
    let mut told = json!({
        "code": code,
        "said": body["code"],
        "kind": body["kind"],
        "status": body["status"],
        "reason": body["reason"],
        "message": body["message"],
        "details": body["details"],
    });
    if WORDLESS.contains(&code) {
        told["message"] = Value::Null;
        let causes = told
            .pointer_mut("/details/causes")
            .and_then(Value::as_array_mut);
        for cause in causes.into_iter().flatten() {
            cause["message"] = Value::Null;
        }
    }
    told
}

/// Where two values differ, a line for each place.
pub(crate) fn differences(path: &str, simulated: &Value, real: &Value, found: &mut Vec<String>) {
    match (simulated, real) {
        (Value::Object(left), Value::Object(right)) => {
            let keys: std::collections::BTreeSet<_> = left.keys().chain(right.keys()).collect();
            for key in keys {
                let of = |side: &Map<String, Value>| side.get(key).cloned().unwrap_or_default();
                differences(&format!("{path}/{key}"), &of(left), &of(right), found);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                differences(&format!("{path}/{index}"), left, right, found);
            }
        }
        _ if simulated != real => {
            found.push(format!(
                "{path}\n    simulated {simulated}\n    real      {real}"
            ));
        }
        _ => {}
    }
}

#[test]
fn only_what_any_two_clusters_differ_in_is_replaced() {
    let mut names = Names::default();
    names.generated("web-abc", "set");
    names.generated("1b-2", "uid of web");
    let said = json!({
        "metadata": {"name": "web-abc-1", "uid": "1b-2", "resourceVersion": "7", "managedFields": []},
        "other": {"uid": "3c-4", "resourceVersion": "8"}, "message": "is 8, not 78 (1b-2)",
        "at": "2026-01-01T00:00:00Z", "replicas": 7,
    });
    let expected = json!({
        "metadata": {"name": "<set>-1", "uid": "<uid of web>", "resourceVersion": "<version 1>"},
        "other": {"uid": "3c-4", "resourceVersion": "<version 2>"},
        "message": "is <version 2>, not 78 (<uid of web>)",
        "at": "<time>", "replicas": 7,
    });
    names.version("7");
    names.version("8");
    assert_eq!(names.normalise(&said), expected);
    let mut found = Vec::new();
    differences("", &expected, &json!({"replicas": 7}), &mut found);
    assert_eq!(found.len(), 4, "{found:?}");
}
