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
use super::{Client, Options, Programs, arguments, install};

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

/// A control plane that runs. It ends with this value, and with this process however that ends.
#[derive(Debug)]
pub struct Plane {
    files: Files,
    url: String,
    etcd: String,
    users: Vec<User>,
    /// In the order of their start.
    processes: Vec<Process>,
    guardian: Option<Guardian>,
}

impl Plane {
    /// Starts a control plane in `folder`, where nothing is kept of an earlier one, and waits until it
    /// takes pods. Blocks; about 5 s.
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
            etcd: format!("http://{etcd}"),
            files,
            users,
            processes: Vec::new(),
            guardian: Some(Guardian::start()?),
        };
        for user in &plane.users {
            plane.files.write_kubeconfig(user, &plane.url)?;
        }
        plane.run(
            programs,
            "etcd",
            &arguments::etcd(&plane.files, etcd, peers),
        )?;
        let arguments = arguments::api_server(&plane.files, api, etcd);
        plane.run(programs, "kube-apiserver", &arguments)?;
        plane.until("kube-apiserver", |plane| {
            let client = plane.client("admin")?;
            Ok(client.send("GET", "/readyz", "", None)?.code == 200)
        })?;
        let arguments = arguments::controller_manager(&plane.files);
        plane.run(programs, "kube-controller-manager", &arguments)?;
        let arguments = arguments::scheduler(&plane.files);
        plane.run(programs, "kube-scheduler", &arguments)?;
        plane.run(programs, "kwok", &arguments::kwok(&plane.files))?;
        plane.add_nodes(options.nodes)?;
        plane.until("a node", |plane| plane.takes_pods(options.nodes))?;
        if options.aegis {
            plane.install()?;
        }
        Ok(plane)
    }

    /// Installs what `deploy/` has; Aegis' service accounts are users from then on.
    fn install(&mut self) -> Result<()> {
        let admin = self.client("admin")?;
        install::install(&admin)?;
        for name in install::ACCOUNTS {
            let token = install::token(&admin, name)?;
            let user = User::with_token(name, token);
            self.files.write_kubeconfig(&user, &self.url)?;
            self.users.push(user);
        }
        self.files.write_role_bindings(&install::role_bindings()?)
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

    /// Lets Aegis act in a namespace, as `deploy/README.md` says.
    ///
    /// # Errors
    ///
    /// When the API server refuses.
    pub fn enable(&self, namespace: &str) -> Result<()> {
        let admin = self.client("admin")?;
        let label = json!({"metadata": {"labels": {"aegis.dev/enabled": "true"}}});
        admin.patch(&format!("/api/v1/namespaces/{namespace}"), &label)?;
        for binding in install::role_bindings()? {
            admin.create(&install::collection(&binding, namespace)?, &binding)?;
        }
        Ok(())
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

    /// The URL of etcd, which the API server keeps everything in.
    #[must_use]
    pub fn etcd(&self) -> &str {
        &self.etcd
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

    /// Leaves the servers to whatever program this process becomes: they end when that does.
    ///
    /// # Errors
    ///
    /// When the process that is to end them is gone.
    pub fn hand_over(mut self) -> Result<()> {
        if let Some(guardian) = self.guardian.take() {
            guardian.hand_over()?;
        }
        self.processes.clear();
        Ok(())
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
