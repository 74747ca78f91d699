//! What the tests stand on: a sandbox, and eyes on the host.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use matrix_architect_core::{
    conformance::{
        Harness, Serves,
        sandbox::{Isolates, Programs},
    },
    time::Timestamp,
    traits::{Limits, Sandbox},
};
use matrix_architect_sandbox::{
    bwrap::{BwrapConfig, BwrapSandbox},
    native::{CgroupUse, NativeConfig},
};

/// A fresh sandbox, its directory and a secret on the host.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) sandbox: BwrapSandbox,
    directory: tempfile::TempDir,
    secret: tempfile::NamedTempFile,
}

impl Ground {
    /// Says aloud that bubblewrap is missing, if it is.
    pub(crate) fn find() -> Option<Self> {
        let installed = std::path::Path::new("/usr/bin/bwrap").is_file();
        if !installed {
            let must = std::env::var_os("ARCHITECT_CI").is_some_and(|value| !value.is_empty());
            assert!(!must, "must not be skipped here: bubblewrap is not installed");
            eprintln!("SKIPPED: bubblewrap is not installed");
        }
        installed.then(Self::new)
    }

    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let secret = tempfile::NamedTempFile::new().unwrap();
        fs::write(&secret, "the host's secret").unwrap();
        let config = BwrapConfig::in_directory(directory.path());
        Self { sandbox: BwrapSandbox::new(config).unwrap(), directory, secret }
    }
}

#[async_trait]
impl Harness for Ground {
    async fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    async fn elapse(&mut self, _duration: Duration) {}

    async fn reopen(&mut self) {}
}

impl Serves<dyn Sandbox> for Ground {
    fn backend(&self) -> Arc<dyn Sandbox> {
        Arc::new(self.sandbox.clone())
    }
}

#[async_trait]
impl Isolates for Ground {
    fn hidden(&self) -> Vec<PathBuf> {
        let mut hidden = vec![self.secret.path().to_owned(), std::env::current_exe().unwrap()];
        hidden.extend(["/var/lib", "/run", "/sys/kernel", "/etc/shadow"].map(PathBuf::from));
        hidden.retain(|path| path.exists());
        hidden
    }

    fn beyond_its_means(&self) -> Option<(Arc<dyn Sandbox>, Limits)> {
        let native = NativeConfig::default().cgroups(CgroupUse::Off);
        let config = BwrapConfig::in_directory(self.directory.path()).native(native);
        Some((Arc::new(BwrapSandbox::new(config).unwrap()), Limits::default()))
    }

    /// Processes that see the sandbox's directory mounted, and folders of sessions in it.
    async fn leftovers(&self) -> Vec<String> {
        let directory = self.directory.path().display().to_string();
        let mut left = Vec::new();
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let mounts = fs::read_to_string(process.path().join("mountinfo")).unwrap_or_default();
            if mounts.contains(&directory) {
                left.push(format!("process {}", process.file_name().display()));
            }
        }
        for space in fs::read_dir(self.directory.path()).unwrap().flatten() {
            let folders = fs::read_dir(space.path()).into_iter().flatten().flatten();
            let folders = folders.filter(|folder| folder.file_name() != "lock");
            left.extend(folders.map(|folder| folder.path().display().to_string()));
        }
        left
    }

    fn programs(&self) -> Option<Programs> {
        None
    }
}
