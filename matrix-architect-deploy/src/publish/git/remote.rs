//! The repository that is published to, by its URL.

use matrix_architect_core::error::Result;

use super::config::wrong;

/// A repository's URL in a form git takes no option or helper from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remote {
    /// The URL; never with credentials.
    pub(super) url: String,
    /// The one transport git may use.
    pub(super) protocol: &'static str,
    /// The host, if it is not this machine.
    pub(super) host: String,
}

impl Remote {
    /// Takes an absolute path, a `file`, `http`, `https` or `ssh` URL, or `user@host:path`.
    ///
    /// # Errors
    /// `Invalid` for anything else, and for a URL with a password in it, which is not repeated.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let bad = || {
            wrong("repo", "not a repository's path or URL")
                .advice("give an absolute path or an https, ssh or file URL")
        };
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) || text.len() > 2000 {
            return Err(bad());
        }
        if text.starts_with('/') {
            return Ok(Self::new(format!("file://{text}"), "file", ""));
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            let (authority, _) = rest.split_once('/').unwrap_or((rest, ""));
            let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
            let protocol = match scheme {
                "file" if authority.is_empty() => "file",
                "https" | "http" if user.is_empty() => {
                    if scheme == "https" {
                        "https"
                    } else {
                        "http"
                    }
                }
                "ssh" if !user.contains(':') => "ssh",
                "https" | "http" | "ssh" => {
                    return Err(wrong("repo", "there are credentials in the URL")
                        .advice("name a secret in 'credentials' instead"));
                }
                _ => return Err(bad()),
            };
            if protocol != "file"
                && (host.is_empty() || host.starts_with('-') || user.starts_with('-'))
            {
                return Err(bad());
            }
            return Ok(Self::new(text.to_owned(), protocol, host));
        }
        // The form of scp(1), as an ssh URL.
        let (authority, path) = text.split_once(':').ok_or_else(bad)?;
        let (user, host) = authority.split_once('@').ok_or_else(bad)?;
        let name =
            |text: &str| !text.is_empty() && !text.starts_with('-') && !text.contains(['/', '@']);
        if !name(user) || !name(host) || path.is_empty() || path.starts_with(':') {
            return Err(bad());
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self::new(format!("ssh://{user}@{host}{slash}{path}"), "ssh", host))
    }

    fn new(url: String, protocol: &'static str, host: &str) -> Self {
        Self { url, protocol, host: host.to_owned() }
    }
}
