//! The folder that is served.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::{
    HttpsServer, Repository, SshServer,
    process::{as_root, give_away, run},
};

/// What has to be there, and the package it comes from.
const PROGRAMS: [(&str, &str); 5] = [
    ("/usr/sbin/sshd", "openssh-server"),
    ("/usr/bin/ssh", "openssh-client"),
    ("/usr/sbin/apache2", "apache2-bin"),
    ("/usr/bin/openssl", "openssl"),
    ("/usr/bin/setpriv", "util-linux"),
];

/// A folder of repositories, and what is needed to serve it.
#[derive(Debug)]
pub struct Forge {
    folder: TempDir,
}

impl Forge {
    /// An empty one, or none where something is not installed, which is said aloud. With `ARCHITECT_CI`
    /// set nothing may be missing.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    pub fn find() -> Option<Self> {
        match Self::open() {
            Ok(forge) => Some(forge),
            Err(why) => {
                let may = std::env::var_os("ARCHITECT_CI").is_none();
                assert!(may, "must not be skipped here: {why}");
                eprintln!("SKIPPED: {why}");
                None
            }
        }
    }

    /// An empty one.
    ///
    /// # Errors
    /// What is not installed here.
    pub fn open() -> Result<Self, String> {
        for (program, package) in PROGRAMS {
            if !Path::new(program).exists() {
                return Err(format!("{program} is missing: apt-get install {package}"));
            }
        }
        let git = Command::new("git").arg("--exec-path").output();
        let folder = git.ok().map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        if !folder.is_some_and(|path| Path::new(path.trim()).join("git-http-backend").exists()) {
            return Err("git with git-http-backend is missing: apt-get install git".to_owned());
        }
        let folder =
            tempfile::Builder::new().prefix("forge-").tempdir().map_err(|e| e.to_string())?;
        // Nobody has to get through.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))
            .map_err(|e| e.to_string())?;
        fs::create_dir(folder.path().join("repositories")).map_err(|e| e.to_string())?;
        give_away(folder.path());
        Ok(Self { folder })
    }

    /// A new, empty, bare repository of that name, such as `app.git`.
    pub fn repository(&self, name: &str) -> Repository {
        Repository::new(self.repositories().join(name))
    }

    /// Serves the folder over https, with a certificate by an authority of its own.
    pub fn https(&self) -> HttpsServer {
        HttpsServer::start(&self.repositories())
    }

    /// Serves the folder over ssh, with a host key of its own.
    pub fn ssh(&self) -> SshServer {
        SshServer::start(&self.repositories(), "AcceptEnv GIT_PROTOCOL\n")
    }

    /// The same as Debian's settings have it: it never hears which protocol git would like to speak,
    /// so it speaks the oldest, which gives out nothing but the tips of branches.
    pub fn old_fashioned_ssh(&self) -> SshServer {
        SshServer::start(&self.repositories(), "")
    }

    /// Where the repositories are.
    pub fn repositories(&self) -> PathBuf {
        self.folder.path().join("repositories")
    }
}

/// A private key for ssh, with or without a passphrase, and its public half.
pub(crate) fn key_pair(file: &Path, passphrase: &str) -> (String, String) {
    let name = file.display().to_string();
    // It would ask before it overwrites one.
    let _ = fs::remove_file(file);
    run(Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-C", "forge"])
        .args(["-N", passphrase, "-f", &name]));
    let read = |path: &Path| fs::read_to_string(path).expect("a key that was just made");
    (read(file), read(&file.with_extension("pub")))
}

/// What follows a program's name so that it runs as nobody, if we are root.
pub(crate) fn as_nobody() -> &'static [&'static str] {
    if as_root() {
        &["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    } else {
        &[]
    }
}
