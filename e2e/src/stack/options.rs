//! How an installation is set up for a test.

use super::ROLES;
use crate::ControlPlane;

/// What the simulated cluster does, and how Aegis is set up.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) real: Option<std::sync::Arc<ControlPlane>>,
    /// When the first fault begins, seconds.
    pub(super) fault_at: u32,
    pub(super) scenario: String,
    pub(super) seed: u64,
    pub(super) roles: Vec<&'static str>,
    pub(super) policy: Option<(&'static str, &'static str)>,
    pub(super) settings: Vec<(String, String)>,
    pub(super) tls: bool,
}

impl Options {
    /// The scenario of that name or file, seed 1, every role a process.
    #[must_use]
    pub fn scenario(name: &str) -> Self {
        Self {
            real: None,
            fault_at: 5,
            scenario: name.to_owned(),
            seed: 1,
            roles: ROLES.to_vec(),
            policy: None,
            settings: Vec::new(),
            tls: false,
        }
    }

    /// Another seed.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Another number in the policy's settings: a line, and what stands there instead.
    #[must_use]
    pub const fn policy(mut self, line: &'static str, instead: &'static str) -> Self {
        self.policy = Some((line, instead));
        self
    }

    /// Another value of a setting, which is named as in its variable: `EXECUTOR__OWN_NAMESPACE`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.push((format!("AEGIS_{name}"), value.into()));
        self
    }

    /// TLS to NATS and PostgreSQL.
    #[must_use]
    pub const fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Only some of the roles.
    #[must_use]
    pub fn roles(mut self, roles: &[&'static str]) -> Self {
        self.roles = roles.to_vec();
        self
    }

    /// The first fault so many seconds after the start: for a test in which Aegis must have seen the
    /// cluster before.
    #[must_use]
    pub const fn fault_at(mut self, seconds: u32) -> Self {
        self.fault_at = seconds;
        self
    }

    /// The scenario in a real cluster that is made for the simulator.
    #[must_use]
    pub fn real(mut self, cluster: ControlPlane) -> Self {
        self.real = Some(std::sync::Arc::new(cluster));
        self
    }
}
