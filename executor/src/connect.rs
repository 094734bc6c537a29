//! How the API server is reached.

use std::path::Path;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::act::ApiServer;
use crate::{Config, Error};

/// The cluster's UID: that of its namespace `kube-system`, which lives as long as the cluster.
///
/// # Errors
///
/// When it is not said how to reach the API server, or it does not answer.
pub async fn cluster_uid(config: &Config) -> Result<String, Error> {
    uid(&client(config).await?).await
}

pub(crate) async fn uid(client: &kube::Client) -> Result<String, Error> {
    let api = ApiServer::new(client.clone());
    let uid = api.namespace_uid("kube-system").await;
    uid.map_err(|trouble| Error::Kubernetes(trouble.to_string()))?
        .ok_or_else(|| Error::Kubernetes("it has no namespace `kube-system`".to_owned()))
}

/// A client as configured.
pub(crate) async fn client(config: &Config) -> Result<kube::Client, Error> {
    client_of(config.kubeconfig.as_deref(), config.request_timeout).await
}

/// A client of that kubeconfig, else the pod's service account, else `~/.kube/config`.
pub(crate) async fn client_of(
    kubeconfig: Option<&Path>,
    timeout: Duration,
) -> Result<kube::Client, Error> {
    let wrong = |error: &dyn std::error::Error| Error::Kubeconfig(error.to_string());
    let mut kube = match kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path).map_err(|error| wrong(&error))?;
            let options = KubeConfigOptions::default();
            kube::Config::from_custom_kubeconfig(file, &options)
                .await
                .map_err(|error| wrong(&error))?
        }
        None => match kube::Config::incluster() {
            Ok(kube) => kube,
            Err(_) => kube::Config::infer().await.map_err(|error| wrong(&error))?,
        },
    };
    kube.connect_timeout = Some(timeout);
    kube.read_timeout = Some(timeout);
    kube.write_timeout = Some(timeout);
    // A write is tried again only after a look at what the last one did.
    kube.default_retry = false;
    kube::Client::try_from(kube).map_err(|error| wrong(&error))
}
