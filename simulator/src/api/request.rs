//! What a method and a path ask for.

use std::collections::BTreeMap;

use axum::extract::Query;
use http::{Method, Uri};

use super::error::Refusal;
use super::resources::Resource;
use super::selector::Selector;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
}

impl Verb {
    /// As an audit log says it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }
}

/// A request for a resource.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) verb: Verb,
    pub(crate) resource: &'static Resource,
    /// "" for cluster-wide resources and for lists over all namespaces.
    pub(crate) namespace: String,
    /// "" for collections.
    pub(crate) name: String,
    /// "" for the object itself.
    pub(crate) subresource: String,
    query: BTreeMap<String, String>,
}

impl Call {
    pub(crate) fn parse(method: &Method, uri: &Uri) -> Result<Self, Refusal> {
        let segments: Vec<_> = uri.path().split('/').filter(|s| !s.is_empty()).collect();
        let (group, version, rest) = match segments.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Err(Refusal::no_such_path()),
        };
        let (namespace, rest) = match rest {
            // `namespaces/x/status` is of the namespace, `namespaces/x/pods` in it.
            ["namespaces", namespace, plural, rest @ ..]
                if !matches!(*plural, "status" | "finalize") =>
            {
                (*namespace, [&[*plural], rest].concat())
            }
            rest => ("", rest.to_vec()),
        };
        let (plural, name, subresource) = match rest.as_slice() {
            [plural] => (*plural, "", ""),
            [plural, name] => (*plural, *name, ""),
            [plural, name, subresource] => (*plural, *name, *subresource),
            _ => return Err(Refusal::no_such_path()),
        };
        let resource = Resource::find(group, version, plural).ok_or_else(Refusal::no_such_path)?;
        if (!subresource.is_empty() && !resource.has(subresource))
            || (!resource.namespaced && !namespace.is_empty())
            || (resource.namespaced && namespace.is_empty() && !name.is_empty())
        {
            return Err(Refusal::no_such_path());
        }
        let Query(query) = Query::<BTreeMap<String, String>>::try_from_uri(uri)
            .map_err(|error| Refusal::bad_request(error.to_string()))?;
        let watch = matches!(query.get("watch").map(String::as_str), Some("true" | "1"));
        let verb = match (method, name.is_empty()) {
            (&Method::GET, true) if watch => Verb::Watch,
            (&Method::GET, true) => Verb::List,
            (&Method::GET, false) => Verb::Get,
            (&Method::POST, true) => Verb::Create,
            (&Method::POST, false) if subresource == "eviction" => Verb::Create,
            (&Method::PUT, false) => Verb::Update,
            (&Method::PATCH, false) => Verb::Patch,
            (&Method::DELETE, false) if subresource.is_empty() => Verb::Delete,
            (&Method::DELETE, true) => Verb::DeleteCollection,
            _ => return Err(Refusal::no_such_method()),
        };
        if verb == Verb::Create && resource.namespaced && namespace.is_empty() {
            return Err(Refusal::no_such_method());
        }
        Ok(Self {
            verb,
            resource,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            subresource: subresource.to_owned(),
            query,
        })
    }

    /// A query parameter, "" when absent.
    pub(crate) fn query(&self, key: &str) -> &str {
        self.query.get(key).map_or("", String::as_str)
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        matches!(self.query(key), "true" | "1")
    }

    pub(crate) fn number(&self, key: &str) -> Result<Option<u64>, Refusal> {
        match self.query(key) {
            "" => Ok(None),
            text => text
                .parse()
                .map(Some)
                .map_err(|_| Refusal::bad_request(format!("invalid {key}: \"{text}\""))),
        }
    }

    /// Where a watch begins: after this version.
    pub(crate) fn version(&self) -> Result<Option<u64>, Refusal> {
        match self.query("resourceVersion") {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|error| {
                Refusal::internal(format!(
                    "resourceVersion: Invalid value: \"{text}\": {error}"
                ))
            }),
        }
    }

    pub(crate) fn selector(&self) -> Result<Selector, Refusal> {
        let fields = self.query("fieldSelector");
        Selector::parse(self.resource.kind, self.query("labelSelector"), fields)
    }

    pub(crate) fn is_write(&self) -> bool {
        !matches!(self.verb, Verb::Get | Verb::List | Verb::Watch)
    }
}
