//! What git's last words mean.

use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// How a failure is known, and what is said of it.
struct Case {
    /// Any of these.
    signs: &'static [&'static str],
    kind: ErrorKind,
    code: &'static str,
    message: &'static str,
    advice: &'static str,
}

const fn case(
    signs: &'static [&'static str],
    (kind, code): (ErrorKind, &'static str),
    message: &'static str,
    advice: &'static str,
) -> Case {
    Case { signs, kind, code, message, advice }
}

/// The first that fits counts: what is more exact comes first.
const CASES: [Case; 18] = [
    case(
        &["stale info", "fetch first", "non-fast-forward", "cannot lock ref"],
        (ErrorKind::Conflict, "branch_moved"),
        "the branch was moved by somebody else",
        "plan the change again on what is there now; nothing is ever forced",
    ),
    case(
        &["branch is currently checked out"],
        (ErrorKind::Denied, "branch_checked_out"),
        "the branch is checked out in that repository",
        "publish as another branch, or to a bare repository",
    ),
    case(
        &["[remote rejected]"],
        (ErrorKind::Denied, "push_refused"),
        "the repository's server refused the push",
        "see what the server says; publish as another branch if this one is protected",
    ),
    case(
        &["REMOTE HOST IDENTIFICATION HAS CHANGED", "REVOKED HOST KEY"],
        (ErrorKind::Denied, "host_key_changed"),
        "the server shows another ssh key than the one it is known by",
        "somebody may be listening in: ask the server's owner for its fingerprint, and only if it \
         is the one above replace the server's line in the known hosts file",
    ),
    case(
        &["Host key verification failed"],
        (ErrorKind::Denied, "unknown_host_key"),
        "the server's ssh key is not known",
        "add its line to the known hosts file (ssh-keyscan prints it) once its owner has confirmed \
         the fingerprint",
    ),
    case(
        &["Problem with the SSL CA cert", "error setting certificate"],
        (ErrorKind::Invalid, "unusable_ca_file"),
        "the file of trusted authorities cannot be used",
        "name a readable file of PEM certificates as ca_file in the operator's git settings",
    ),
    case(
        &[
            "certificate verification failed",
            "SSL certificate problem",
            "certificate subject name",
            "no alternative certificate",
        ],
        (ErrorKind::Denied, "untrusted_certificate"),
        "the server's certificate is not trusted",
        "if it is by a private authority, name that authority's certificate as ca_file in the \
         operator's git settings",
    ),
    case(
        &["incorrect passphrase"],
        (ErrorKind::Invalid, "locked_key"),
        "the private key is behind a passphrase",
        "there is nobody to ask for it: take it off with ssh-keygen -p",
    ),
    case(
        &["Load key"],
        (ErrorKind::Invalid, "no_private_key"),
        "the secret is no private key that ssh can read",
        "name a secret that holds a whole private key file",
    ),
    case(
        &[
            "Authentication failed",
            "could not read Username",
            "could not read Password",
            "terminal prompts",
            "Permission denied (",
            "HTTP 403",
            "error: 403",
            "error: 401",
        ],
        (ErrorKind::Denied, "authentication_failed"),
        "the repository's server refused the credentials",
        "name a secret that may read the repository, and write to it if it is published to",
    ),
    case(
        &["disabled in libcurl", "supported in libcurl", "not allowed"],
        (ErrorKind::Denied, "transport_refused"),
        "the server leads to a transport that is not allowed",
        "give the URL that the repository really has",
    ),
    case(
        &["cannot run ssh", "ssh: not found", "ssh: command not found"],
        (ErrorKind::Unsupported, "ssh_missing"),
        "ssh is not installed",
        "install it, for instance with: apt-get install openssh-client",
    ),
    case(
        &["is not a git command", "find remote helper"],
        (ErrorKind::Unsupported, "transport_missing"),
        "this git does not speak that protocol",
        "install a whole git, for instance with: apt-get install git",
    ),
    case(
        &["died of signal 25", "File size limit"],
        (ErrorKind::Denied, "too_large"),
        "the repository is larger than is allowed",
        "raise max_bytes in the operator's git settings",
    ),
    case(
        &["unadvertised object"],
        (ErrorKind::NotFound, "unadvertised_commit"),
        "the server gives out nothing but the tips of branches",
        "let it hear which protocol git speaks: AcceptEnv GIT_PROTOCOL in sshd_config",
    ),
    case(
        &[
            "Could not resolve host",
            "Connection refused",
            "Couldn't connect",
            "Connection closed",
            "Connection reset",
            "timed out",
            "unable to access",
            "early EOF",
            "unexpected disconnect",
            "hung up unexpectedly",
        ],
        (ErrorKind::Unavailable, ""),
        "the repository's server cannot be reached",
        "check the URL and the network",
    ),
    case(
        &[
            "does not appear to be a git repository",
            "not found",
            "does not exist",
            "not a git repository",
        ],
        (ErrorKind::NotFound, "repository_not_found"),
        "there is no such repository",
        "check the path or URL; a private repository also answers so without credentials",
    ),
    case(
        &["No space left on device"],
        (ErrorKind::Unavailable, ""),
        "the disk is full",
        "free some space",
    ),
];

/// Lines that say nothing.
const NOISE: [&str; 7] = [
    "hint:",
    "Please make sure you have",
    "and the repository exists",
    "IT IS POSSIBLE THAT",
    "Someone could be",
    "It is also possible",
    "Please contact your",
];

/// The error behind what git printed before it failed. What the server's own programs said stands in
/// it as `server` and decides nothing.
pub fn failure(printed: &str) -> Error {
    let (servers, ours): (Vec<&str>, Vec<&str>) = printed
        .lines()
        .map(str::trim)
        .filter(|line| line.contains(char::is_alphanumeric))
        .filter(|line| !NOISE.iter().any(|noise| line.starts_with(noise)))
        .partition(|line| line.starts_with("remote: "));
    let has = |sign: &&str| ours.iter().any(|line| line.contains(*sign));
    let found = CASES.iter().find(|case| case.signs.iter().any(has));
    let error = match found {
        None => Error::unexpected("git failed").code("git_failed"),
        Some(case) => {
            let error = Error::new(case.kind, case.message).advice(case.advice);
            if case.code.is_empty() { error } else { error.code(case.code) }
        }
    };
    let servers: Vec<&str> = servers.iter().map(|line| line["remote: ".len()..].trim()).collect();
    let error =
        if servers.is_empty() { error } else { error.context("server", shortened(&servers)) };
    error.context("git", shortened(&ours))
}

/// The error of an exchange with a server that was broken off for its length.
pub fn too_slow(patience: Duration) -> Error {
    Error::new(ErrorKind::Timeout, "the repository's server took too long")
        .code("git_too_slow")
        .context("seconds", patience.as_secs())
        .advice("look after the server, or raise max_seconds in the operator's git settings")
}

/// The first lines in one, without anything that moves a terminal.
fn shortened(lines: &[&str]) -> String {
    let text = lines.iter().take(6).copied().collect::<Vec<_>>().join("; ");
    text.chars().filter(|c| !c.is_control()).take(600).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_told_and_decides_nothing() {
        let printed = "remote: Authentication failed, Host key verification failed\u{1b}[2J\n\
                       To https://host/x\n!\ta:b\t[remote rejected] (hook declined)\n\
                       error: failed to push some refs to 'https://host/x'\n";
        let error = failure(printed);
        assert_eq!((error.kind(), error.code_str()), (ErrorKind::Denied, "push_refused"));
        let said = error.context_value("server").unwrap();
        assert!(said.starts_with("Authentication failed") && !said.contains('\u{1b}'), "{said}");
    }

    #[test]
    fn a_changed_host_key_is_told_with_its_fingerprint() {
        let printed = "@@@@@@@@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n\
                       @@@@@@@@@@@@\nIT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\n\
                       Someone could be eavesdropping on you right now!\n\
                       It is also possible that a host key has just been changed.\n\
                       The fingerprint for the ED25519 key sent by the remote host is\n\
                       SHA256:3UVDmTgp/RLUaSfAgnupy6fkHHc0+QmeUGIJ17ESjVA.\n\
                       Please contact your system administrator.\nHost key verification failed.\n";
        let error = failure(printed);
        assert_eq!(error.code_str(), "host_key_changed");
        assert!(error.context_value("git").unwrap().contains("SHA256:3UVDmTgp"));
    }

    #[test]
    fn what_nobody_foresaw_is_a_failure_of_git() {
        let error = failure("fatal: the moon is full\n");
        assert_eq!((error.kind(), error.code_str()), (ErrorKind::Unexpected, "git_failed"));
        assert_eq!(error.context_value("git"), Some("fatal: the moon is full"));
    }
}
