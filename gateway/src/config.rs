//! The gateway's configuration.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use aegis_schemas::Cluster;
use serde::{Deserialize, Serialize};

/// The gateway's configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The file with the PostgreSQL URL of the role `aegis_gateway`.
    pub database_url_file: PathBuf,
    /// The file with the secret that access tokens are signed with, at least 32 bytes.
    pub token_secret_file: PathBuf,
    /// The issuer in tokens, usually the URL that people use.
    pub issuer: String,
    /// The cluster whose commands and kill switch it takes.
    pub cluster: Cluster,
    /// How long an access token lives.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub access_lifetime: Duration,
    /// How long a refresh token lives unused.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub refresh_idle: Duration,
    /// How long a sign-in lasts at most.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub refresh_absolute: Duration,
    /// Requests a minute without a token, by address.
    pub per_address: u32,
    /// Requests a minute of one user.
    pub per_user: u32,
    /// Streams of events that one user may have open; a page has one.
    pub streams_per_user: usize,
    /// Sign-ins a minute for one account.
    pub sign_ins_per_account: u32,
    /// Sign-ins a minute from one address.
    pub sign_ins_per_address: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 3000)),
            database_url_file: PathBuf::from("gateway.database-url"),
            token_secret_file: PathBuf::from("gateway.token-secret"),
            issuer: "http://127.0.0.1:3000".to_owned(),
            cluster: Cluster::parse("default").expect("a valid name"),
            access_lifetime: Duration::from_secs(600),
            refresh_idle: Duration::from_secs(24 * 3600),
            refresh_absolute: Duration::from_secs(14 * 24 * 3600),
            per_address: 60,
            per_user: 600,
            streams_per_user: 50,
            sign_ins_per_account: 5,
            sign_ins_per_address: 20,
        }
    }
}
