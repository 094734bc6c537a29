//! What a person sees and does at the cluster's API server, and what a simulated one counted.

use std::collections::BTreeMap;

use aegis_schemas::{Entity, EntityKind, Name, Namespace, Target};
use aegis_xtask::kubernetes::Client;
use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde_json::{Value, json};

use super::Stack;

/// The namespace that the switch by annotation is on.
const OWN_NAMESPACE: &str = "/api/v1/namespaces/aegis";

const MERGE_PATCH: &str = "application/merge-patch+json";

/// Somebody who may do everything.
pub const PERSON: &str = "admin";

impl Stack {
    /// The object at that path of the API.
    ///
    /// # Errors
    ///
    /// When there is none, or the server does not answer.
    pub async fn object(&self, path: &str) -> Result<Value> {
        self.ask(PERSON, Method::GET, path, None).await
    }

    /// The UID of the object at that path of the API.
    ///
    /// # Errors
    ///
    /// As [`Stack::object`].
    pub async fn uid(&self, path: &str) -> Result<String> {
        let object = self.object(path).await?;
        let uid = object["metadata"]["uid"].as_str();
        Ok(uid.context("an object without a uid")?.to_owned())
    }

    /// A Deployment as decisions name it, as it is now.
    ///
    /// # Errors
    ///
    /// As [`Stack::object`].
    pub async fn deployment(&self, namespace: &str, name: &str) -> Result<Target> {
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
        let object = self.object(&path).await?;
        let entity = Entity::namespaced(
            self.config.executor.cluster.clone(),
            Namespace::parse(namespace)?,
            EntityKind::Deployment,
            Name::parse(name)?,
        );
        let metadata = &object["metadata"];
        Ok(Target {
            workload: entity.clone(),
            entity,
            gvk: "apps/v1/Deployment".to_owned(),
            uid: metadata["uid"].as_str().context("no uid")?.to_owned(),
            generation: metadata["generation"].as_i64().context("no generation")?,
        })
    }

    /// Halts every act, or lets them go on, as `kubectl annotate` does.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn annotate_halt(&self, on: bool) -> Result<()> {
        let value = if on { json!("true") } else { Value::Null };
        let change = json!({"metadata": {"annotations": {"aegis.dev/halt": value}}});
        self.patch_as(PERSON, OWN_NAMESPACE, change).await?;
        Ok(())
    }

    /// Merges a change into the object at that path, as that user; answers the object.
    ///
    /// # Errors
    ///
    /// When the server refuses, with its words.
    pub async fn patch_as(&self, user: &str, path: &str, change: Value) -> Result<Value> {
        self.ask(user, Method::PATCH, path, Some(change)).await
    }

    /// How many requests the executor made of the API server, by HTTP method, whatever was answered.
    ///
    /// # Errors
    ///
    /// When the cluster does not answer.
    pub async fn executor_requests(&self) -> Result<BTreeMap<String, u64>> {
        let url = format!("http://{}/requests", self.ports.workloads);
        let text = reqwest::get(url).await?.error_for_status()?.text().await?;
        let mut all: BTreeMap<String, BTreeMap<String, u64>> = serde_json::from_str(&text)?;
        Ok(all.remove("aegis-executor").unwrap_or_default())
    }

    async fn ask(
        &self,
        user: &str,
        method: Method,
        path: &str,
        change: Option<Value>,
    ) -> Result<Value> {
        if let Some(real) = &self.real {
            return really(real.client(user)?, method, path.to_owned(), change).await;
        }
        let url = format!("http://{}{path}", self.ports.kubernetes);
        let mut request = reqwest::Client::new()
            .request(method, &url)
            .bearer_auth(user);
        if let Some(change) = change {
            request = request
                .header("content-type", MERGE_PATCH)
                .body(change.to_string());
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            bail!("{path}: {status} {text}");
        }
        Ok(serde_json::from_str(&text)?)
    }
}

/// The same of a real API server.
async fn really(
    client: Client,
    method: Method,
    path: String,
    change: Option<Value>,
) -> Result<Value> {
    let asked = path.clone();
    let sent = move || client.send(method.as_str(), &asked, MERGE_PATCH, change.as_ref());
    let answer = tokio::task::spawn_blocking(sent).await??;
    if !(200..300).contains(&answer.code) {
        bail!("{path}: {} {}", answer.code, answer.body);
    }
    Ok(answer.body)
}
