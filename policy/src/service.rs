//! The shell of the core: AEGIS_EVENTS in order, decisions out.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use aegis_nats::kv::{ActsLeft, Storm};
use aegis_nats::topology::Durable;
use aegis_nats::{Bus, in_order};
use aegis_schemas::Event;
use aegis_schemas::keyring::KeyFile;
use aegis_schemas::pipeline::{Input, Output};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::{Config, Core, Error, metrics};

/// Runs the policy core of the configured cluster until `stop`.
///
/// # Errors
///
/// When the key file cannot be used, or the core cannot go on.
pub async fn run(bus: Bus, config: Config, stop: CancellationToken) -> Result<(), Error> {
    metrics::describe();
    let keys = read_keys(&config.keys_file)?;
    let options = in_order::Options::new(Durable::policy(&config.cluster));
    let core = Core::new(config.cluster, keys);
    let observe = |core: &Core, input: &Input, outputs: &[Output]| {
        metrics::said(outputs);
        if matches!(input.event, Event::Signal(_)) {
            let stats = core.stats();
            metrics::standing(&stats);
            bus.say_acts_left(ActsLeft {
                rate: stats.rate_left,
                at_once: stats.blast_left,
                storm: stats.storm.map(|storm| Storm {
                    since: storm.since,
                    workloads: storm.workloads,
                    nodes: storm.nodes,
                }),
            });
        }
    };
    in_order::run(&bus, core, options, observe, stop).await?;
    Ok(())
}

/// Reads the key file; refuses one that others may read.
fn read_keys(path: &Path) -> Result<KeyFile, Error> {
    let unreadable = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & 0o177 != 0 {
        return Err(Error::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(unreadable)?;
    KeyFile::parse(&text).map_err(|source| Error::Keys {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_that_others_may_read_is_refused() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let keys = KeyFile::new("k", vec![1; 32]).expect("long enough");
        std::fs::write(file.path(), keys.to_text().as_bytes()).expect("writable");
        let mode = |mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(file.path(), permissions).expect("ours");
        };
        mode(0o640);
        let refused = read_keys(file.path()).expect_err("exposed").to_string();
        assert!(refused.contains("chmod 600"), "{refused}");
        mode(0o400);
        assert_eq!(read_keys(file.path()).expect("private").active(), "k");
    }
}
