//! What a secret looks like when it is handed to git: the content of a file that nobody else can
//! read and that is gone when git has ended. So it stands in no argument, no URL and no environment.

use std::fmt::Write as _;

use zeroize::Zeroizing;

use super::RemoteUrl;
use crate::{
    error::{Error, ErrorKind, Result},
    secret::Secret,
};

/// The user name that goes with a bare token; the large hosts take any or this one.
const TOKEN_USER: &str = "x-access-token";

/// How every private key without a passphrase in OpenSSH's own form begins (PROTOCOL.key): its magic
/// word and the cipher `none`.
const OPEN_KEY: &str = "b3BlbnNzaC1rZXktdjEAAAAABG5v";

/// What git, or ssh, finds in the file: for `ssh` a private key, else a line for
/// `git credential-store`, which is for the host and port of the URL and no other. The secret is
/// `user:password`, a token, or a private key.
///
/// # Errors
/// `Invalid` if the secret is none of these; for a key behind a passphrase with code `locked_key`,
/// since there is nobody to ask for it. The secret is in no error.
pub fn credential(url: &RemoteUrl, secret: &Secret) -> Result<Secret> {
    if url.scheme() == "ssh" { key(secret) } else { line(url, secret) }
}

/// The key with the line end that ssh insists on.
fn key(secret: &Secret) -> Result<Secret> {
    let text = secret.expose_str()?.trim();
    let Some((kind, body)) =
        text.strip_prefix("-----BEGIN ").and_then(|rest| rest.split_once('\n'))
    else {
        return Err(Error::invalid("the secret is no private key")
            .code("no_private_key")
            .advice("for an ssh URL name a secret that holds a whole private key file"));
    };
    let own_form = kind.starts_with("OPENSSH PRIVATE KEY") && !body.starts_with(OPEN_KEY);
    if own_form || kind.starts_with("ENCRYPTED") || body.starts_with("Proc-Type: 4,ENCRYPTED") {
        return Err(Error::new(ErrorKind::Invalid, "the private key is behind a passphrase")
            .code("locked_key")
            .advice(
                "there is nobody to ask for it: take it off with ssh-keygen -p, or make a key \
                 for this alone",
            ));
    }
    let mut file = Zeroizing::new(String::with_capacity(text.len() + 1));
    file.push_str(text);
    file.push('\n');
    Ok(Secret::new(file.as_bytes()))
}

/// What `git credential-store` reads (gitcredentials(7)): a URL with both parts escaped.
fn line(url: &RemoteUrl, secret: &Secret) -> Result<Secret> {
    let text = secret.expose_str()?.trim_end_matches(['\r', '\n']);
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(Error::invalid("the secret is neither 'user:password' nor a token")
            .advice("name a secret of one line; a private key is for ssh URLs"));
    }
    let (user, password) = text.split_once(':').unwrap_or((TOKEN_USER, text));
    let room = text.len() * 3 + url.host().len() + TOKEN_USER.len() + 16;
    let mut line = Zeroizing::new(String::with_capacity(room));
    let _ = write!(line, "{}://", url.scheme());
    escape(&mut line, user);
    line.push(':');
    escape(&mut line, password);
    line.push('@');
    line.push_str(url.host());
    line.push('\n');
    Ok(Secret::new(line.as_bytes()))
}

/// Every byte that means something in a URL as `%XX`, see RFC 3986.
fn escape(line: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            line.push(byte.into());
        } else {
            let _ = write!(line, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::GitAccess;

    fn of(url: &str, secret: &str) -> Result<String> {
        let url = RemoteUrl::parse(url, &GitAccess::default()).unwrap();
        credential(&url, &Secret::new(secret)).map(|it| it.expose_str().unwrap().to_owned())
    }

    #[test]
    fn a_token_or_a_password_becomes_a_line_for_its_host_and_port() {
        let url = "https://host.example:8443/x";
        let token = of(url, "t0ken\n").unwrap();
        assert_eq!(token, "https://x-access-token:t0ken@host.example:8443\n");
        let password = of(url, "ann:p:/w@%").unwrap();
        assert_eq!(password, "https://ann:p%3A%2Fw%40%25@host.example:8443\n");
        assert!(of(url, "one\ntwo").is_err());
    }

    #[test]
    fn a_key_that_ssh_would_ask_a_passphrase_for_is_refused_without_being_shown() {
        let begin = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
        let open = format!("{begin}{OPEN_KEY}rest\n-----END OPENSSH PRIVATE KEY-----");
        assert_eq!(of("git@host:x", &open).unwrap(), open.clone() + "\n");
        for locked in [
            format!("{begin}b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHI\n"),
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nhunter2\n".to_owned(),
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nhunter2\n".to_owned(),
        ] {
            let error = of("git@host:x", &locked).unwrap_err();
            assert_eq!(error.code_str(), "locked_key");
            assert!(!format!("{error:?}").contains("hunter2"));
        }
        assert_eq!(of("git@host:x", "t0ken").unwrap_err().code_str(), "no_private_key");
    }
}
