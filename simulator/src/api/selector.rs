//! Label and field selectors, as query text and as `LabelSelector` objects.

use serde_json::Value;

use super::error::Refusal;
use super::json;
use super::resources::Kind;

/// What a list or a watch is restricted to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<Field>,
}

#[derive(Clone, Debug)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
}

#[derive(Clone, Debug)]
struct Field {
    pointer: String,
    equal: bool,
    value: String,
}

impl Selector {
    /// Reads both texts of a request for objects of `kind`.
    pub(crate) fn parse(kind: Kind, labels: &str, fields: &str) -> Result<Self, Refusal> {
        Ok(Self {
            labels: clauses(labels)
                .into_iter()
                .map(requirement)
                .collect::<Result<_, _>>()?,
            fields: clauses(fields)
                .into_iter()
                .map(|clause| field(kind, clause))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Whether it selects everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        let labels = object.pointer("/metadata/labels").unwrap_or(&Value::Null);
        self.labels.iter().all(|required| required.holds(labels))
            && self.fields.iter().all(|field| field.holds(object))
    }
}

impl Requirement {
    fn holds(&self, labels: &Value) -> bool {
        let value = labels.get(&self.key).and_then(Value::as_str);
        match &self.test {
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::In(allowed) => value.is_some_and(|value| allowed.iter().any(|a| a == value)),
            Test::NotIn(denied) => !value.is_some_and(|value| denied.iter().any(|d| d == value)),
        }
    }
}

impl Field {
    fn holds(&self, object: &Value) -> bool {
        let value = match object.pointer(&self.pointer) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        // A node that was never cordoned has no such field.
        let absent_is_false = value.is_empty() && self.value == "false";
        (value == self.value || absent_is_false) == self.equal
    }
}

/// Splits at the commas that are not inside `(a, b)`.
fn clauses(text: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    text.split(|letter| {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        letter == ',' && depth == 0
    })
    .map(str::trim)
    .filter(|clause| !clause.is_empty())
    .collect()
}

fn requirement(clause: &str) -> Result<Requirement, Refusal> {
    let (key, test) = if let Some((key, set)) = clause.split_once(" notin ") {
        (key, Test::NotIn(members(set)?))
    } else if let Some((key, set)) = clause.split_once(" in ") {
        (key, Test::In(members(set)?))
    } else if let Some((key, value)) = clause.split_once("!=") {
        (key, Test::NotIn(vec![value.trim().to_owned()]))
    } else if let Some((key, value)) = clause.split_once("==").or(clause.split_once('=')) {
        (key, Test::In(vec![value.trim().to_owned()]))
    } else if let Some(key) = clause.strip_prefix('!') {
        (key, Test::Absent)
    } else {
        (clause, Test::Exists)
    };
    let key = key.trim();
    if key.is_empty() || key.contains(char::is_whitespace) {
        let message = format!("unable to parse requirement: invalid label key in \"{clause}\"");
        return Err(Refusal::bad_request(message));
    }
    if let Test::In(values) | Test::NotIn(values) = &test
        && let Some(value) = values.iter().find(|value| !is_label_value(value))
    {
        let message = format!("unable to parse requirement: invalid label value \"{value}\"");
        return Err(Refusal::bad_request(message));
    }
    Ok(Requirement {
        key: key.to_owned(),
        test,
    })
}

fn is_label_value(value: &str) -> bool {
    let inner = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    value.len() <= 63 && value.chars().all(inner)
}

/// The fields beside name and namespace that objects of a kind are selected by.
fn selectable(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Pod => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        Kind::Event => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        Kind::Node => &["spec.unschedulable"],
        Kind::Namespace => &["status.phase"],
        Kind::ReplicaSet => &["status.replicas"],
        _ => &[],
    }
}

fn members(set: &str) -> Result<Vec<String>, Refusal> {
    let inner = set
        .trim()
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
        .ok_or_else(|| {
            Refusal::bad_request(format!("unable to parse requirement: no set in \"{set}\""))
        })?;
    Ok(inner
        .split(',')
        .map(|member| member.trim().to_owned())
        .collect())
}

fn field(kind: Kind, clause: &str) -> Result<Field, Refusal> {
    let (path, equal, value) = if let Some((path, value)) = clause.split_once("!=") {
        (path, false, value)
    } else if let Some((path, value)) = clause.split_once("==").or(clause.split_once('=')) {
        (path, true, value)
    } else {
        let message = format!("invalid field selector \"{clause}\": want name=value");
        return Err(Refusal::bad_request(message));
    };
    let path = path.trim();
    if !["metadata.name", "metadata.namespace"].contains(&path) && !selectable(kind).contains(&path)
    {
        let message = format!("\"{path}\" is not a known field selector");
        return Err(Refusal::bad_request(message));
    }
    Ok(Field {
        pointer: format!("/{}", path.replace('.', "/")),
        equal,
        value: value.trim().to_owned(),
    })
}

/// Whether a `LabelSelector` object matches; no selector matches nothing, an
/// empty one everything.
pub(crate) fn selects(selector: Option<&Value>, labels: &Value) -> bool {
    let Some(selector) = selector.filter(|selector| selector.is_object()) else {
        return false;
    };
    let equal = selector
        .get("matchLabels")
        .and_then(Value::as_object)
        .is_none_or(|wanted| {
            wanted
                .iter()
                .all(|(key, value)| labels.get(key) == Some(value))
        });
    equal
        && json::list(selector, "/matchExpressions")
            .iter()
            .all(|expression| expression_holds(expression, labels))
}

fn expression_holds(expression: &Value, labels: &Value) -> bool {
    let values = json::list(expression, "/values")
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    let test = match json::text(expression, "/operator") {
        "In" => Test::In(values),
        "NotIn" => Test::NotIn(values),
        "Exists" => Test::Exists,
        "DoesNotExist" => Test::Absent,
        _ => return false,
    };
    let key = json::text(expression, "/key").to_owned();
    Requirement { key, test }.holds(labels)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn label_selectors_read_as_kubectl_writes_them() {
        let pod = json!({"metadata": {"name": "p", "labels": {"app": "web", "tier": "front"}}});
        for (labels, expected) in [
            ("", true),
            ("app=web", true),
            ("app==web,tier!=back", true),
            ("app in (api, web),tier", true),
            ("app notin (web)", false),
            ("!app", false),
            ("!canary", true),
            ("canary!=yes", true),
        ] {
            assert_eq!(matches(&pod, labels, ""), expected, "{labels}");
        }
        for (labels, fields) in [("a b", ""), ("a=b=c", ""), ("", "spec.color=red")] {
            let selector = Selector::parse(Kind::Pod, labels, fields);
            assert!(selector.is_err(), "{labels} {fields}");
        }
        assert!(matches(&pod, "", "metadata.name=p"));
        assert!(!matches(&pod, "", "metadata.name!=p"));
    }

    fn matches(object: &Value, labels: &str, fields: &str) -> bool {
        let selector = Selector::parse(Kind::Pod, labels, fields);
        selector.expect("a valid selector").matches(object)
    }

    #[test]
    fn an_empty_selector_matches_all_and_none_nothing() {
        let labels = json!({"a": "1"});
        assert!(selects(Some(&json!({})), &labels));
        assert!(!selects(None, &labels));
        assert!(selects(
            Some(&json!({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1"]}]})),
            &labels
        ));
    }
}
