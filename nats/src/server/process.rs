//! A nats-server that this process starts and stops.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::Error;

const START_TIMEOUT: Duration = Duration::from_secs(15);
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// The server's binary: `AEGIS_NATS_SERVER`, else `nats-server` on the `PATH`.
///
/// # Errors
///
/// When there is none.
pub fn find_binary() -> Result<PathBuf, Error> {
    if let Some(path) = std::env::var_os("AEGIS_NATS_SERVER") {
        let path = PathBuf::from(path);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(Error::Process(format!(
                "AEGIS_NATS_SERVER names `{}`, where there is no file",
                path.display()
            )))
        };
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join("nats-server"))
        .find(|binary| binary.is_file())
        .ok_or_else(|| {
            Error::Process(
                "no nats-server found: set AEGIS_NATS_SERVER to a binary of 2.15.1 or later, or put it on the PATH"
                    .to_owned(),
            )
        })
}

/// A port of this host that nobody uses at the moment.
///
/// # Errors
///
/// When the operating system gives none.
pub fn free_port() -> Result<u16, Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = listener.and_then(|listener| listener.local_addr());
    address
        .map(|address| address.port())
        .map_err(|source| Error::Io {
            what: "no free port".to_owned(),
            source,
        })
}

/// A running nats-server; it is killed when this is dropped.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    binary: PathBuf,
    url: String,
}

impl ServerProcess {
    /// Writes `configuration` into `directory`, starts the server there and waits until it answers.
    ///
    /// # Errors
    ///
    /// When there is no binary, or the server ends or does not answer; with the end of its log.
    pub async fn start(
        configuration: &str,
        directory: &Path,
        listen: SocketAddr,
    ) -> Result<Self, Error> {
        Self::start_binary(&find_binary()?, configuration, directory, listen).await
    }

    /// As [`ServerProcess::start`], with that binary.
    ///
    /// # Errors
    ///
    /// When the server ends or does not answer; with the end of its log.
    pub async fn start_binary(
        binary: &Path,
        configuration: &str,
        directory: &Path,
        listen: SocketAddr,
    ) -> Result<Self, Error> {
        let file = directory.join("nats-server.conf");
        let log = directory.join("nats-server.log");
        let failed = |what: &str| {
            let what = format!("{what} in `{}`", directory.display());
            move |source| Error::Io { what, source }
        };
        tokio::fs::create_dir_all(directory)
            .await
            .map_err(failed("cannot make a folder"))?;
        tokio::fs::write(&file, configuration)
            .await
            .map_err(failed("cannot write the configuration"))?;
        let output = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(failed("cannot write the log"))?;
        let errors = output.try_clone().map_err(failed("cannot write the log"))?;
        let mut child = Command::new(binary)
            .arg("--config")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            // A Ctrl-C in the terminal is for who started the server, who stops it in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| Error::Io {
                what: format!("cannot start `{}`", binary.display()),
                source,
            })?;
        wait_until_it_answers(&mut child, listen, &log).await?;
        Ok(Self {
            child,
            binary: binary.to_owned(),
            url: format!("nats://{listen}"),
        })
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The process id, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until the server ends by itself.
    ///
    /// # Errors
    ///
    /// When the process cannot be waited for.
    pub async fn wait(&mut self) -> Result<std::process::ExitStatus, Error> {
        self.child.wait().await.map_err(|source| Error::Io {
            what: "cannot wait for nats-server".to_owned(),
            source,
        })
    }

    /// Asks the server to end, and kills it when it does not.
    ///
    /// # Errors
    ///
    /// When it cannot even be killed.
    pub async fn stop(mut self) -> Result<(), Error> {
        if let Some(id) = self.child.id() {
            // The server's own way to send itself SIGTERM: there may be no `kill` on this machine.
            let _ = Command::new(&self.binary)
                .arg("--signal")
                .arg(format!("term={id}"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .await;
            if tokio::time::timeout(STOP_TIMEOUT, self.child.wait())
                .await
                .is_ok()
            {
                return Ok(());
            }
        }
        self.kill().await
    }

    /// Kills the server: what a crash does.
    ///
    /// # Errors
    ///
    /// When that fails.
    pub async fn kill(mut self) -> Result<(), Error> {
        self.child.kill().await.map_err(|source| Error::Io {
            what: "cannot kill nats-server".to_owned(),
            source,
        })
    }
}

async fn wait_until_it_answers(
    child: &mut Child,
    listen: SocketAddr,
    log: &Path,
) -> Result<(), Error> {
    let end = Instant::now() + START_TIMEOUT;
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            let tail = tail(log).await;
            return Err(Error::Process(format!("ended at once ({status}): {tail}")));
        }
        if answers(listen).await {
            return Ok(());
        }
        if Instant::now() > end {
            let tail = tail(log).await;
            return Err(Error::Process(format!(
                "does not answer on {listen}: {tail}"
            )));
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

/// A NATS server speaks first.
async fn answers(listen: SocketAddr) -> bool {
    let greeting = async {
        let mut stream = TcpStream::connect(listen).await?;
        let mut start = [0; 5];
        stream.read_exact(&mut start).await?;
        Ok::<_, std::io::Error>(start)
    };
    let greeting = tokio::time::timeout(Duration::from_secs(1), greeting).await;
    matches!(greeting, Ok(Ok(start)) if &start == b"INFO ")
}

async fn tail(log: &Path) -> String {
    let text = tokio::fs::read_to_string(log).await.unwrap_or_default();
    let lines: Vec<_> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}
