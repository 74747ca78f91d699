//! How ssh is started.

use std::{fmt::Write as _, path::Path};

use super::GitAccess;

/// What ssh is told before anything of a configuration file, so that none can say otherwise: the
/// first word counts. Nothing is asked, no key is offered but the one that was named, and no host is
/// trusted that the operator did not name.
const SSH: [&str; 16] = [
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "UpdateHostKeys=no",
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "PasswordAuthentication=no",
    "KbdInteractiveAuthentication=no",
    "GSSAPIAuthentication=no",
    "ForwardAgent=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "ControlMaster=no",
    "ControlPath=none",
    "ConnectTimeout=30",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
];

/// The command that git runs by the shell.
pub(super) fn command(access: &GitAccess, key: Option<&Path>) -> String {
    let config =
        access.ssh_config.as_ref().map_or("none".to_owned(), |file| file.display().to_string());
    let mut command = format!("ssh -F {}", quoted(&config));
    for option in SSH {
        let _ = write!(command, " -o {option}");
    }
    if let Some(file) = &access.ssh_known_hosts {
        // ssh splits the value where it has spaces, unless it is in double quotes.
        let option = format!("UserKnownHostsFile=\"{}\"", percent(file));
        let _ = write!(command, " -o {} -o GlobalKnownHostsFile=/dev/null", quoted(&option));
    }
    let _ = match key {
        Some(file) => write!(command, " -i {}", quoted(&percent(file))),
        // Else ssh would try the keys of whoever runs this.
        None => write!(command, " -o IdentityFile=none"),
    };
    command
}

/// With what ssh would take for a token (TOKENS in `ssh_config(5)`) as it stands.
fn percent(file: &Path) -> String {
    file.display().to_string().replace('%', "%%")
}

/// In single quotes, as the shell wants it.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_is_told_whom_to_trust_and_which_key_to_offer() {
        let access =
            GitAccess { ssh_known_hosts: Some("/etc/known 100%".into()), ..GitAccess::default() };
        let ssh = command(&access, Some(Path::new("/s/it's")));
        assert!(ssh.starts_with("ssh -F 'none' -o BatchMode=yes -o StrictHostKeyChecking=yes"));
        let hosts =
            r#"-o 'UserKnownHostsFile="/etc/known 100%%"' -o GlobalKnownHostsFile=/dev/null"#;
        assert!(ssh.contains(hosts), "{ssh}");
        assert!(ssh.ends_with(r"-i '/s/it'\''s'"), "{ssh}");
        let without = command(&access, None);
        assert!(without.ends_with("-o IdentityFile=none"), "{without}");
    }
}
