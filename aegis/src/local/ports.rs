//! The demo's ports: one number after the other, so that one option moves all of them.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};

/// Where everything listens, on this host only.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// People.
    pub gateway: SocketAddr,
    /// Metrics and health.
    pub admin: SocketAddr,
    /// The simulated Kubernetes API.
    pub kubernetes: SocketAddr,
    /// The simulated workloads' metrics.
    pub workloads: SocketAddr,
    /// Prometheus remote write.
    pub remote_write: SocketAddr,
    /// NATS.
    pub nats: SocketAddr,
    /// PostgreSQL.
    pub postgres: SocketAddr,
}

impl Ports {
    /// The dashboard at 3000 and the others from 7711 on.
    ///
    /// # Errors
    ///
    /// When one is in use; says which.
    pub fn usual() -> Result<Self> {
        Self::at(&[3000, 7711, 7712, 7713, 7714, 7715, 7716])
    }

    /// From `first` on; any that are free when it is 0.
    ///
    /// # Errors
    ///
    /// When one is in use; says which.
    pub fn from(first: u16) -> Result<Self> {
        if first == 0 {
            return Self::at(&[0; 7]);
        }
        let last = first
            .checked_add(6)
            .context("--port is too high; seven ports from it on are used")?;
        Self::at(&(first..=last).collect::<Vec<_>>())
    }

    /// These, each 0 of them any that is free.
    fn at(wanted: &[u16]) -> Result<Self> {
        let names = [
            "the gateway",
            "metrics and health",
            "the simulated Kubernetes API",
            "the simulated workloads' metrics",
            "remote write",
            "nats-server",
            "PostgreSQL",
        ];
        let mut found = Vec::new();
        // Kept until all are chosen, so that no free one is chosen twice.
        let mut held = Vec::new();
        for (name, port) in names.into_iter().zip(wanted.iter().copied()) {
            if port == 0 {
                let listener = free()?;
                found.push(listener.local_addr()?);
                held.push(listener);
                continue;
            }
            let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
                Ok(listener) => listener,
                Err(error) => bail!(
                    "port {port}, meant for {name}, cannot be used: {error}; end what uses it, or choose others with --port"
                ),
            };
            found.push(listener.local_addr()?);
            held.push(listener);
        }
        let &[
            gateway,
            admin,
            kubernetes,
            workloads,
            remote_write,
            nats,
            postgres,
        ] = found.as_slice()
        else {
            bail!("no free ports");
        };
        Ok(Self {
            gateway,
            admin,
            kubernetes,
            workloads,
            remote_write,
            nats,
            postgres,
        })
    }
}

/// Ports that this process gave out: who got one may not have bound it yet.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A free port below those that outgoing connections take: nobody gets it by chance before it is used, and
/// this process gives none out twice.
///
/// # Errors
///
/// When there is none.
pub fn free() -> Result<TcpListener> {
    for _ in 0..200 {
        let port = rand::random_range(15_000..30_000);
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            && GIVEN
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(port)
        {
            return Ok(listener);
        }
    }
    bail!("no free ports")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn a_busy_port_is_named_with_what_it_is_for() {
        let busy = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = busy.local_addr().unwrap().port();
        let refused = Ports::from(port).unwrap_err().to_string();
        assert!(refused.contains(&port.to_string()), "{refused}");
        assert!(refused.contains("the gateway"), "{refused}");
    }
}
