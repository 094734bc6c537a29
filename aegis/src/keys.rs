//! `aegis keys`: the keys that decisions are signed with. policy signs with the active one, the executor
//! believes every one in the file.

mod tls;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use aegis_schemas::keyring::KeyFile;
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use zeroize::Zeroizing;

use crate::config::Config;

pub use tls::{Tls, of_nats, trust};

/// Keys that decisions are signed with, and certificates.
#[derive(Debug, Subcommand)]
#[command(
    after_help = "To change the key while everything runs:\n  aegis keys new               then restart the executors: they believe both\n  aegis keys rotate --to KID   then restart policy: it signs with the new one\n  aegis keys retire OLD        two minutes later, then restart the executors"
)]
pub enum Keys {
    /// Add a key that does not sign yet; makes the file if there is none.
    #[command(after_help = "Example:\n  aegis keys new")]
    New,
    /// Let another key sign: the named one, or a new one.
    #[command(
        after_help = "Examples:\n  aegis keys rotate\n  aegis keys rotate --to 2026-11-25-k7q2"
    )]
    Rotate {
        /// A key that is in the file.
        #[arg(long, value_name = "KID")]
        to: Option<String>,
    },
    /// List the keys' names, never the keys.
    #[command(after_help = "Example:\n  aegis keys list")]
    List,
    /// Forget a key: what it signed is believed no more.
    #[command(after_help = "Example:\n  aegis keys retire 2026-08-01-a3bc")]
    Retire {
        /// The key's name.
        kid: String,
    },
    /// Make an authority and certificates for TLS to NATS and PostgreSQL.
    Tls(Tls),
}

impl Keys {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written, or there is no such key.
    pub fn run(self, config: &Config) -> Result<()> {
        let path = &config.policy.keys_file;
        if *path != config.executor.keys_file {
            eprintln!(
                "note: the executor reads another file, `{}`; it must hold the same keys",
                config.executor.keys_file.display()
            );
        }
        match self {
            Self::New if !path.exists() => println!("{} (signs)", make(path)?),
            Self::New => {
                let mut file = read(path)?;
                let kid = add(&mut file)?;
                save(path, &file)?;
                println!("{kid}");
            }
            Self::Rotate { to } => {
                let mut file = read(path)?;
                let kid = match to {
                    Some(kid) => kid,
                    None => add(&mut file)?,
                };
                if !file.activate(&kid) {
                    bail!("there is no key `{kid}`; see `aegis keys list`");
                }
                save(path, &file)?;
                println!("{kid} (signs)");
                eprintln!("restart the executors, then policy");
            }
            Self::List => {
                let file = read(path)?;
                for kid in file.keyring().kids() {
                    let mark = if kid == file.active() { " (signs)" } else { "" };
                    println!("{kid}{mark}");
                }
            }
            Self::Retire { kid } => {
                let mut file = read(path)?;
                if kid == file.active() {
                    bail!("`{kid}` signs; let another one sign first with `aegis keys rotate`");
                }
                if !file.retire(&kid) {
                    bail!("there is no key `{kid}`; see `aegis keys list`");
                }
                save(path, &file)?;
                eprintln!("forgot {kid}; restart the executors");
            }
            Self::Tls(tls) => tls.run()?,
        }
        Ok(())
    }
}

/// Makes a new file with one key; answers its name.
///
/// # Errors
///
/// When there is such a file, or it cannot be written.
pub fn make(path: &Path) -> Result<String> {
    if path.exists() {
        bail!("`{}` exists; keys are never overwritten", path.display());
    }
    let kid = name()?;
    let file = KeyFile::new(&kid, random::<32>()?.to_vec())?;
    save(path, &file)?;
    Ok(kid)
}

/// Random bytes of the operating system.
///
/// # Errors
///
/// When it gives none.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).context("the operating system gives no randomness")?;
    Ok(bytes)
}

/// Reads a key file.
///
/// # Errors
///
/// When there is none, or it is damaged.
pub fn read(path: &Path) -> Result<KeyFile> {
    let text = fs::read_to_string(path).with_context(|| {
        format!(
            "cannot read `{}`; make it with `aegis keys new`",
            path.display()
        )
    })?;
    let text = Zeroizing::new(text);
    KeyFile::parse(&text).with_context(|| format!("`{}` is damaged", path.display()))
}

fn add(file: &mut KeyFile) -> Result<String> {
    let kid = name()?;
    file.add(&kid, random::<32>()?.to_vec())?;
    Ok(kid)
}

/// The day and something random: people see which key is old.
fn name() -> Result<String> {
    let day = jiff::Timestamp::now().strftime("%Y-%m-%d");
    let tail = data_encoding::BASE32_NOPAD
        .encode(&random::<3>()?)
        .to_lowercase();
    Ok(format!("{day}-{tail}"))
}

/// A file beside it that takes its place: a key file is never half written.
fn save(path: &Path, file: &KeyFile) -> Result<()> {
    let half = path.with_extension("part");
    let _ = fs::remove_file(&half);
    let mut options = fs::OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(&half);
    opened
        .and_then(|mut out| {
            out.write_all(file.to_text().as_bytes())?;
            out.sync_all()
        })
        .and_then(|()| fs::rename(&half, path))
        .with_context(|| format!("cannot write `{}`", path.display()))
}
