//! A private PostgreSQL that this process starts and stops: for the demo, for tests, for a first run.
//!
//! PostgreSQL refuses to run as root. Started by root, it runs as the user nobody and its folder
//! belongs to that user.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::Error;
use crate::database::random_password;

const START_TIMEOUT: Duration = Duration::from_secs(30);
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The user and group nobody.
const NOBODY: u32 = 65_534;
/// The administrator that `initdb` makes.
const ADMINISTRATOR: &str = "postgres";

/// The folder with PostgreSQL's programs: `AEGIS_POSTGRES_BIN`, else on the `PATH`, else where Debian
/// puts the newest version.
///
/// # Errors
///
/// When there is none.
pub fn find_binaries() -> Result<PathBuf, Error> {
    let has_all = |folder: &Path| {
        ["initdb", "postgres"]
            .iter()
            .all(|program| folder.join(program).is_file())
    };
    if let Some(folder) = std::env::var_os("AEGIS_POSTGRES_BIN") {
        let folder = PathBuf::from(folder);
        return if has_all(&folder) {
            Ok(folder)
        } else {
            Err(Error::Server(format!(
                "AEGIS_POSTGRES_BIN names `{}`, where there is no `initdb` and `postgres`",
                folder.display()
            )))
        };
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .find(|folder| has_all(folder))
        .or_else(|| debian().into_iter().find(|folder| has_all(folder)))
        .ok_or_else(|| {
            Error::Server(
                "no PostgreSQL found: set AEGIS_POSTGRES_BIN to the folder with `initdb` and `postgres`, or put it on the PATH"
                    .to_owned(),
            )
        })
}

/// `/usr/lib/postgresql/<version>/bin`, the newest first.
fn debian() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

/// A running PostgreSQL; it is killed when this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    place: Place,
    url: String,
}

/// Where it lives and as whom it runs.
#[derive(Debug)]
struct Place {
    binaries: PathBuf,
    folder: PathBuf,
    user: Option<u32>,
}

impl Server {
    /// Starts the server that lives in `folder`, which is made if there is none, and waits until it
    /// answers on `port` of this host; 0 takes a free one.
    ///
    /// # Errors
    ///
    /// When there is no PostgreSQL, or it ends or does not answer; with the end of its log.
    pub async fn start(folder: &Path, port: u16) -> Result<Self, Error> {
        Self::start_in(&find_binaries()?, folder, port).await
    }

    /// As [`Server::start`], with the programs in `binaries`.
    ///
    /// # Errors
    ///
    /// As [`Server::start`].
    pub async fn start_in(binaries: &Path, folder: &Path, port: u16) -> Result<Self, Error> {
        let place = Place::prepare(binaries, folder)?;
        let password = place.initialize().await?;
        let end = Instant::now() + START_TIMEOUT;
        loop {
            let port = if port == 0 { free_port()? } else { port };
            let url = format!(
                "postgres://{ADMINISTRATOR}:{password}@127.0.0.1:{port}/postgres?sslmode=disable"
            );
            match place.serve(port, &url, end).await {
                Ok(child) => return Ok(Self { child, place, url }),
                Err(error) if is_held(&error) && Instant::now() < end => {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The URL of its administrator, password included.
    #[must_use]
    pub fn admin_url(&self) -> &str {
        &self.url
    }

    /// The process id, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until the server ends by itself; says how it did.
    pub async fn wait(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// Asks the server to end, and kills it when it does not.
    pub async fn stop(mut self) {
        let asked = self
            .place
            .program("pg_ctl")
            .args([
                "stop",
                "--silent",
                "--no-wait",
                "--mode",
                "fast",
                "--pgdata",
            ])
            .arg(self.place.data())
            .status()
            .await;
        if asked.is_ok_and(|status| status.success()) {
            let _ = tokio::time::timeout(STOP_TIMEOUT, self.child.wait()).await;
        }
        self.kill().await;
    }

    /// Kills the server: what a crash does.
    pub async fn kill(mut self) {
        let _ = self.child.kill().await;
    }
}

impl Place {
    fn prepare(binaries: &Path, folder: &Path) -> Result<Self, Error> {
        let failed = |error| Error::file(folder, error);
        std::fs::create_dir_all(folder).map_err(failed)?;
        let folder = std::path::absolute(folder).map_err(failed)?;
        let mut place = Self {
            binaries: binaries.to_owned(),
            folder,
            user: None,
        };
        if runs_as_root(&place.folder)? {
            place.user = Some(NOBODY);
        }
        place.give(&place.folder)?;
        std::fs::set_permissions(&place.folder, std::fs::Permissions::from_mode(0o700))
            .map_err(failed)?;
        Ok(place)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("postgres.log")
    }

    /// Gives a file to the user that the server runs as.
    fn give(&self, path: &Path) -> Result<(), Error> {
        let Some(user) = self.user else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(user), Some(user))
            .map_err(|error| Error::file(path, error))
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.binaries.join(name));
        command
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .env_remove("PGDATA")
            .env("LC_ALL", "C");
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }

    /// Makes the cluster unless there is one; answers the administrator's password.
    async fn initialize(&self) -> Result<String, Error> {
        let file = self.folder.join("administrator.password");
        let failed = |error| Error::file(&file, error);
        if self.data().join("PG_VERSION").exists() {
            let password = std::fs::read_to_string(&file).map_err(failed)?;
            return Ok(password.trim().to_owned());
        }
        let password = random_password()?;
        let _ = std::fs::remove_file(&file);
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file)
            .and_then(|mut out| std::io::Write::write_all(&mut out, password.as_bytes()))
            .map_err(failed)?;
        self.give(&file)?;
        let made = self
            .program("initdb")
            .arg("--pgdata")
            .arg(self.data())
            .args([
                "--username",
                ADMINISTRATOR,
                "--auth",
                "scram-sha-256",
                "--encoding",
                "UTF8",
            ])
            .args([
                "--no-locale",
                "--data-checksums",
                "--no-instructions",
                "--pwfile",
            ])
            .arg(&file)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .await
            .map_err(|error| self.cannot_run("initdb", &error))?;
        if made.status.success() {
            return Ok(password);
        }
        Err(Error::Server(format!(
            "cannot make a PostgreSQL cluster in `{}`: {}{}",
            self.folder.display(),
            last_lines(&String::from_utf8_lossy(&made.stderr)),
            self.hint()
        )))
    }

    async fn serve(&self, port: u16, url: &str, end: Instant) -> Result<Child, Error> {
        let log = self.log();
        let failed = |error| Error::file(&log, error);
        let output = std::fs::File::create(&log).map_err(failed)?;
        self.give(&log)?;
        let errors = output.try_clone().map_err(failed)?;
        let mut child = self
            .program("postgres")
            .arg("-D")
            .arg(self.data())
            .args(["-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories="])
            .args(["-c", &format!("port={port}")])
            .stdout(output)
            .stderr(errors)
            // A Ctrl-C in the terminal is for who started the server, who stops it in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| self.cannot_run("postgres", &error))?;
        loop {
            if let Ok(Some(status)) = child.try_wait() {
                let tail = last_lines(&std::fs::read_to_string(&log).unwrap_or_default());
                return Err(Error::Server(format!(
                    "PostgreSQL ended at once ({status}): {tail}"
                )));
            }
            if answers(url).await {
                return Ok(child);
            }
            if Instant::now() > end {
                let tail = last_lines(&std::fs::read_to_string(&log).unwrap_or_default());
                return Err(Error::Server(format!(
                    "PostgreSQL does not answer on port {port}: {tail}"
                )));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn cannot_run(&self, program: &str, error: &std::io::Error) -> Error {
        let path = self.binaries.join(program);
        Error::Server(format!(
            "cannot run `{}`: {error}{}",
            path.display(),
            self.hint()
        ))
    }

    fn hint(&self) -> &'static str {
        if self.user.is_some() {
            "; as root it runs as the user nobody, who must be able to reach that folder and the programs"
        } else {
            ""
        }
    }
}

/// A file that this process makes belongs to its user.
fn runs_as_root(folder: &Path) -> Result<bool, Error> {
    let probe = folder.join(".owner");
    let failed = |error| Error::file(&probe, error);
    let _ = std::fs::remove_file(&probe);
    let owner = std::fs::File::create_new(&probe)
        .and_then(|file| file.metadata())
        .map_err(failed)?
        .uid();
    std::fs::remove_file(&probe).map_err(failed)?;
    Ok(owner == 0)
}

fn free_port() -> Result<u16, Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| Error::Server(format!("no free port: {error}")))
}

async fn answers(url: &str) -> bool {
    let ask = async {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::query("SELECT 1").execute(&mut connection).await?;
        connection.close().await
    };
    matches!(
        tokio::time::timeout(Duration::from_secs(2), ask).await,
        Ok(Ok(()))
    )
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}

/// Whether children of a server that was killed hold on for a moment. The new one says so, unless their own last
/// words have come after it in the log.
fn is_held(error: &Error) -> bool {
    let text = error.to_string();
    ["shared memory", "unexpected postmaster exit"]
        .iter()
        .any(|said| text.contains(said))
}
