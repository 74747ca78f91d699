//! Hands a secret to git in a file of mode 0600 that is gone when the publisher is done: it stands
//! in no argument, no URL and no environment.

use std::{fmt::Write as _, path::Path};

use matrix_architect_core::{
    error::{Error, Result},
    secret::Secret,
};

use super::remote::Remote;
use crate::disk;

/// The user name that goes with a bare token; hosts take this one or any.
const TOKEN_USER: &str = "x-access-token";

/// Writes the secret down for the remote: a key for ssh, a line for `git credential-store`
/// otherwise.
pub(super) fn write(file: &Path, remote: &Remote, secret: &Secret) -> Result<()> {
    let text = secret.expose_str()?.trim_end();
    let content = if remote.protocol == "ssh" {
        Secret::new(format!("{text}\n"))
    } else {
        line(remote, text)?
    };
    disk::create(file, content.expose(), 0o600)
}

fn line(remote: &Remote, text: &str) -> Result<Secret> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(Error::invalid("the secret is neither 'user:password' nor a token")
            .context("field", "credentials"));
    }
    let (user, password) = text.split_once(':').unwrap_or((TOKEN_USER, text));
    let (user, password) = (escape(user), escape(password));
    let user = user.expose_str()?;
    let password = password.expose_str()?;
    Ok(Secret::new(format!("{}://{user}:{password}@{}\n", remote.protocol, remote.host)))
}

/// Every byte that means something in a URL as `%XX`, see RFC 3986.
fn escape(text: &str) -> Secret {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(byte.into());
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    Secret::new(escaped)
}
