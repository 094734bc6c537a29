//! A configuration as the text of its file: every setting is there, those with their default as a comment.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::Config;

/// What stands above a section.
const SECTIONS: &[(&str, &str)] = &[
    ("bus", "How to reach NATS."),
    (
        "topology",
        "Streams and users follow from these. After a change: `aegis provision`, and a new nats-server.conf.",
    ),
    (
        "log",
        "Logs: `auto` is readable in a terminal and JSON elsewhere.",
    ),
    (
        "telemetry",
        "Traces: one from what came in to what was done about it, to an OpenTelemetry collector.",
    ),
    (
        "admin",
        "The port for /metrics, /livez and /readyz. It has no authentication.",
    ),
    (
        "provision",
        "What `aegis provision` puts on the log and into the database.",
    ),
    (
        "ingest",
        "Sources: `[[ingest.scrape]]` targets, remote write, the Kubernetes watch.",
    ),
    (
        "detector",
        "What counts as unusual. What counts as an incident is in incidents.toml.",
    ),
    (
        "policy",
        "What is allowed is in policy/, and takes effect with `aegis provision`.",
    ),
    ("executor", "Acts on Kubernetes."),
    (
        "audit",
        "The record. Keep a copy of the signing key's .pub elsewhere: `aegis audit verify` believes only that.",
    ),
    ("gateway", "People: sign-in, REST."),
    (
        "notify",
        "Who is told: `[[notify.routes]]` to `[notify.receivers.NAME]`, as docs/notify.md says.",
    ),
];

/// The text of a file that says `config`.
#[must_use]
pub fn to_toml(config: &Config) -> String {
    let value = |config: &Config| serde_json::to_value(config).unwrap_or_default();
    let mut text = String::from(
        "# Settings of Aegis. What is commented out is the default. Any setting can be overridden by a\n\
         # variable: `bus.url` by AEGIS_BUS__URL. Relative paths are meant from the folder of this file.\n\
         # `aegis config check` names every mistake at once.\n",
    );
    let (wanted, default) = (value(config), value(&Config::default()));
    let (Value::Object(wanted), Value::Object(default)) = (wanted, default) else {
        return text;
    };
    // In the order of the list, not of the alphabet.
    for (name, explained) in SECTIONS {
        if let Some(Value::Object(section)) = wanted.get(*name) {
            let _ = write!(text, "\n# {explained}\n");
            table(&mut text, name, section, default.get(*name));
        }
    }
    text
}

/// The text of a file that says `wanted`, whose settings are compared with `default`.
#[must_use]
pub fn file(wanted: &Value, default: &Value) -> String {
    let mut text = String::new();
    if let Value::Object(wanted) = wanted {
        table(&mut text, "", wanted, Some(default));
    }
    text
}

fn table(text: &mut String, path: &str, section: &Map<String, Value>, default: Option<&Value>) {
    if !path.is_empty() {
        let _ = writeln!(text, "[{path}]");
    }
    entries(text, section, default);
    for (key, value) in section {
        let path = match path {
            "" => key.clone(),
            path => format!("{path}.{key}"),
        };
        let default = default.and_then(|default| default.get(key));
        match value {
            Value::Object(inner) => {
                text.push('\n');
                table(text, &path, inner, default);
            }
            Value::Array(items) if is_tables(items) => {
                for item in items.iter().filter_map(Value::as_object) {
                    let _ = writeln!(text, "\n[[{path}]]");
                    entries(text, item, None);
                }
            }
            _ => {}
        }
    }
}

/// The settings of one table that are not tables themselves.
fn entries(text: &mut String, section: &Map<String, Value>, default: Option<&Value>) {
    for (key, value) in section {
        let plain = match value {
            Value::Object(_) => continue,
            Value::Array(items) if is_tables(items) => continue,
            Value::Null => {
                let _ = writeln!(text, "# {key} =");
                continue;
            }
            plain => literal(plain),
        };
        let unchanged = default.and_then(|default| default.get(key)) == Some(value);
        let mark = if unchanged { "# " } else { "" };
        let _ = writeln!(text, "{mark}{key} = {plain}");
    }
}

fn is_tables(items: &[Value]) -> bool {
    !items.is_empty() && items.iter().all(Value::is_object)
}

/// TOML writes numbers, booleans, lists and (nearly) strings as JSON does.
fn literal(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(literal).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(inner) => {
            let inner: Vec<String> = inner
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| format!("{key} = {}", literal(value)))
                .collect();
            format!("{{ {} }}", inner.join(", "))
        }
        plain => plain.to_string(),
    }
}
