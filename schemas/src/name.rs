//! Names of clusters, namespaces and objects, checked once at the edge.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};

/// Text that is not a Kubernetes name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a valid name: lower-case letters, digits, `-` and `.`, at most 253 of them, beginning and ending with a letter or digit"
)]
pub struct InvalidName(String);

/// RFC 1123 subdomain, as Kubernetes demands of object names.
fn check(raw: &str) -> Result<(), InvalidName> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = raw.as_bytes();
    let valid = !bytes.is_empty()
        && bytes.len() <= 253
        && bytes.first().copied().is_some_and(inner)
        && bytes.last().copied().is_some_and(inner)
        && bytes
            .iter()
            .all(|&byte| inner(byte) || byte == b'-' || byte == b'.');
    if valid {
        Ok(())
    } else {
        Err(InvalidName(raw.chars().take(80).collect()))
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Checks `raw` and keeps it.
            ///
            /// # Errors
            ///
            /// When `raw` is not an RFC 1123 subdomain.
            pub fn parse(raw: impl Into<String>) -> Result<Self, InvalidName> {
                let raw = raw.into();
                check(&raw)?;
                Ok(Self(raw))
            }

            /// The name's text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(raw: &str) -> Result<Self, InvalidName> {
                Self::parse(raw)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let raw = String::deserialize(deserializer)?;
                Self::parse(raw).map_err(de::Error::custom)
            }
        }
    };
}

name! {
    /// The name that Aegis gives a managed cluster.
    Cluster
}
name! {
    /// A Kubernetes namespace.
    Namespace
}
name! {
    /// The name of an object: a workload, a pod, a node.
    Name
}
