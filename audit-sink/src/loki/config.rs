//! Where the copy goes.

use std::path::PathBuf;

use aegis_schemas::is_this_host;
use reqwest::Url;
use serde::{Deserialize, Serialize};

/// Which Loki takes a copy of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Loki's URL, such as `http://loki:3100`; without one there is no copy.
    pub url: Option<String>,
    /// The tenant, where Loki has several.
    pub tenant: Option<String>,
    /// A file with the bearer token that a proxy before Loki asks for; only over TLS, or to this host.
    pub token_file: Option<PathBuf>,
}

impl Config {
    /// What is wrong with it.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let Some(raw) = &self.url else {
            return Vec::new();
        };
        let mut faults = Vec::new();
        match Url::parse(raw) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") || !url.has_host() => {
                faults.push("`loki.url` must be of the form `https://host:port`".to_owned());
            }
            // It would stand in logs and in the database.
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                faults.push("`loki.url` has a password in it: use `loki.token_file`".to_owned());
            }
            Ok(url) => {
                let here = url.host_str().is_some_and(is_this_host);
                if self.token_file.is_some() && url.scheme() == "http" && !here {
                    faults.push(
                        "`loki.token_file` would go to another host in the clear: use https"
                            .to_owned(),
                    );
                }
            }
            Err(error) => faults.push(format!("`loki.url` is not a URL: {error}")),
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_nowhere_in_the_clear_and_no_password_stands_in_the_url() {
        let table = [
            (None, false, true),
            (Some("http://loki:3100"), false, true),
            (Some("https://logs.example.org"), true, true),
            (Some("http://127.0.0.1:3100"), true, true),
            (Some("http://loki:3100"), true, false),
            (Some("https://me:secret@logs.example.org"), false, false),
            (Some("loki:3100"), false, false),
            (Some("logs"), false, false),
        ];
        for (url, token, right) in table {
            let config = Config {
                url: url.map(str::to_owned),
                tenant: None,
                token_file: token.then(|| PathBuf::from("token")),
            };
            let faults = config.faults();
            assert_eq!(faults.is_empty(), right, "{url:?}: {faults:?}");
            assert!(!faults.concat().contains("secret"), "{faults:?}");
        }
    }
}
