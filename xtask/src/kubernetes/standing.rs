//! `cargo xtask kubernetes`: a control plane that stays until somebody takes it down.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::files::put;
use super::plane::{Plane, is_ready};
use super::process::stop;
use super::{Client, Options, Programs};

/// The place of a control plane that outlives whoever started it.
#[derive(Clone, Debug)]
pub struct Standing {
    folder: PathBuf,
}

/// How a control plane is.
#[derive(Clone, Debug)]
pub struct Status {
    /// Each server, its process id, and whether it runs.
    pub servers: Vec<(String, u32, bool)>,
    /// Each node and whether it is ready; none when the API server does not answer.
    pub nodes: Vec<(String, bool)>,
    /// The administrator's kubeconfig file.
    pub kubeconfig: PathBuf,
}

impl Status {
    /// Whether every server runs and the API server answers.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.servers.iter().all(|(.., runs)| *runs) && !self.nodes.is_empty()
    }
}

/// What is known of a control plane that was left running.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    url: String,
    kubeconfig: PathBuf,
    authority: PathBuf,
    token: String,
    /// In the order of their start.
    servers: Vec<Server>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Server {
    name: String,
    id: u32,
}

impl Standing {
    /// The one of this checkout, under `target`.
    #[must_use]
    pub fn of_checkout() -> Self {
        Self::new(crate::target().join("kubernetes"))
    }

    /// One in another folder, which is its own.
    #[must_use]
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Starts a control plane with so many nodes, unless one stands. What is left of one that does not
    /// stand any more goes first.
    ///
    /// # Errors
    ///
    /// When one does not start.
    pub fn up(&self, programs: &Programs, nodes: u32) -> Result<PathBuf> {
        if let Some(status) = self.status()? {
            if status.is_whole() {
                return Ok(status.kubeconfig);
            }
            self.down()?;
        }
        let plane = Plane::start(programs, &self.folder, &Options::default().nodes(nodes))?;
        let kubeconfig = plane.kubeconfig("admin");
        let mut state = State {
            url: plane.url().to_owned(),
            kubeconfig: kubeconfig.clone(),
            authority: plane.authority(),
            token: plane.token("admin")?.to_owned(),
            servers: Vec::new(),
        };
        let left = plane.leave().into_iter();
        state.servers = left
            .map(|(name, id)| Server {
                name: name.to_owned(),
                id,
            })
            .collect();
        put(&self.file(), &serde_json::to_string_pretty(&state)?)?;
        Ok(kubeconfig)
    }

    /// Ends the servers, the last that was started first, and removes all of it. Whether there was one.
    ///
    /// # Errors
    ///
    /// When the folder cannot be removed.
    pub fn down(&self) -> Result<bool> {
        let Some(state) = self.read()? else {
            return Ok(false);
        };
        for server in state.servers.iter().rev().filter(|one| self.runs(one)) {
            stop(server.id, || self.runs(server));
        }
        fs::remove_dir_all(&self.folder)
            .with_context(|| format!("cannot remove `{}`", self.folder.display()))?;
        Ok(true)
    }

    /// How it is; `None` if there is none.
    ///
    /// # Errors
    ///
    /// When the record of it cannot be read.
    pub fn status(&self) -> Result<Option<Status>> {
        let Some(state) = self.read()? else {
            return Ok(None);
        };
        let servers = state.servers.iter();
        Ok(Some(Status {
            servers: servers
                .map(|one| (one.name.clone(), one.id, self.runs(one)))
                .collect(),
            nodes: state.nodes().unwrap_or_default(),
            kubeconfig: state.kubeconfig,
        }))
    }

    fn file(&self) -> PathBuf {
        self.folder.join("state.json")
    }

    fn read(&self) -> Result<Option<State>> {
        let file = self.file();
        match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .with_context(|| format!("`{}` is damaged", file.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read `{}`", file.display())),
        }
    }

    /// Whether the process with its id is still this server: ids are given anew.
    fn runs(&self, server: &Server) -> bool {
        let command = Path::new("/proc")
            .join(server.id.to_string())
            .join("cmdline");
        let ours = self.folder.display().to_string();
        fs::read(command).is_ok_and(|text| String::from_utf8_lossy(&text).contains(&ours))
    }
}

impl State {
    fn nodes(&self) -> Result<Vec<(String, bool)>> {
        let client = Client::new(&self.url, &self.authority, &self.token)?;
        let list = client.get("/api/v1/nodes")?;
        let nodes = list["items"].as_array().into_iter().flatten();
        let name = |node: &serde_json::Value| node["metadata"]["name"].as_str().map(str::to_owned);
        Ok(nodes
            .map(|node| (name(node).unwrap_or_default(), is_ready(node)))
            .collect())
    }
}
