//! What the servers read: keys, tokens, kubeconfigs, the audit policy, the Stages.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::Value;

use super::sources;

/// What is written to the audit log: each write with its bodies, each read of somebody who is no server
/// of the control plane.
const AUDIT_POLICY: &str = r#"apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users: [system:apiserver, system:kube-controller-manager, system:kube-scheduler, system:kwok]
  verbs: [get, list, watch]
- level: None
  resources: [{group: coordination.k8s.io, resources: [leases]}]
- level: None
  nonResourceURLs: ["/healthz*", "/readyz*", "/livez*", "/version", "/openapi/*"]
- level: Metadata
  verbs: [get, list, watch]
- level: RequestResponse
"#;

/// What comes before the point of a public key on P-256: a SubjectPublicKeyInfo.
const P256_PUBLIC: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Somebody with a token.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) groups: Vec<String>,
    pub(super) token: String,
}

impl User {
    pub(super) fn new(name: &str, groups: &[&str]) -> Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
            token: data_encoding::HEXLOWER.encode(&random()?),
        })
    }

    /// Somebody whose token the API server made.
    pub(super) fn with_token(name: &str, token: String) -> Self {
        Self {
            name: name.to_owned(),
            groups: Vec::new(),
            token,
        }
    }
}

/// The folder of one control plane.
#[derive(Clone, Debug)]
pub(super) struct Files(PathBuf);

impl Files {
    /// The folder with nothing in it that an earlier control plane remembered.
    pub(super) fn new(folder: &Path) -> Result<Self> {
        let folder = std::path::absolute(folder)?;
        for name in ["etcd", "logs", "certificates"] {
            remove(fs::remove_dir_all(folder.join(name)))?;
        }
        remove(fs::remove_file(folder.join("audit.log")))?;
        for name in ["logs", "certificates"] {
            let made = fs::create_dir_all(folder.join(name));
            made.with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
        }
        Ok(Self(folder))
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// As [`Files::at`], for a command line.
    pub(super) fn text(&self, name: &str) -> String {
        self.at(name).display().to_string()
    }

    pub(super) fn logs(&self) -> PathBuf {
        self.at("logs")
    }

    /// The API server's certificate, which it makes itself, with the authority that signed it.
    pub(super) fn authority(&self) -> PathBuf {
        self.at("certificates/apiserver.crt")
    }

    pub(super) fn kubeconfig(&self, user: &str) -> PathBuf {
        self.at(&format!("{}.kubeconfig", user.replace(':', "-")))
    }

    /// Writes everything that does not depend on a port.
    pub(super) fn write(&self, users: &[User], pods: bool) -> Result<()> {
        self.put("audit-policy.yaml", AUDIT_POLICY)?;
        let [private, public] = keys()?;
        self.put("service-account.key", &private)?;
        self.put("service-account.pub", &public)?;
        let line = |user: &User| {
            let groups = user.groups.join(",");
            format!(
                "{},{name},{name},\"{groups}\"\n",
                user.token,
                name = user.name
            )
        };
        self.put("tokens.csv", &users.iter().map(line).collect::<String>())?;
        self.put("stages.yaml", &stages(pods)?)
    }

    /// Writes the file with which clients reach the API server as `user`.
    pub(super) fn write_kubeconfig(&self, user: &User, url: &str) -> Result<()> {
        let authority = self.authority();
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: aegis\n\
             clusters:\n- name: aegis\n  cluster:\n    server: {url}\n    certificate-authority: {authority}\n\
             contexts:\n- name: aegis\n  context: {{cluster: aegis, user: \"{name}\"}}\n\
             users:\n- name: \"{name}\"\n  user:\n    token: {token}\n",
            authority = authority.display(),
            name = user.name,
            token = user.token,
        );
        let path = self.kubeconfig(&user.name);
        put(&path, &text)
    }

    /// Writes what a namespace gets in which Aegis may act: for the simulator, who makes namespaces.
    pub(super) fn write_role_bindings(&self, bindings: &[Value]) -> Result<()> {
        self.put(
            "role-bindings.json",
            &serde_json::to_string_pretty(bindings)?,
        )
    }

    fn put(&self, name: &str, text: &str) -> Result<()> {
        put(&self.at(name), text)
    }
}

/// Writes a file that only its owner reads.
pub(super) fn put(path: &Path, text: &str) -> Result<()> {
    let opened = fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path);
    opened
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write `{}`", path.display()))
}

/// What is not there need not be removed.
fn remove(removed: std::io::Result<()>) -> Result<()> {
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context("cannot remove what is left of an earlier control plane")
        }
        _ => Ok(()),
    }
}

/// All Stages in one text; those of pods only if kwok is to be their kubelet.
fn stages(pods: bool) -> Result<String> {
    let mut text = String::new();
    for kind in ["nodes", "pods"].into_iter().take(if pods { 2 } else { 1 }) {
        let folder = sources().join("stages").join(kind);
        let entries = fs::read_dir(&folder)
            .with_context(|| format!("no Stages in `{}`", folder.display()))?;
        let mut files: Vec<PathBuf> = entries
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?;
        files.sort();
        for file in files {
            text.push_str("---\n");
            text.push_str(&fs::read_to_string(file)?);
        }
    }
    Ok(text)
}

fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| anyhow!("this system has no random numbers"))?;
    Ok(bytes)
}

/// A new key pair for the tokens of service accounts: the private and the public key as PEM.
fn keys() -> Result<[String; 2]> {
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let random = SystemRandom::new();
    let made = EcdsaKeyPair::generate_pkcs8(algorithm, &random);
    let private = made.map_err(|_| anyhow!("cannot make a key"))?;
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, private.as_ref(), &random)
        .map_err(|_| anyhow!("cannot use the key that was made"))?;
    let public = [P256_PUBLIC, pair.public_key().as_ref()].concat();
    Ok([
        pem("PRIVATE KEY", private.as_ref()),
        pem("PUBLIC KEY", &public),
    ])
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = data_encoding::BASE64.encode(der);
    let lines: Vec<&str> = (0..text.len())
        .step_by(64)
        .map(|at| &text[at..(at + 64).min(text.len())])
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}
