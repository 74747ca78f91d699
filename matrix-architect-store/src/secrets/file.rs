//! Secrets from files that only their owner can read.

use std::{
    fs::File,
    io::Read as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    secret::{Scope, Secret, SecretRef},
    traits::SecretStore,
};
use rustix::{
    fs::{Mode, OFlags, ResolveFlags},
    io::Errno,
};
use zeroize::Zeroizing;

use super::{unknown, unsupported};
use crate::blocking::blocking;

const SCHEME: &str = "file";
/// More than any key or token; a file beyond it is something else.
const MAX_BYTES: usize = 64 * 1024;

/// `file:///path`: the content of that file, below a directory and nowhere else.
///
/// The path is taken as it stands, without percent-decoding. A job can name any path, so a file is
/// read only if all of this holds:
/// - it is below the directory, also after symbolic links;
/// - it is a regular file of at most 64 KiB, and not empty;
/// - it belongs to this process's user or to root;
/// - nobody but its owner has any right to it (mode 0600 or 0400).
///
/// One trailing end of line is no part of the value. Nothing is cached: a rotated secret is seen by
/// the next call.
#[derive(Clone, Debug)]
pub struct FileSecrets {
    root: PathBuf,
    per_tenant: bool,
}

impl FileSecrets {
    /// Secrets below this absolute directory; all tenants see the same ones.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), per_tenant: false }
    }

    /// Secrets below `root/TENANT`, where each tenant finds only its own.
    pub fn per_tenant(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), per_tenant: true }
    }
}

#[async_trait]
impl SecretStore for FileSecrets {
    async fn get(&self, scope: &Scope, reference: &SecretRef) -> Result<Secret> {
        if reference.scheme() != SCHEME {
            return Err(unsupported(reference, &[SCHEME]));
        }
        let path = Path::new(reference.locator()).strip_prefix(&self.root).map_err(|_| {
            denied(reference, "the file is not below the secrets' directory")
                .context("directory", self.root.display())
                .advice("keep the secret below that directory, or configure another one")
        })?;
        // Another tenant's directory does not exist for this one.
        let path = if self.per_tenant {
            path.strip_prefix(scope.tenant.as_str()).map_err(|_| unknown(reference))?
        } else {
            path
        };
        let root =
            if self.per_tenant { self.root.join(scope.tenant.as_str()) } else { self.root.clone() };
        let (path, reference) = (path.to_owned(), reference.clone());
        blocking(move || read(open(&root, &path, &reference)?, &reference)).await
    }
}

/// Opens a file below a directory; the kernel sees to it that no link leads out of it.
fn open(root: &Path, path: &Path, reference: &SecretRef) -> Result<File> {
    let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    // A pipe must not be waited for.
    let file = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::open(root, folder, Mode::empty())
        .and_then(|root| rustix::fs::openat2(root, path, file, Mode::empty(), beneath))
        .map(File::from)
        .map_err(|errno| match errno {
            Errno::NOENT | Errno::NOTDIR => unknown(reference).advice("create the file"),
            Errno::XDEV | Errno::LOOP => {
                denied(reference, "the path leads out of the secrets' directory")
                    .advice("put the file itself there, not a link to it")
            }
            Errno::ACCESS | Errno::PERM => denied(reference, "the file may not be read")
                .advice("let the user that runs this own the file"),
            Errno::NOSYS => Error::new(ErrorKind::Unsupported, "the kernel has no openat2")
                .advice("use Linux 5.6 or later, or secrets from the environment"),
            _ => Error::new(ErrorKind::Unavailable, "cannot open the secret's file")
                .context("reference", reference)
                .advice("check the disk it is on"),
        })
        .map_err(|error| error.operation("secret_store.get"))
}

fn read(mut file: File, reference: &SecretRef) -> Result<Secret> {
    let failed = |source| {
        Error::new(ErrorKind::Unavailable, "cannot read the secret's file")
            .context("reference", reference)
            .advice("check the disk it is on")
            .source(source)
    };
    let meta = file.metadata().map_err(failed)?;
    if !meta.is_file() {
        return Err(denied(reference, "the path is no regular file"));
    }
    if meta.mode() & 0o077 != 0 {
        return Err(denied(reference, "others than its owner have rights to the secret's file")
            .code("secret_exposed")
            .context("mode", format_args!("{:04o}", meta.mode() & 0o7777))
            .advice("set its mode to 0600, and replace the secret if others may have read it"));
    }
    let me = rustix::process::geteuid().as_raw();
    if meta.uid() != me && meta.uid() != 0 {
        return Err(denied(reference, "the secret's file belongs to another user")
            .context("owner", meta.uid())
            .advice("let the user that runs this, or root, own the file"));
    }
    // Room for all at once: a vector that grows leaves copies behind.
    let mut value = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
    file.by_ref().take(MAX_BYTES as u64 + 1).read_to_end(&mut value).map_err(failed)?;
    if value.len() > MAX_BYTES {
        return Err(Error::invalid("the secret's file is too large")
            .context("reference", reference)
            .context("cap", MAX_BYTES));
    }
    let value = without_end_of_line(std::mem::take(&mut value));
    if value.is_empty() {
        return Err(Error::invalid("the secret's file is empty").context("reference", reference));
    }
    Ok(Secret::new(value))
}

/// Editors end a file with a line end; a secret has none.
pub(super) fn without_end_of_line(mut value: Vec<u8>) -> Vec<u8> {
    if value.last() == Some(&b'\n') {
        value.pop();
        if value.last() == Some(&b'\r') {
            value.pop();
        }
    }
    value
}

fn denied(reference: &SecretRef, message: &'static str) -> Error {
    Error::new(ErrorKind::Denied, message).context("reference", reference)
}
