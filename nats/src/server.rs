//! The server: its configuration, written from the topology, and its process.

mod process;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::Service;
use crate::check::SERVER_CONFIGURATION;
use crate::topology::{MAX_MESSAGE, Settings, permissions};

pub use process::{ServerProcess, find_binary, free_port};

/// A user of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Who.
    pub service: Service,
    /// The public nkey, `U…`.
    pub public_key: String,
}

/// The server's own certificate, and the authority that its clients' certificates come from.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// Clients must show a certificate of this authority.
    pub client_ca: Option<PathBuf>,
}

/// The configuration without TLS: for a server on this host.
#[must_use]
pub fn configuration(
    settings: &Settings,
    users: &[User],
    listen: SocketAddr,
    store_dir: &Path,
) -> String {
    configuration_with(settings, users, listen, store_dir, None)
}

/// The configuration. Outside publishers live in an account of their own: a service import rewrites
/// reply subjects, so none of them can make the server publish where they may not.
#[must_use]
pub fn configuration_with(
    settings: &Settings,
    users: &[User],
    listen: SocketAddr,
    store_dir: &Path,
    tls: Option<&ServerTls>,
) -> String {
    let outside = |user: &&User| matches!(user.service, Service::Publisher(_));
    let publishers: Vec<_> = users.iter().filter(outside).collect();
    let own: Vec<_> = users.iter().filter(|user| !outside(user)).collect();
    let imports: String = publishers
        .iter()
        .map(|user| {
            let subject = quoted(&format!("aegis.v1.intake.{}.>", user.service));
            format!("      {{ service: {{ account: AEGIS, subject: {subject} }} }}\n")
        })
        .collect();
    let (own, others) = (
        users_text(&own, settings),
        users_text(&publishers, settings),
    );
    // Headers travel beside the body of the largest message.
    let max_payload = MAX_MESSAGE + 16 * 1024;
    format!(
        r#"# Written by aegis from its declarations; changes here are lost.
listen: {listen}
server_name: aegis
max_payload: {max_payload}
{tls}
jetstream {{
  store_dir: {store_dir}
  # An acknowledged message is on disk.
  sync_interval: always
  strict: true
  max_file_store: {storage}
}}

accounts {{
  AEGIS {{
    jetstream: enabled
    users: [
{own}    ]
    exports: [ {{ service: "aegis.v1.intake.>", accounts: [ PUBLISHERS ] }} ]
    imports: [ {{ service: {{ account: SYS, subject: "{SERVER_CONFIGURATION}" }} }} ]
  }}
  PUBLISHERS {{
    users: [
{others}    ]
    imports: [
{imports}    ]
  }}
  SYS {{
    exports: [ {{ service: "{SERVER_CONFIGURATION}", accounts: [ AEGIS ] }} ]
  }}
}}
system_account: SYS
"#,
        listen = quoted(&listen.to_string()),
        store_dir = quoted(&store_dir.to_string_lossy()),
        storage = settings.storage_bytes,
        tls = tls.map_or_else(String::new, tls_text),
    )
}

fn tls_text(tls: &ServerTls) -> String {
    let path = |path: &Path| quoted(&path.to_string_lossy());
    let verify = tls.client_ca.as_deref().map_or_else(String::new, |ca| {
        format!("\n  ca_file: {}\n  verify: true", path(ca))
    });
    format!(
        "tls {{\n  cert_file: {}\n  key_file: {}\n  min_version: \"1.3\"{verify}\n}}\n",
        path(&tls.certificate),
        path(&tls.key),
    )
}

fn users_text(users: &[&User], settings: &Settings) -> String {
    let mut text = String::new();
    for user in users {
        let may = permissions(&user.service, settings);
        let _ = writeln!(
            text,
            "      # {}\n      {{ nkey: {}, permissions: {{\n        publish: {{ allow: [{}\n        ] }}\n        subscribe: {{ allow: [{}\n        ] }}\n      }} }}",
            user.service,
            user.public_key,
            list(&may.publish),
            list(&may.subscribe),
        );
    }
    text
}

fn list(subjects: &[String]) -> String {
    subjects
        .iter()
        .map(|subject| format!("\n          {}", quoted(subject)))
        .collect()
}

/// A string of the server's configuration language.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
