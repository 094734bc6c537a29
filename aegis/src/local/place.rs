//! The demo's folder: its own, one demo at a time, and gone with `--clean`.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aegis_schemas::Digest;
use anyhow::{Context, Result, bail};

/// Marks a folder that the demo made and may remove.
const MARK: &str = ".aegis-demo";

/// The folder, which is this demo's alone while this value lives.
#[derive(Debug)]
pub struct Place {
    dir: PathBuf,
    postgres: PathBuf,
    _lock: File,
}

impl Place {
    /// Makes the folder anew.
    ///
    /// # Errors
    ///
    /// When it is somebody else's, another demo runs in it, or it cannot be written.
    pub fn take(dir: &Path) -> Result<Self> {
        let dir = std::path::absolute(dir)?;
        let lock = lock(&dir)?;
        empty(&dir)?;
        fs::create_dir_all(dir.join("logs"))?;
        let postgres = match outside(&dir)? {
            Some(folder) => {
                remove(&folder)?;
                // Not one that somebody else put there: this fails if there is one.
                fs::create_dir(&folder)
                    .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
                folder
            }
            None => dir.join("postgres"),
        };
        Ok(Self {
            dir,
            postgres,
            _lock: lock,
        })
    }

    /// The folder of the installation.
    #[must_use]
    pub fn installation(&self) -> PathBuf {
        self.dir.join("aegis")
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.installation().join("aegis.toml")
    }

    /// The folder of the logs.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    /// The operator's sign-in.
    #[must_use]
    pub fn session(&self) -> PathBuf {
        self.dir.join("session.json")
    }

    /// The kubeconfig files of the simulated cluster.
    #[must_use]
    pub fn kubeconfigs(&self) -> PathBuf {
        self.dir.join("kube")
    }

    /// PostgreSQL's data.
    #[must_use]
    pub fn postgres(&self) -> &Path {
        &self.postgres
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.dir
    }
}

/// Removes the folder.
///
/// # Errors
///
/// When it is somebody else's or a demo runs in it.
pub fn clean(dir: &Path) -> Result<()> {
    let dir = std::path::absolute(dir)?;
    if !dir.exists() {
        eprintln!("nothing to remove: there is no `{}`", dir.display());
        return Ok(());
    }
    let _lock = lock(&dir)?;
    if let Some(folder) = outside(&dir)? {
        remove(&folder)?;
    }
    fs::remove_dir_all(&dir).with_context(|| format!("cannot remove `{}`", dir.display()))?;
    eprintln!("removed {}", dir.display());
    Ok(())
}

fn lock(dir: &Path) -> Result<File> {
    let mark = dir.join(MARK);
    let foreign = !mark.exists() && fs::read_dir(dir).is_ok_and(|mut found| found.next().is_some());
    if foreign {
        bail!(
            "`{}` is no folder of the demo; name another with --dir",
            dir.display()
        );
    }
    fs::create_dir_all(dir)
        .with_context(|| format!("cannot make the folder `{}`", dir.display()))?;
    let opened = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&mark);
    let file = opened.with_context(|| format!("cannot write `{}`", mark.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another demo runs in `{}`; stop it, or name another folder with --dir and other ports with --port",
            dir.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock `{}`", mark.display()))
        }
    }
}

/// Where PostgreSQL's data is if it cannot be in `dir`: started by root it runs as another user, who
/// cannot reach a folder in root's home.
fn outside(dir: &Path) -> Result<Option<PathBuf>> {
    let mark = dir.join(MARK).metadata()?;
    let open_to_all = |folder: &Path| {
        folder
            .metadata()
            .is_ok_and(|found| found.permissions().mode() & 0o001 != 0)
    };
    if mark.uid() != 0 || dir.ancestors().all(open_to_all) {
        return Ok(None);
    }
    let name = Digest::of(dir.as_os_str().as_encoded_bytes()).to_string();
    Ok(Some(
        Path::new("/var/tmp").join(format!("aegis-{}", &name[..16])),
    ))
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove `{}`", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Removes everything but the mark, which is locked.
fn empty(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.ends_with(MARK) {
            continue;
        }
        let removed = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.with_context(|| format!("cannot remove `{}`", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn a_folder_of_somebody_else_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("thesis.txt"), "years of work").unwrap();
        assert!(Place::take(home.path()).is_err());
        assert!(clean(home.path()).is_err());
        assert!(home.path().join("thesis.txt").exists());
    }

    #[test]
    fn one_demo_at_a_time_and_then_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap().path().join("demo");
        let place = Place::take(&dir).unwrap();
        let second = Place::take(&dir).unwrap_err().to_string();
        assert!(second.contains("another demo"), "{second}");
        drop(place);
        clean(&dir).unwrap();
        assert!(!dir.exists());
    }
}
