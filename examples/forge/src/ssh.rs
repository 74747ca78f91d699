//! OpenSSH's server.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    forge::{as_nobody, key_pair},
    process::{Daemon, as_root, run},
};

/// An `sshd` that lets one key in, and whoever has it do nothing but git.
#[derive(Debug)]
pub struct SshServer {
    daemon: Daemon,
    folder: TempDir,
    repositories: PathBuf,
    user: String,
    key: String,
    host_key: String,
    begun: usize,
}

impl SshServer {
    pub(crate) fn start(repositories: &Path, more: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("forge-ssh-").tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let (_, host_key) = key_pair(&at("host"), "");
        let (key, public) = key_pair(&at("user"), "");
        fs::write(at("authorized"), public).expect("a folder of ours");
        fs::write(at("serve"), serve()).expect("a folder of ours");
        fs::set_permissions(at("serve"), fs::Permissions::from_mode(0o755))
            .expect("a file of ours");
        if as_root() {
            // Where Debian's service has it made, which does not run.
            fs::create_dir_all("/run/sshd").expect("root makes folders");
        }
        let path = folder.path().display().to_string();
        let daemon = Daemon::start(|port| {
            let config = at("sshd_config");
            fs::write(&config, settings(&path, port) + more).expect("a folder of ours");
            let mut command = Command::new("/usr/sbin/sshd");
            // Without -e it would write to the machine's log.
            command.args(["-D", "-f"]).arg(config).arg("-E").arg(at("log"));
            command
        });
        let user = run(Command::new("id").arg("-un"));
        let repositories = repositories.to_owned();
        let mut server = Self { daemon, folder, repositories, user, key, host_key, begun: 0 };
        // The look whether it listens was a connection, too.
        assert!(server.logs(" by 127.0.0.1"), "sshd keeps no log: {}", server.log());
        server.begun = server.log().len();
        server
    }

    /// `HOST:PORT`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.daemon.port)
    }

    /// The URL of a repository, by its name. Whoever asks for `silent` gets no answer, ever.
    pub fn url(&self, repository: &str) -> String {
        let path = self.repositories.join(repository);
        format!("ssh://{}@{}{}", self.user, self.host(), path.display())
    }

    /// The private key that is let in.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// A private key that nobody let in, behind that passphrase.
    pub fn other_key(&self, passphrase: &str) -> String {
        let file = self.folder.path().join(format!("other-{}", passphrase.len()));
        key_pair(&file, passphrase).0
    }

    /// A file that names this server's key, as `ssh-keyscan` would write it.
    pub fn known_hosts(&self) -> PathBuf {
        self.hosts("known hosts", &self.host_key)
    }

    /// A file that names another key for this server.
    pub fn changed_known_hosts(&self) -> PathBuf {
        let (_, other) = key_pair(&self.folder.path().join("other-host"), "");
        self.hosts("changed hosts", &other)
    }

    fn hosts(&self, name: &str, key: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        let mut words = key.split(' ');
        let (kind, text) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let port = self.daemon.port;
        fs::write(&file, format!("[127.0.0.1]:{port} {kind} {text}\n")).expect("a folder of ours");
        file
    }

    /// Whether the server wrote that down. It answers its clients first, so this waits for it.
    pub fn logs(&self, text: &str) -> bool {
        let patience = Instant::now() + Duration::from_secs(20);
        while !self.log().contains(text) {
            if Instant::now() > patience {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }

    /// How many connections came, each written down before it is answered.
    pub fn connections(&self) -> usize {
        self.log().matches("Connection from").count()
    }

    /// What the server wrote down so far, with every key that was shown to it.
    pub fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        log.get(self.begun..).unwrap_or_default().to_owned()
    }
}

fn settings(folder: &str, port: u16) -> String {
    format!(
        "ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/host\nPidFile none\n\
         AuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\n\
         PasswordAuthentication yes\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n\
         AllowTcpForwarding no\nLogLevel VERBOSE\nForceCommand {folder}/serve\n"
    )
}

/// What a client's command is handed to. A password is offered, so that a client that would ask its
/// user for one shows it.
fn serve() -> String {
    let nobody = as_nobody().join(" ");
    format!(
        "#!/bin/sh\n\
         export PATH=/usr/local/bin:/usr/bin:/bin HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1\n\
         export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'\n\
         case $SSH_ORIGINAL_COMMAND in *silent*) exec cat >/dev/null ;; esac\n\
         exec {nobody} git-shell -c \"$SSH_ORIGINAL_COMMAND\"\n"
    )
}
