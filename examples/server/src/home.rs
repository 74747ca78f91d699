//! The data directory: what lies where, and who may read it.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{
        DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
    },
    path::{Path, PathBuf},
};

use matrix_architect_core::error::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;

/// The data directory of an installation. Everything in it belongs to one user and nobody else can
/// read it.
#[derive(Clone, Debug)]
pub struct Home(PathBuf);

impl Home {
    /// Opens the directory, creating it with mode 0700 if it is not there.
    ///
    /// # Errors
    /// `Unavailable` if it cannot be created or written.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        create_private(&path)?;
        let path = path.canonicalize().map_err(|cause| unusable(&path, cause))?;
        rustix::fs::access(&path, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)
            .map_err(|cause| unusable(&path, cause.into()))?;
        Ok(Self(path))
    }

    /// The directory itself, absolute.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Jobs, events, queue and records.
    pub fn database(&self) -> PathBuf {
        self.0.join("architect.db")
    }

    /// Content by digest.
    pub fn artifacts(&self) -> PathBuf {
        self.0.join("artifacts")
    }

    /// Checkouts and sandboxes while they are needed.
    pub fn scratch(&self) -> PathBuf {
        self.0.join("scratch")
    }

    /// Dependencies that were fetched before VERIFY.
    pub fn dependencies(&self) -> PathBuf {
        self.0.join("dependencies")
    }

    /// Files that `file://` secret references name.
    pub fn secrets(&self) -> PathBuf {
        self.0.join("secrets")
    }

    /// The signing key.
    pub fn signing_key(&self) -> PathBuf {
        self.0.join("keys/signing.pem")
    }

    /// The public half of the signing key.
    pub fn public_key(&self) -> PathBuf {
        self.0.join("keys/signing.pub.pem")
    }

    /// The token the first start of the server writes.
    pub fn admin_token(&self) -> PathBuf {
        self.0.join("admin-token")
    }

    /// What the server lets requests name on this machine.
    pub fn server_file(&self) -> PathBuf {
        self.0.join("server.toml")
    }

    /// What the built-in policy does differently here.
    pub fn policy_file(&self) -> PathBuf {
        self.0.join("policy.toml")
    }

    /// How git is run here, and which servers it trusts.
    pub fn git_file(&self) -> PathBuf {
        self.0.join("git.toml")
    }

    /// A job's attestation, as a file for other tools.
    pub fn attestation(&self, job: &str) -> PathBuf {
        self.0.join("attestations").join(format!("{job}.dsse.json"))
    }
}

/// Creates a directory that only its owner can enter, with its parents.
///
/// # Errors
/// `Unavailable` if it cannot be created.
pub fn create_private(path: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(path).map_err(|cause| unusable(path, cause))
}

/// Writes a file whole or not at all: beside its place, to the disk, then under its name.
///
/// # Errors
/// `Unavailable` if the disk does not take it.
pub fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    create_private(folder)?;
    sweep(path);
    let beside = folder.join(format!("{}{}", beside(path), std::process::id()));
    let write = || -> std::io::Result<()> {
        let mut file = taken(&beside, mode)?;
        file.set_len(0)?;
        // An existing file keeps its mode on open, and the umask may have taken bits away.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        fs::File::open(folder)?.sync_all()
    };
    write().map_err(|cause| {
        // Best effort: the half-written file is not under its name either way.
        let _ = fs::remove_file(&beside);
        unusable(path, cause)
    })
}

/// How names of files begin that are to take the place of this one.
fn beside(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    format!(".{}.", name.unwrap_or_default())
}

/// Opens a file for itself alone. Whoever holds it has it locked, until it has another name.
fn taken(beside: &Path, mode: u32) -> std::io::Result<fs::File> {
    loop {
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(mode).open(beside)?;
        file.lock()?;
        // It was there for a moment without being locked, and may have been swept away.
        let found = fs::metadata(beside).map(|found| found.ino()).ok();
        if found == Some(file.metadata()?.ino()) {
            return Ok(file);
        }
    }
}

/// Removes what writers that died have left beside a file. What somebody still writes is locked,
/// and stays.
pub(crate) fn sweep(path: &Path) {
    let start = beside(path);
    let is_left = |name: &str| {
        name.strip_prefix(&start).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_file || !entry.file_name().to_str().is_some_and(is_left) {
            continue;
        }
        // Best effort: it opens nothing, and the next start looks again.
        if let Ok(file) = fs::File::open(entry.path())
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Reads a file that must not be open to others.
///
/// # Errors
/// `Denied` if its mode lets anybody but the owner read it, `Unavailable` if it cannot be read.
pub fn read_private(path: &Path) -> Result<Vec<u8>> {
    let mode = fs::metadata(path).map_err(|cause| unusable(path, cause))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(Error::new(ErrorKind::Denied, "others can read a file that must be private")
            .context("path", path.display())
            .context("mode", format!("{:04o}", mode & 0o7777))
            .advice(format!("run: chmod 600 {}", path.display())));
    }
    fs::read(path).map_err(|cause| unusable(path, cause))
}

/// Reads a file of settings; one that is not there says nothing.
///
/// # Errors
/// `Invalid` with line and column if the file says something unknown.
pub fn read_toml<T: Default + DeserializeOwned>(path: &Path) -> Result<T> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(T::default()),
        Err(cause) => return Err(unusable(path, cause)),
    };
    toml::from_str(&text).map_err(|cause| {
        Error::invalid(format!("the file is not legible: {}", one_line(&cause.to_string())))
            .context("path", path.display())
            .advice("correct the file or remove it")
    })
}

/// What a TOML reader says over several lines, in one.
pub(crate) fn one_line(text: &str) -> String {
    let lines = text.lines().map(|line| line.trim_matches([' ', '|'])).filter(|line| {
        !line.is_empty() && !line.chars().all(|char| matches!(char, '^' | '-' | ' '))
    });
    lines.collect::<Vec<_>>().join("; ")
}

/// An error of the file system, told as what was attempted and what to do.
pub(crate) fn unusable(path: &Path, cause: std::io::Error) -> Error {
    let (message, advice) = match cause.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            ("the disk is full", "free some space and run the same command again")
        }
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            ("no permission to write there", "give --data DIR with a directory of your own")
        }
        std::io::ErrorKind::NotADirectory | std::io::ErrorKind::AlreadyExists => {
            ("there is a file where a directory is needed", "give --data DIR with another path")
        }
        _ => ("the file system refused", "check the path"),
    };
    Error::new(ErrorKind::Unavailable, message)
        .context("path", path.display())
        .advice(advice)
        .source(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_directory_is_private_from_its_first_moment() {
        let base = tempfile::tempdir().unwrap();
        let home = Home::open(base.path().join("a/b")).unwrap();
        assert_eq!(fs::metadata(home.path()).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join("file"), "").unwrap();
        let error = Home::open(base.path().join("file/data")).unwrap_err();
        assert!(error.to_string().contains("file where a directory is needed"), "{error}");
    }

    #[test]
    fn what_a_dead_writer_left_is_swept_and_nothing_else() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("key");
        let names = [".key.4711", ".key.12", ".key.old", ".keys.4711", "key.4711"];
        for name in &names {
            fs::write(base.path().join(name), "half").unwrap();
        }
        let held = taken(&base.path().join(".key.12"), 0o600).unwrap();
        write_atomically(&path, b"x", 0o600).unwrap();
        let left = |name: &&&str| base.path().join(name).exists();
        let left: Vec<_> = names.iter().filter(left).collect();
        assert_eq!(left, [&".key.12", &".key.old", &".keys.4711", &"key.4711"]);
        drop(held);
        sweep(&path);
        assert!(!base.path().join(".key.12").exists() && path.exists());
    }

    #[test]
    fn whoever_writes_the_same_file_at_once_waits_for_the_other() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("key");
        std::thread::scope(|scope| {
            for text in ["one", "two", "three"].repeat(20) {
                let path = &path;
                scope.spawn(move || write_atomically(path, text.as_bytes(), 0o600).unwrap());
            }
        });
        let text = fs::read_to_string(&path).unwrap();
        assert!(["one", "two", "three"].contains(&text.as_str()), "{text}");
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_remedy() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("key");
        write_atomically(&path, b"x", 0o600).unwrap();
        assert_eq!(read_private(&path).unwrap(), b"x");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read_private(&path).unwrap_err().to_string().contains("chmod 600"));
    }
}
