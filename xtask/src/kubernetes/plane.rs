//! A control plane: its servers in the order in which they need each other.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::files::{Files, User};
use super::guardian::Guardian;
use super::process::Process;
use super::{Client, Programs};

/// How long it may take until everything is ready.
const START: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often other ports are tried when somebody took one in between.
const ATTEMPTS: u32 = 3;
/// The users of the servers themselves. What each may do is no subject here.
const SERVERS: [&str; 3] = [
    "system:kube-controller-manager",
    "system:kube-scheduler",
    "system:kwok",
];
const MASTERS: &str = "system:masters";
/// Those that would need a cloud, addresses to give away, or kubelets that ask for certificates.
const CONTROLLERS: &str = "*,-nodeipam,-cloud-node-lifecycle,-route,-service-lb-controller,-certificatesigningrequest-signing-controller";

/// What a control plane is to be.
#[derive(Clone, Debug)]
pub struct Options {
    nodes: u32,
    users: Vec<(String, Vec<String>)>,
    pods: bool,
}

impl Default for Options {
    /// One node, whose pods kwok runs, and the user `admin`, who may do everything.
    fn default() -> Self {
        Self {
            nodes: 1,
            users: Vec::new(),
            pods: true,
        }
    }
}

impl Options {
    /// So many nodes, `node-1` and so on.
    #[must_use]
    pub const fn nodes(mut self, nodes: u32) -> Self {
        self.nodes = nodes;
        self
    }

    /// One more user, in those groups beside `system:authenticated`. Nobody may do anything without a
    /// role.
    #[must_use]
    pub fn user(mut self, name: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().map(|&group| group.to_owned()).collect();
        self.users.push((name.to_owned(), groups));
        self
    }

    /// Somebody else writes the status of pods and ends them; kwok minds the nodes alone.
    #[must_use]
    pub const fn without_kubelet(mut self) -> Self {
        self.pods = false;
        self
    }
}

/// A control plane that runs. It ends with this value, and with this process however that ends.
#[derive(Debug)]
pub struct Plane {
    files: Files,
    url: String,
    users: Vec<User>,
    /// In the order of their start.
    processes: Vec<Process>,
    guardian: Option<Guardian>,
}

impl Plane {
    /// Starts a control plane in `folder` and waits until it takes pods. Blocks; about 5 s.
    ///
    /// # Errors
    ///
    /// When a server ends, with the end of its log, or does not get ready.
    pub fn start(programs: &Programs, folder: &Path, options: &Options) -> Result<Self> {
        let mut attempt = 1;
        loop {
            match Self::try_start(programs, folder, options) {
                Err(error)
                    if attempt < ATTEMPTS && format!("{error:#}").contains("already in use") =>
                {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    fn try_start(programs: &Programs, folder: &Path, options: &Options) -> Result<Self> {
        let files = Files::new(folder)?;
        let mut users = vec![User::new("admin", &[MASTERS])?];
        for name in SERVERS {
            users.push(User::new(name, &[MASTERS])?);
        }
        for (name, groups) in &options.users {
            let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
            users.push(User::new(name, &groups)?);
        }
        files.write(&users, options.pods)?;
        let [etcd, peers, api] = free_ports()?;
        let mut plane = Self {
            url: format!("https://{api}"),
            files,
            users,
            processes: Vec::new(),
            guardian: Some(Guardian::start()?),
        };
        for user in &plane.users {
            plane.files.write_kubeconfig(user, &plane.url)?;
        }
        plane.run(programs, "etcd", &etcd_arguments(&plane.files, etcd, peers))?;
        let arguments = api_server_arguments(&plane.files, api, etcd);
        plane.run(programs, "kube-apiserver", &arguments)?;
        plane.until("kube-apiserver", |plane| {
            let client = plane.client("admin")?;
            Ok(client.send("GET", "/readyz", "", None)?.code == 200)
        })?;
        let arguments = controller_arguments(&plane.files);
        plane.run(programs, "kube-controller-manager", &arguments)?;
        let arguments = scheduler_arguments(&plane.files);
        plane.run(programs, "kube-scheduler", &arguments)?;
        plane.run(programs, "kwok", &kwok_arguments(&plane.files))?;
        plane.add_nodes(options.nodes)?;
        plane.until("a node", |plane| plane.takes_pods(options.nodes))?;
        Ok(plane)
    }

    fn run(&mut self, programs: &Programs, name: &'static str, arguments: &[String]) -> Result<()> {
        let program = programs.folder().join(name);
        let process = Process::start(name, &program, arguments, &self.files.logs())?;
        if let Some(guardian) = &mut self.guardian {
            guardian.watch(process.id())?;
        }
        self.processes.push(process);
        Ok(())
    }

    /// Waits until `ready`; its errors count as not yet.
    fn until(&mut self, what: &str, ready: impl Fn(&Self) -> Result<bool>) -> Result<()> {
        let end = Instant::now() + START;
        loop {
            self.check()?;
            match ready(self) {
                Ok(true) => return Ok(()),
                Err(error) if Instant::now() > end => {
                    return Err(error).with_context(|| format!("{what} does not get ready"));
                }
                _ if Instant::now() > end => {
                    bail!("{what} is not ready after {} s", START.as_secs())
                }
                _ => sleep(LOOK_EVERY),
            }
        }
    }

    fn add_nodes(&self, count: u32) -> Result<()> {
        let client = self.client("admin")?;
        for number in 1..=count {
            client.create("/api/v1/nodes", &node(number))?;
        }
        Ok(())
    }

    /// Whether a pod would find a node and a service account.
    fn takes_pods(&self, nodes: u32) -> Result<bool> {
        let client = self.client("admin")?;
        let list = client.get("/api/v1/nodes")?;
        let open = list["items"].as_array().into_iter().flatten();
        let open = open.filter(|node| is_ready(node) && node["spec"]["taints"].is_null());
        client.get("/api/v1/namespaces/default/serviceaccounts/default")?;
        Ok(open.count() >= nodes as usize)
    }

    /// An error when a server ended, which none should by itself.
    ///
    /// # Errors
    ///
    /// Says which, how, and the end of its log.
    pub fn check(&mut self) -> Result<()> {
        self.processes.iter_mut().try_for_each(Process::check)
    }

    /// A client of the API as `user`.
    ///
    /// # Errors
    ///
    /// When there is no such user.
    pub fn client(&self, user: &str) -> Result<Client> {
        Client::new(&self.url, &self.authority(), self.token(user)?)
    }

    /// The bearer token of `user`.
    ///
    /// # Errors
    ///
    /// When there is no such user.
    pub fn token(&self, user: &str) -> Result<&str> {
        let found = self.users.iter().find(|one| one.name == user);
        let found = found.with_context(|| format!("the control plane has no user `{user}`"))?;
        Ok(&found.token)
    }

    /// The PEM file with the API server's certificate authority.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.files.authority()
    }

    /// The API server's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The kubeconfig file of `user`; a colon in a name is a hyphen there.
    #[must_use]
    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        self.files.kubeconfig(user)
    }

    /// The API server's audit log: an Event of `audit.k8s.io/v1` a line, with the bodies of writes.
    #[must_use]
    pub fn audit_log(&self) -> PathBuf {
        self.files.at("audit.log")
    }

    /// The folder with a log of each server.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.files.logs()
    }

    /// Leaves the servers running; answers name and process id of each, in the order of their start.
    pub(super) fn leave(mut self) -> Vec<(&'static str, u32)> {
        self.guardian = None;
        let left = std::mem::take(&mut self.processes);
        left.iter().map(|one| (one.name, one.id())).collect()
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        // All of it goes away, so nothing has to be put in order.
        for process in self.processes.iter_mut().rev() {
            process.kill();
        }
    }
}

/// Whether a node says that it is ready.
pub(super) fn is_ready(node: &Value) -> bool {
    let conditions = node["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|one| one["type"] == "Ready" && one["status"] == "True")
}

fn node(number: u32) -> Value {
    let name = format!("node-{number}");
    let room = json!({"cpu": "64", "memory": "256Gi", "pods": "250"});
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {"capacity": room, "allocatable": room},
    })
}

fn etcd_arguments(files: &Files, clients: SocketAddr, peers: SocketAddr) -> Vec<String> {
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

fn api_server_arguments(files: &Files, listen: SocketAddr, etcd: SocketAddr) -> Vec<String> {
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

fn controller_arguments(files: &Files) -> Vec<String> {
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

fn scheduler_arguments(files: &Files) -> Vec<String> {
    let kubeconfig = files.kubeconfig("system:kube-scheduler");
    vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
    ]
}

fn kwok_arguments(files: &Files) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", files.kubeconfig("system:kwok").display()),
        format!("--config={}", files.text("stages.yaml")),
        "--manage-all-nodes=true".to_owned(),
        "--node-ip=127.0.0.1".to_owned(),
        // Without leases a controller takes every node for lost after 50 s.
        "--node-lease-duration-seconds=40".to_owned(),
    ]
}

/// Ports of this host that were free a moment ago.
fn free_ports<const N: usize>() -> Result<[SocketAddr; N]> {
    let mut held = Vec::new();
    let mut ports = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
    for port in &mut ports {
        let listener = TcpListener::bind(*port).context("no free port")?;
        *port = listener.local_addr()?;
        // Kept until all are drawn, so that none is drawn twice.
        held.push(listener);
    }
    Ok(ports)
}
