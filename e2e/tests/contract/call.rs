//! One request, as kube's client writes those of Aegis.

use std::fmt;

use reqwest::Method;
use serde_json::Value;

const JSON: &str = "application/json";
/// What kube asks for when the metadata is all that is wanted.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// A request that was not sent yet.
///
/// Its path is `apps/v1/deployments/web` for what lives in the case's namespace, or starts with a slash
/// and is complete.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) accept: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
    pub(crate) caller: Caller,
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    Admin,
    /// The user whose writes are fenced.
    Executor,
    /// A token that nobody has.
    Stranger,
}

impl Call {
    fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            accept: JSON,
            content_type: "",
            body: Vec::new(),
            caller: Caller::Admin,
        }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// A watch from `version` on that ends after `seconds`.
    pub(crate) fn watch(path: &str, version: &str, seconds: u32) -> Self {
        Self::get(path)
            .query("watch", "true")
            .query("timeoutSeconds", seconds)
            .query("allowWatchBookmarks", "true")
            .query("resourceVersion", version)
    }

    pub(crate) fn create(path: impl Into<String>, object: &Value) -> Self {
        Self::new(Method::POST, path).text(JSON, &object.to_string())
    }

    pub(crate) fn replace(path: impl Into<String>, object: &Value) -> Self {
        Self::new(Method::PUT, path).text(JSON, &object.to_string())
    }

    /// The patch of every act.
    pub(crate) fn json_patch(path: impl Into<String>, operations: &Value) -> Self {
        Self::patch(path, "application/json-patch+json", operations)
            .query("fieldManager", "aegis-executor")
    }

    pub(crate) fn merge_patch(path: impl Into<String>, patch: &Value) -> Self {
        Self::patch(path, "application/merge-patch+json", patch)
    }

    pub(crate) fn strategic_patch(path: impl Into<String>, patch: &Value) -> Self {
        Self::patch(path, "application/strategic-merge-patch+json", patch)
    }

    pub(crate) fn patch(
        path: impl Into<String>,
        content_type: &'static str,
        patch: &Value,
    ) -> Self {
        Self::new(Method::PATCH, path).text(content_type, &patch.to_string())
    }

    pub(crate) fn delete(path: impl Into<String>, options: &Value) -> Self {
        Self::new(Method::DELETE, path).text(JSON, &options.to_string())
    }

    /// Another body, whatever it is.
    pub(crate) fn text(mut self, content_type: &'static str, body: &str) -> Self {
        self.content_type = content_type;
        self.body = body.into();
        self
    }

    pub(crate) fn query(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.query.push((key, value.to_string()));
        self
    }

    pub(crate) fn dry_run(self) -> Self {
        self.query("dryRun", "All")
    }

    /// Only the metadata of an object, or of each change of a watch.
    pub(crate) fn metadata(mut self) -> Self {
        self.accept = METADATA;
        self
    }

    /// Only the metadata of each object of a list.
    pub(crate) fn metadata_list(mut self) -> Self {
        self.accept = METADATA_LIST;
        self
    }

    pub(crate) fn by(mut self, caller: Caller) -> Self {
        self.caller = caller;
        self
    }

    /// The complete path of the request, seen from `namespace`.
    pub(crate) fn full_path(&self, namespace: &str) -> String {
        if self.path.starts_with('/') {
            return self.path.clone();
        }
        let (api, version, rest) = match self.path.split_once('/') {
            Some(("v1", rest)) => ("api", "v1".to_owned(), rest),
            Some((group, rest)) => {
                let (version, rest) = rest.split_once('/').unwrap_or((rest, ""));
                ("apis", format!("{group}/{version}"), rest)
            }
            None => ("api", "v1".to_owned(), self.path.as_str()),
        };
        format!("/{api}/{version}/namespaces/{namespace}/{rest}")
    }
}

/// Without what differs between two clusters: where a list or a watch goes on.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        for (index, (key, value)) in self.query.iter().enumerate() {
            let mark = if index == 0 { '?' } else { '&' };
            match *key {
                "continue" | "resourceVersion" => write!(f, "{mark}{key}")?,
                _ => write!(f, "{mark}{key}={value}")?,
            }
        }
        Ok(())
    }
}
