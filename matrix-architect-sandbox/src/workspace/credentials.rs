//! Hands a secret to git so that it stands in no argument, no URL and no environment: in a file of
//! mode 0600 in a directory of mode 0700 that is gone when git has ended.

use std::{
    fmt::Write as _,
    fs::OpenOptions,
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::PathBuf,
    sync::Arc,
};

use matrix_architect_core::{Error, error::Result, secret::Secret};
use tokio::process::Command;
use zeroize::Zeroizing;

use super::{Scratch, ScratchDir, fault::fault, git::quoted, source::RemoteUrl};

/// The user name that goes with a bare token; the large hosts take any or this one.
const TOKEN_USER: &str = "x-access-token";

/// A secret in a file for as long as this lives.
#[derive(Debug)]
pub(super) struct Credentials {
    file: PathBuf,
    ssh: bool,
    _directory: ScratchDir,
}

impl Credentials {
    /// Writes the secret down for the host of `url`: `user:password` or a token for http and https,
    /// a private key for ssh.
    pub(super) fn write(scratch: &Arc<Scratch>, url: &RemoteUrl, secret: &Secret) -> Result<Self> {
        let directory = scratch.directory()?;
        let failed = |source| fault(source, "cannot hand over the credentials", "-");
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(directory.path(), private).map_err(failed)?;
        let ssh = url.scheme == "ssh";
        let content = if ssh { key(secret)? } else { line(url, secret)? };
        let file = directory.path().join("secret");
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file)
            .and_then(|mut file| file.write_all(content.as_bytes()))
            .map_err(failed)?;
        Ok(Self { file, ssh, _directory: directory })
    }

    /// Tells git where to look. The environment names the file, never what is in it.
    pub(super) fn configure(&self, command: &mut Command, ssh: &str) {
        let file = quoted(&self.file.display().to_string());
        if self.ssh {
            command.env("GIT_SSH_COMMAND", format!("{ssh} -o IdentitiesOnly=yes -i {file}"));
        } else {
            command
                .env("GIT_CONFIG_COUNT", "1")
                .env("GIT_CONFIG_KEY_0", "credential.helper")
                .env("GIT_CONFIG_VALUE_0", format!("store --file={file}"));
        }
    }
}

/// What ssh reads: the key with the line end it insists on.
fn key(secret: &Secret) -> Result<Zeroizing<String>> {
    let mut key = Zeroizing::new(secret.expose_str()?.trim_end().to_owned());
    key.push('\n');
    Ok(key)
}

/// What `git credential-store` reads (gitcredentials(7)): a URL with both parts escaped.
fn line(url: &RemoteUrl, secret: &Secret) -> Result<Zeroizing<String>> {
    let text = secret.expose_str()?.trim_end_matches(['\r', '\n']);
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(Error::invalid("the secret is neither 'user:password' nor a token"));
    }
    let (user, password) = text.split_once(':').unwrap_or((TOKEN_USER, text));
    let mut line = Zeroizing::new(format!("{}://", url.scheme));
    escape(&mut line, user);
    line.push(':');
    escape(&mut line, password);
    line.push('@');
    line.push_str(&url.host);
    line.push('\n');
    Ok(line)
}

fn escape(line: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            line.push(byte.into());
        } else {
            let _ = write!(line, "%{byte:02X}");
        }
    }
}
