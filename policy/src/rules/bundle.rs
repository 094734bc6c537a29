//! Three files as one text, each under a line `=== name ===`.

use std::path::Path;

use super::Invalid;
use crate::Error;

pub(super) const SCHEMA: &str = "schema.cedarschema";
pub(super) const POLICIES: &str = "policies.cedar";
pub(super) const SETTINGS: &str = "settings.toml";

/// The built-in set: file name and content, as `aegis init` writes them.
pub const DEFAULT_FILES: &[(&str, &str)] = &[
    (SCHEMA, include_str!("../../default/schema.cedarschema")),
    (POLICIES, include_str!("../../default/policies.cedar")),
    (SETTINGS, include_str!("../../default/settings.toml")),
];

/// Reads the three files of a set from a folder into the one text that an `activate` carries.
///
/// # Errors
///
/// When a file cannot be read.
pub fn bundle(dir: &Path) -> Result<String, Error> {
    let mut files = Vec::new();
    for (name, _) in DEFAULT_FILES {
        let path = dir.join(name);
        let content =
            std::fs::read_to_string(&path).map_err(|source| Error::Read { path, source })?;
        files.push((*name, content));
    }
    Ok(join(
        files
            .iter()
            .map(|(name, content)| (*name, content.as_str())),
    ))
}

/// The built-in set as one text.
#[must_use]
pub fn default_bundle() -> String {
    join(DEFAULT_FILES.iter().copied())
}

fn join<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (name, content) in files {
        text.push_str("=== ");
        text.push_str(name);
        text.push_str(" ===\n");
        text.push_str(content);
        if !content.ends_with('\n') {
            text.push('\n');
        }
    }
    text
}

#[derive(Default)]
pub(super) struct Files {
    pub(super) schema: String,
    pub(super) policies: String,
    pub(super) settings: String,
}

/// The files in a text.
pub(super) fn split(text: &str) -> Result<Files, Invalid> {
    let mut files: [(&'static str, Option<String>); 3] =
        [(SCHEMA, None), (POLICIES, None), (SETTINGS, None)];
    let mut current: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let heading = line
            .trim_end()
            .strip_prefix("=== ")
            .and_then(|rest| rest.strip_suffix(" ==="));
        match (heading, current) {
            (Some(name), _) => {
                let known = files.iter().position(|(file, _)| *file == name);
                let place = known.ok_or_else(|| unknown(name))?;
                if files[place].1.is_some() {
                    return Err(Invalid::new(files[place].0, None, "it is there twice"));
                }
                files[place].1 = Some(String::new());
                current = Some(place);
            }
            (None, Some(place)) => {
                if let Some(content) = &mut files[place].1 {
                    content.push_str(line);
                }
            }
            (None, None) => {
                let reason = format!("a policy set begins with a line `=== {SCHEMA} ===`");
                return Err(Invalid::new(SCHEMA, None, reason));
            }
        }
    }
    let [schema, policies, settings] = files
        .map(|(name, content)| content.ok_or_else(|| Invalid::new(name, None, "it is missing")));
    Ok(Files {
        schema: schema?,
        policies: policies?,
        settings: settings?,
    })
}

fn unknown(name: &str) -> Invalid {
    let name: String = name.chars().take(80).collect();
    let reason =
        format!("`{name}` is not a file of a policy set ({SCHEMA}, {POLICIES}, {SETTINGS})");
    Invalid::new(SCHEMA, None, reason)
}
