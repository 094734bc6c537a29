//! A real API server with what `deploy/` installs, and requests of Aegis' users that it takes or refuses.

mod acts;
mod case;
mod changes;
mod escapes;
mod objects;
mod reads;
mod templates;

use std::time::Duration;

use aegis_xtask::kubernetes::{Client, Options};
use anyhow::{Context, Result, ensure};
use reqwest::{Certificate, Method};
use serde_json::{Value, json};

use crate::attack::Finding;
use crate::{ControlPlane, until};
pub use case::Case;
use case::{EXECUTOR, JSON};

/// How long controllers, and policies that were just created, may take.
const SOON: Duration = Duration::from_secs(60);

/// What the executor has bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rights {
    /// What `deploy/` gives it.
    Deployed,
    /// Everything: only admission is left.
    All,
}

/// A control plane with objects to act on.
pub struct Bounds {
    plane: ControlPlane,
    http: reqwest::Client,
    rights: Rights,
    /// A pod with a controller that runs.
    pod: Value,
}

impl Bounds {
    /// Starts it; `None` on a machine that cannot have a control plane, after saying so.
    ///
    /// # Errors
    ///
    /// When something does not start or does not come to rest.
    pub async fn start() -> Result<Option<Self>> {
        let started = tokio::task::spawn_blocking(|| {
            let plane = ControlPlane::start(&Options::default().with_aegis())?;
            plane
                .map(|plane| objects::create(&plane).map(|pod| (plane, pod)))
                .transpose()
        });
        let Some((plane, pod)) = started.await?? else {
            return Ok(None);
        };
        let authority = Certificate::from_pem_bundle(&std::fs::read(plane.authority())?)?;
        // An error only says that the process has its provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only(authority)
            .build()?;
        let bounds = Self {
            plane,
            http,
            rights: Rights::Deployed,
            pod,
        };
        bounds.policies_hold().await?;
        Ok(Some(bounds))
    }

    /// The control plane.
    #[must_use]
    pub const fn plane(&self) -> &ControlPlane {
        &self.plane
    }

    /// A client of the administrator.
    ///
    /// # Errors
    ///
    /// When its token cannot be used.
    pub fn admin(&self) -> Result<Client> {
        self.plane.client("admin")
    }

    /// Every request that Aegis makes.
    ///
    /// # Errors
    ///
    /// When an object cannot be read.
    pub async fn acts(&self) -> Result<Vec<Case>> {
        let mut cases = acts::cases(self).await?;
        cases.extend(reads::of_ingest());
        Ok(cases)
    }

    /// Everything that Aegis' users must not do: with the roles of `deploy/`, and with an executor that
    /// somebody made a cluster-admin.
    ///
    /// # Errors
    ///
    /// When the API server does not answer.
    pub async fn escape(&mut self) -> Result<Vec<Finding>> {
        let mut findings = self.judge(&changes::cases(self)).await?;
        findings.extend(self.judge(&escapes::cases(self)).await?);
        self.widen().await?;
        for cases in [changes::cases(self), escapes::cases(self)] {
            let found = self.judge(&cases).await?.into_iter();
            findings.extend(found.map(|mut finding| {
                finding.tried = format!("as cluster-admin, {}", finding.tried);
                finding
            }));
        }
        Ok(findings)
    }

    async fn widen(&mut self) -> Result<()> {
        let admin = self.admin()?;
        let binding = objects::cluster_admin(EXECUTOR);
        let path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
        tokio::task::spawn_blocking(move || admin.create(path, &binding)).await??;
        self.rights = Rights::All;
        until("the wide role", SOON, || async {
            let secrets = Case::of(EXECUTOR, "read secrets", Method::GET, "/api/v1/secrets");
            self.send(&secrets).await.is_ok_and(|(code, _)| code == 200)
        })
        .await
    }

    /// Makes each request; says what should have come of it and what came.
    ///
    /// # Errors
    ///
    /// When the API server does not answer.
    pub async fn judge(&self, cases: &[Case]) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        for case in cases {
            let (code, body) = self.send(case).await?;
            findings.push(case.judge(code, &body));
        }
        Ok(findings)
    }

    /// The pod's path, its name and its UID.
    fn pod(&self) -> (String, &str, &str) {
        let text = |field: &str| self.pod["metadata"][field].as_str().unwrap_or_default();
        let path = format!("/api/v1/namespaces/shop/pods/{}", text("name"));
        (path, text("name"), text("uid"))
    }

    async fn object(&self, path: &str) -> Result<Value> {
        let case = Case::of("admin", "read", Method::GET, path);
        let (code, body) = self.send(&case).await?;
        ensure!(code == 200, "{path}: {code} {body}");
        Ok(body)
    }

    /// The code and the body of the answer; no write is kept.
    async fn send(&self, case: &Case) -> Result<(u16, Value)> {
        let mark = if case.path.contains('?') { '&' } else { '?' };
        let dry = if case.dry_run {
            format!("{mark}dryRun=All")
        } else {
            String::new()
        };
        let url = format!("{}{}{dry}", self.plane.url(), case.path);
        let mut request = self
            .http
            .request(case.method.clone(), url)
            .header("accept", JSON)
            .bearer_auth(self.plane.token(case.user)?);
        if let Some(mut body) = case.body.clone() {
            // Options in the body of a deletion count instead of those of the query.
            if case.method == Method::DELETE {
                body["dryRun"] = json!(["All"]);
            }
            request = request
                .header("content-type", case.content_type)
                .body(body.to_string());
        }
        if let Some(somebody) = case.impersonates {
            request = request.header("impersonate-user", somebody);
        }
        let answer = request.send().await.context(case.tried)?;
        let code = answer.status().as_u16();
        let body = serde_json::from_slice(&answer.bytes().await?).unwrap_or_default();
        Ok((code, body))
    }

    /// Waits until the API server has taken in the policies, those with parameters included.
    async fn policies_hold(&self) -> Result<()> {
        let eviction =
            json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "bare"}});
        let event = json!({"metadata": {"name": "a"}, "involvedObject": {"namespace": "shop"}});
        let event = Case::of(
            EXECUTOR,
            "a strange Event",
            Method::POST,
            "/api/v1/namespaces/shop/events",
        )
        .body(event);
        let eviction = Case::of(
            EXECUTOR,
            "an eviction",
            Method::POST,
            "/api/v1/namespaces/shop/pods/bare/eviction",
        )
        .body(eviction);
        for case in [event, eviction] {
            until(case.tried, SOON, || async {
                let answer = self.send(&case).await;
                answer.is_ok_and(|(_, body)| {
                    case::message(&body).contains("ValidatingAdmissionPolicy")
                })
            })
            .await?;
        }
        Ok(())
    }
}
