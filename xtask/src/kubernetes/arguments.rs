//! The command line of each server.

use std::net::SocketAddr;

use super::files::Files;

/// Those that would need a cloud, addresses to give away, or kubelets that ask for certificates.
const CONTROLLERS: &str = "*,-nodeipam,-cloud-node-lifecycle,-route,-service-lb-controller,-certificatesigningrequest-signing-controller";

pub(super) fn etcd(files: &Files, clients: SocketAddr, peers: SocketAddr) -> Vec<String> {
    let (clients, peers) = (format!("http://{clients}"), format!("http://{peers}"));
    vec![
        format!("--data-dir={}", files.text("etcd")),
        format!("--listen-client-urls={clients}"),
        format!("--advertise-client-urls={clients}"),
        format!("--listen-peer-urls={peers}"),
        format!("--initial-advertise-peer-urls={peers}"),
        format!("--initial-cluster=default={peers}"),
        // A machine that loses power loses the test as well.
        "--unsafe-no-fsync".to_owned(),
        "--log-level=error".to_owned(),
    ]
}

pub(super) fn api_server(files: &Files, listen: SocketAddr, etcd: SocketAddr) -> Vec<String> {
    vec![
        format!("--etcd-servers=http://{etcd}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--advertise-address=127.0.0.1".to_owned(),
        format!("--secure-port={}", listen.port()),
        format!("--cert-dir={}", files.text("certificates")),
        format!("--token-auth-file={}", files.text("tokens.csv")),
        "--authorization-mode=RBAC".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!(
            "--service-account-key-file={}",
            files.text("service-account.pub")
        ),
        format!(
            "--service-account-signing-key-file={}",
            files.text("service-account.key")
        ),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--audit-policy-file={}", files.text("audit-policy.yaml")),
        format!("--audit-log-path={}", files.text("audit.log")),
    ]
}

pub(super) fn controller_manager(files: &Files) -> Vec<String> {
    let kubeconfig = files.kubeconfig("system:kube-controller-manager");
    vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        "--leader-elect=false".to_owned(),
        // Nobody asks for its health: a process that ended is seen.
        "--secure-port=0".to_owned(),
        format!(
            "--service-account-private-key-file={}",
            files.text("service-account.key")
        ),
        format!("--controllers={CONTROLLERS}"),
        // It is alone with its API server.
        "--kube-api-qps=200".to_owned(),
        "--kube-api-burst=400".to_owned(),
    ]
}

pub(super) fn scheduler(files: &Files) -> Vec<String> {
    let kubeconfig = files.kubeconfig("system:kube-scheduler");
    vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
    ]
}

pub(super) fn kwok(files: &Files) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", files.kubeconfig("system:kwok").display()),
        format!("--config={}", files.text("stages.yaml")),
        "--manage-all-nodes=true".to_owned(),
        "--node-ip=127.0.0.1".to_owned(),
        // Without leases a controller takes every node for lost after 50 s.
        "--node-lease-duration-seconds=40".to_owned(),
    ]
}
