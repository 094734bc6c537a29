//! Reads the file and the environment, and says every mistake at once: a setting that cannot be read is
//! noted and left out, then the rest is read again.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use figment::error::{Error, Kind};
use figment::providers::{Env, Format, Serialized, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::Config;

/// A configuration, and where each of its settings comes from.
pub struct Loaded {
    /// The settings.
    pub config: Config,
    figment: Figment,
}

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File,
    /// A variable of the environment.
    Environment,
}

impl Config {
    /// Reads `file` and the environment; relative paths are meant from the file's folder, which becomes
    /// the working directory.
    ///
    /// # Errors
    ///
    /// Every mistake at once, with its place.
    pub fn load(file: &Path) -> Result<Self> {
        Ok(Loaded::read(file)?.config)
    }
}

impl Loaded {
    /// As [`Config::load`].
    ///
    /// # Errors
    ///
    /// Every mistake at once, with its place.
    pub fn read(file: &Path) -> Result<Self> {
        let file = enter(file)?;
        let mut ignored: Vec<Vec<String>> = Vec::new();
        let mut mistakes = Vec::new();
        loop {
            let figment = figment(&file, &ignored);
            match figment.extract::<Config>() {
                Ok(config) if mistakes.is_empty() => return Ok(Self { config, figment }),
                Ok(_) => break,
                Err(errors) => {
                    let mut progress = false;
                    for error in errors {
                        let at = setting(&error.path);
                        mistakes.push(describe(&error, &file));
                        if !at.is_empty() && !ignored.contains(&at) {
                            ignored.push(at);
                            progress = true;
                        }
                    }
                    if !progress {
                        break;
                    }
                }
            }
        }
        bail!("the configuration is wrong:\n  {}", mistakes.join("\n  "))
    }

    /// Where the setting at that dotted path comes from.
    #[must_use]
    pub fn origin(&self, path: &str) -> Origin {
        match self
            .figment
            .find_metadata(path)
            .and_then(|found| found.source.as_ref())
        {
            Some(source) if source.file_path().is_some() => Origin::File,
            Some(source) if source.code_location().is_some() => Origin::Default,
            Some(_) => Origin::Environment,
            None => match self.figment.find_metadata(path) {
                Some(found) if found.name.contains("environment") => Origin::Environment,
                _ => Origin::Default,
            },
        }
    }
}

/// Goes to the file's folder and answers where the file is.
fn enter(file: &Path) -> Result<PathBuf> {
    let file = file.canonicalize().with_context(|| {
        format!(
            "there is no configuration `{}`; make one with `aegis init DIR`, or name one with --config",
            file.display()
        )
    })?;
    if let Some(folder) = file.parent() {
        std::env::set_current_dir(folder)
            .with_context(|| format!("cannot enter `{}`", folder.display()))?;
    }
    Ok(file)
}

fn figment(file: &Path, ignored: &[Vec<String>]) -> Figment {
    let environment = Env::prefixed("AEGIS_").filter(is_setting).split("__");
    Figment::from(Serialized::defaults(Config::default()))
        .merge(Without {
            provider: Toml::file_exact(file),
            ignored,
        })
        .merge(Without {
            provider: environment,
            ignored,
        })
}

/// Variables of other purposes share the prefix; settings have a section.
fn is_setting(key: &figment::value::UncasedStr) -> bool {
    key.as_str().contains("__")
}

/// The settings of a provider but for those that were found wrong.
struct Without<'a, P> {
    provider: P,
    ignored: &'a [Vec<String>],
}

impl<P: Provider> Provider for Without<'_, P> {
    fn metadata(&self) -> Metadata {
        self.provider.metadata()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let mut data = self.provider.data()?;
        for dict in data.values_mut() {
            for path in self.ignored {
                remove(dict, path);
            }
        }
        Ok(data)
    }
}

fn remove(dict: &mut Dict, path: &[String]) {
    let [first, rest @ ..] = path else { return };
    if rest.is_empty() {
        dict.remove(first);
    } else if let Some(Value::Dict(_, inner)) = dict.get_mut(first) {
        remove(inner, rest);
    }
}

/// The part of an error's path that names a setting: elements of a list have no name.
fn setting(path: &[String]) -> Vec<String> {
    let named = path
        .iter()
        .take_while(|part| part.parse::<usize>().is_err());
    named.cloned().collect()
}

fn describe(error: &Error, file: &Path) -> String {
    let path = error.path.join(".");
    let from = match &error.metadata {
        Some(found) if found.name.contains("environment") => {
            format!(" (AEGIS_{})", error.path.join("__").to_uppercase())
        }
        _ => format!(" ({})", file.display()),
    };
    match &error.kind {
        Kind::UnknownField(name, known) => {
            let guess = nearest(name, known)
                .map_or_else(String::new, |guess| format!("; did you mean `{guess}`?"));
            format!("`{path}` is no setting{guess}{from}")
        }
        kind if path.is_empty() => format!("{}{from}", kind.to_string().trim_end()),
        kind => format!("`{path}`: {kind}{from}"),
    }
}

/// The known name that is most like `name`, if one is like it at all.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let best = known.iter().min_by_key(|known| distance(name, known))?;
    (distance(name, best) <= (name.len() / 3).max(2)).then_some(*best)
}

/// How many letters must be inserted, removed or replaced to make one word the other.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, letter) in left.chars().enumerate() {
        let mut corner = i;
        row[0] = i + 1;
        for (j, other) in right.iter().enumerate() {
            let replaced = corner + usize::from(letter != *other);
            corner = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_is_near_or_none() {
        let known = ["url", "keys_dir", "ca_file"];
        assert_eq!(nearest("ulr", &known), Some("url"));
        assert_eq!(nearest("key_dir", &known), Some("keys_dir"));
        assert_eq!(nearest("something_else", &known), None);
    }
}
