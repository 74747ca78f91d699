//! How an installation runs git, and whom it trusts.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::ssh::{self, quoted};
use crate::error::{Error, Result};

/// How an installation runs git and whom it trusts. It is the operator's word: nothing of a job or
/// of a repository ever gets here.
///
/// ```
/// use matrix_architect_core::git::GitAccess;
///
/// let access = GitAccess {
///     ssh_known_hosts: Some("/etc/architect/known_hosts".into()),
///     ca_file: Some("/etc/architect/ca.pem".into()),
///     ..GitAccess::default()
/// };
/// access.validate()?;
/// # Ok::<(), matrix_architect_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GitAccess {
    /// The git program. Default `git`, found on `path`.
    pub program: PathBuf,
    /// Where git finds itself, `sh` and `ssh`; it gets nothing of the process' own environment.
    /// Default the usual system folders.
    pub path: String,
    /// The file of host keys that ssh trusts, and no other. Default ssh's own: `~/.ssh/known_hosts`
    /// of the process' user and `/etc/ssh/ssh_known_hosts`. A server whose key is in neither is
    /// refused; none is ever added.
    pub ssh_known_hosts: Option<PathBuf>,
    /// ssh's configuration, such as one with a `ProxyJump`. Default none: neither the user's nor the
    /// machine's is read.
    pub ssh_config: Option<PathBuf>,
    /// The certificates of the authorities that https trusts, in PEM; put in all that are needed.
    /// Default the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether unencrypted `http` is spoken. Default no.
    pub allow_http: bool,
    /// Further git settings, such as `http.proxy`. Default none.
    pub settings: BTreeMap<String, String>,
    /// Seconds that one exchange with a server may take. Default 1800.
    pub max_seconds: u64,
    /// Bytes of the largest file that an exchange may leave, such as a pack. Default 8 GiB.
    pub max_bytes: u64,
}

impl Default for GitAccess {
    fn default() -> Self {
        Self {
            program: "git".into(),
            path: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            ssh_known_hosts: None,
            ssh_config: None,
            ca_file: None,
            allow_http: false,
            settings: BTreeMap::new(),
            max_seconds: 1800,
            max_bytes: 8 << 30,
        }
    }
}

/// What is the same in every installation: no hook, no helper, no filter, no prompt.
const FIXED: [(&str, &str); 28] = [
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.askPass", ""),
    ("core.attributesFile", "/dev/null"),
    ("core.excludesFile", "/dev/null"),
    ("core.symlinks", "true"),
    ("core.protectNTFS", "true"),
    ("core.protectHFS", "true"),
    ("credential.helper", ""),
    ("protocol.allow", "never"),
    ("protocol.ext.allow", "never"),
    ("protocol.https.allow", "always"),
    ("protocol.ssh.allow", "always"),
    ("protocol.file.allow", "always"),
    ("safe.directory", "*"),
    ("submodule.recurse", "false"),
    ("fetch.recurseSubmodules", "false"),
    ("push.recurseSubmodules", "no"),
    ("transfer.fsckObjects", "true"),
    ("transfer.credentialsInUrl", "die"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("http.sslVerify", "true"),
    // Servers move repositories by redirects; curl gives another host no credentials.
    ("http.followRedirects", "initial"),
    // Else a server could ask for the tickets of whoever runs the process.
    ("http.emptyAuth", "false"),
    ("http.proactiveAuth", "none"),
    // A server that stops talking for a minute is down.
    ("http.lowSpeedLimit", "1"),
    ("http.lowSpeedTime", "60"),
];

impl GitAccess {
    /// Checks each field.
    ///
    /// # Errors
    /// `Invalid`, naming the field.
    pub fn validate(&self) -> Result<()> {
        let wrong =
            |message: &'static str, field| Err(Error::invalid(message).context("field", field));
        if self.program.as_os_str().is_empty() {
            return wrong("the git program is empty", "program");
        }
        for (field, file) in self.files() {
            let text = file.to_str().unwrap_or("");
            if !file.is_absolute() || text.contains(['"', '\n', '\0']) {
                return wrong("not the absolute path of a file, or one with quotes", field);
            }
        }
        for (name, value) in &self.settings {
            let legal =
                |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '/' | ':' | '_');
            if !name.contains('.') || !name.chars().all(legal) || value.contains('\0') {
                return wrong("not a git setting such as http.proxy", "settings")
                    .map_err(|error: Error| error.context("setting", name));
            }
        }
        if self.max_seconds == 0 {
            return wrong("no time is left for anything", "max_seconds");
        }
        if self.max_bytes == 0 {
            return wrong("no room is left for anything", "max_bytes");
        }
        Ok(())
    }

    /// The files it names, with the fields they stand in, so that whoever may look can see that they
    /// are there.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let named = [
            ("ssh_known_hosts", &self.ssh_known_hosts),
            ("ssh_config", &self.ssh_config),
            ("ca_file", &self.ca_file),
        ];
        named.into_iter().filter_map(|(field, file)| Some((field, file.as_deref()?)))
    }

    /// How long one exchange with a server may take.
    pub const fn patience(&self) -> Duration {
        Duration::from_secs(self.max_seconds)
    }

    /// The only configuration file that git reads.
    pub fn gitconfig(&self) -> String {
        let http = ("protocol.http.allow", if self.allow_http { "always" } else { "never" });
        let ca = self.ca_file.as_ref().map(|file| file.display().to_string());
        let ca = ca.iter().map(|file| ("http.sslCAInfo", file.as_str()));
        let operators = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut text = String::new();
        for (name, value) in FIXED.into_iter().chain([http]).chain(ca).chain(operators) {
            let (section, key) = name.rsplit_once('.').unwrap_or((name, ""));
            let section = match section.split_once('.') {
                Some((section, sub)) => format!("{section} {}", escaped(sub)),
                None => section.to_owned(),
            };
            let _ = writeln!(text, "[{section}]\n\t{key} = {}", escaped(value));
        }
        text
    }

    /// All that git finds in its environment, beside the repository it runs in. `home` holds the
    /// [`gitconfig`](Self::gitconfig) under that name; `protocol` is the one transport it may use,
    /// none if empty; `credential` is a file with the [`credential`](super::credential), which the
    /// environment names and does not hold.
    pub fn environment(
        &self,
        home: &Path,
        protocol: &str,
        credential: Option<&Path>,
    ) -> Vec<(&'static str, OsString)> {
        let key = credential.filter(|_| protocol == "ssh");
        let mut all: Vec<(&'static str, OsString)> = vec![
            ("PATH", self.path.clone().into()),
            ("HOME", home.into()),
            ("XDG_CONFIG_HOME", home.into()),
            // Messages are matched in `failure`.
            ("LC_ALL", "C".into()),
            ("GIT_CONFIG_NOSYSTEM", "1".into()),
            ("GIT_CONFIG_GLOBAL", home.join("gitconfig").into()),
            ("GIT_ATTR_NOSYSTEM", "1".into()),
            ("GIT_TERMINAL_PROMPT", "0".into()),
            ("GIT_ASKPASS", "".into()),
            ("SSH_ASKPASS_REQUIRE", "never".into()),
            ("GIT_ALLOW_PROTOCOL", protocol.into()),
            ("GIT_NO_LAZY_FETCH", "1".into()),
            ("GIT_NO_REPLACE_OBJECTS", "1".into()),
            ("GIT_OPTIONAL_LOCKS", "0".into()),
            ("GIT_SSH_COMMAND", ssh::command(self, key).into()),
            ("GIT_SSH_VARIANT", "ssh".into()),
            // Without it git would look for a repository above the directory it runs in.
            ("GIT_CEILING_DIRECTORIES", home.parent().unwrap_or(home).into()),
        ];
        if let Some(file) = credential.filter(|_| protocol.starts_with("http")) {
            let helper = format!("store --file={}", quoted(&file.display().to_string()));
            all.push(("GIT_CONFIG_COUNT", "1".into()));
            all.push(("GIT_CONFIG_KEY_0", "credential.helper".into()));
            all.push(("GIT_CONFIG_VALUE_0", helper.into()));
        }
        all
    }
}

/// In double quotes, as git's configuration files want it.
fn escaped(value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{value}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(access: &GitAccess, protocol: &str, credential: Option<&str>, name: &str) -> String {
        let all = access.environment(Path::new("/h/d0"), protocol, credential.map(Path::new));
        let found = all.into_iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| value.into_string().unwrap()).unwrap_or_default()
    }

    #[test]
    fn a_secret_is_named_to_the_transport_it_is_for_and_to_no_other() {
        let access = GitAccess::default();
        let helper = value(&access, "https", Some("/s"), "GIT_CONFIG_VALUE_0");
        assert_eq!(helper, "store --file='/s'");
        assert!(!value(&access, "https", Some("/s"), "GIT_SSH_COMMAND").contains("-i"));
        assert_eq!(value(&access, "ssh", Some("/s"), "GIT_CONFIG_VALUE_0"), "");
        assert_eq!(value(&access, "file", Some("/s"), "GIT_CONFIG_VALUE_0"), "");
        for protocol in ["https", "ssh", "file", ""] {
            assert_eq!(value(&access, protocol, None, "GIT_ALLOW_PROTOCOL"), protocol);
        }
    }

    #[test]
    fn files_are_named_by_absolute_paths() {
        for file in ["known_hosts", "/etc/with\"quote"] {
            let access = GitAccess { ssh_known_hosts: Some(file.into()), ..GitAccess::default() };
            let error = access.validate().unwrap_err();
            assert_eq!(error.context_value("field"), Some("ssh_known_hosts"));
        }
    }

    #[test]
    fn the_operators_settings_come_after_ours() {
        let settings = [("http.proxy".to_owned(), "http://p \"x\"".to_owned())].into();
        let access = GitAccess { settings, ca_file: Some("/ca".into()), ..GitAccess::default() };
        let text = access.gitconfig();
        assert!(text.ends_with("[http]\n\tproxy = \"http://p \\\"x\\\"\"\n"), "{text}");
        assert!(text.contains("[http]\n\tsslCAInfo = \"/ca\"\n"), "{text}");
        assert!(text.contains("[protocol \"ext\"]\n\tallow = \"never\"\n"), "{text}");
    }
}
