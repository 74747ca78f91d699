//! A repository's URL in a form that git takes no option, helper or file of ours from.

use super::GitAccess;
use crate::error::{Error, ErrorKind, Result};

/// A URL git may be given. It holds no credentials.
///
/// ```
/// use matrix_architect_core::git::{GitAccess, RemoteUrl};
///
/// let access = GitAccess::default();
/// let url = RemoteUrl::parse("ssh://git@example.org:2222/team/app.git", &access)?;
/// assert_eq!((url.scheme(), url.host()), ("ssh", "example.org:2222"));
/// assert!(RemoteUrl::parse("ext::sh -c id", &access).is_err());
/// # Ok::<(), matrix_architect_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteUrl {
    text: String,
    scheme: &'static str,
    host: String,
}

impl RemoteUrl {
    /// Takes `https://`, `ssh://`, `file://`, `user@host:path` and, if the operator allows it,
    /// `http://`.
    ///
    /// # Errors
    /// `Invalid` for anything else; `Denied` for `http` that is not allowed and, with code
    /// `credentials_in_url`, for a URL that holds credentials. The text is in no error: it may hold a
    /// password.
    pub fn parse(text: &str, access: &GitAccess) -> Result<Self> {
        let wrong = |message: &'static str| Error::invalid(message);
        if text.len() > 2048 || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(wrong("the URL is too long or has spaces"));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Self::scp(text);
        };
        let scheme = match scheme {
            "https" => "https",
            "ssh" => "ssh",
            "file" => "file",
            "http" if access.allow_http => "http",
            "http" => {
                return Err(Error::new(ErrorKind::Denied, "unencrypted http is not allowed")
                    .advice("use https, or set allow_http in the operator's git settings"));
            }
            _ => {
                return Err(wrong("the URL's scheme is not supported")
                    .advice("use https://, ssh:// or file://"));
            }
        };
        let (authority, _) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let user_legal = user.is_none_or(|user| scheme == "ssh" && !user.contains(':'));
        if !user_legal {
            return Err(Error::new(ErrorKind::Denied, "the URL holds credentials")
                .code("credentials_in_url")
                .advice("take them out of the URL and name a secret instead"));
        }
        // What git, curl and ssh could each read in another way is no host.
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
        if !host.chars().all(plain) || host.starts_with(['-', ':']) {
            return Err(wrong("the URL's host is not legal"));
        }
        if user.is_some_and(|user| !is_name(user)) {
            return Err(wrong("the URL's user is not legal"));
        }
        if host.is_empty() != (scheme == "file") {
            return Err(wrong("the URL's host is missing, or a file URL has one"));
        }
        Ok(Self { text: text.to_owned(), scheme, host: host.to_owned() })
    }

    /// `user@host:path`, as ssh users write it.
    fn scp(text: &str) -> Result<Self> {
        let parts = text.split_once(':').and_then(|(host, path)| {
            let (user, host) = host.rsplit_once('@')?;
            let legal = is_name(user) && is_name(host);
            (legal && !path.is_empty() && !path.starts_with(['-', ':'])).then_some(host)
        });
        match parts {
            Some(host) => Ok(Self { text: text.to_owned(), scheme: "ssh", host: host.to_owned() }),
            None => Err(Error::invalid("not a URL of a repository")
                .advice("use https://, ssh:// or file://, or name a local folder as one")),
        }
    }

    /// The URL of a submodule, which may be relative to its parent's (gitmodules(5)).
    ///
    /// # Errors
    /// As [`RemoteUrl::parse`]; `Denied` for a file of this machine that a server's repository
    /// names.
    pub fn join(&self, url: &str, access: &GitAccess) -> Result<Self> {
        if !url.starts_with("./") && !url.starts_with("../") {
            let joined = Self::parse(url, access)?;
            // A remote repository has no word on this machine's files.
            if joined.scheme == "file" && self.scheme != "file" {
                return Err(Error::new(ErrorKind::Denied, "the submodule is on this machine")
                    .context("url", url));
            }
            return Ok(joined);
        }
        let mut base = self.text.trim_end_matches('/');
        let mut rest = url;
        loop {
            if let Some(after) = rest.strip_prefix("./") {
                rest = after;
            } else if let Some(after) = rest.strip_prefix("../") {
                rest = after;
                let cut = base.rfind(['/', ':']).filter(|cut| !base[..*cut].ends_with(['/', ':']));
                base = cut.map(|cut| &base[..cut]).ok_or_else(|| {
                    Error::invalid("the submodule's URL leads above its host").context("url", url)
                })?;
            } else {
                return Self::parse(&format!("{base}/{rest}"), access);
            }
        }
    }

    /// As git is given it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The one transport git may use for it: `https`, `http`, `ssh` or `file`.
    pub const fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// The host, with the port if there is one; empty for `file`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// As a URI, whatever form it was written in.
    pub fn uri(&self) -> String {
        if self.text.contains("://") {
            return self.text.clone();
        }
        let (authority, path) = self.text.split_once(':').unwrap_or((&self.text, ""));
        format!("ssh://{authority}/{}", path.trim_start_matches('/'))
    }

    /// Whether another URL is of the same server, so that it may see the same credentials. The same
    /// machine by another name or port is another server: somebody else may listen there.
    pub fn same_server(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.host.eq_ignore_ascii_case(&other.host)
    }
}

/// The name of a user or a host that no program takes for an option.
fn is_name(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !text.is_empty() && !text.starts_with('-') && text.chars().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<RemoteUrl> {
        RemoteUrl::parse(text, &GitAccess::default())
    }

    #[test]
    fn a_url_with_credentials_is_refused_and_not_repeated() {
        for url in [
            "https://user:hunter2@example.org/x",
            "https://hunter2@example.org/x",
            "ssh://git:hunter2@example.org/x",
        ] {
            let error = parse(url).unwrap_err();
            assert_eq!(error.code_str(), "credentials_in_url");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn a_url_that_runs_or_reads_something_is_refused() {
        for url in [
            "ext::sh -c id",
            "ext::id",
            "fd::1",
            "-uhelper",
            "--upload-pack=id",
            "ssh://-oProxyCommand=id/x",
            "ssh://-oProxyCommand=id@host/x",
            "-oProxyCommand=id@host:x",
            "git@-oProxyCommand=id:x",
            "git@host::x",
            "relative/path",
            "/absolute/path",
            "file://host/x",
            "ftp://host/x",
            "git://host/x",
            "http://host/x",
            "https:///x",
            "https://:443/x",
            "https://good.example?@evil.example/x",
            "https://good.example\\@evil.example/x",
            "https://good.example%2fevil/x",
            "git@host:",
            "a b",
            "",
        ] {
            assert!(parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_repository_is_named_in_the_usual_ways() {
        for (text, scheme, host, uri) in [
            ("https://host/x", "https", "host", "https://host/x"),
            ("https://[::1]:8443/x", "https", "[::1]:8443", "https://[::1]:8443/x"),
            ("ssh://git@host:22/x", "ssh", "host:22", "ssh://git@host:22/x"),
            ("git@host:team/x", "ssh", "host", "ssh://git@host/team/x"),
            ("file:///srv/x", "file", "", "file:///srv/x"),
        ] {
            let url = parse(text).unwrap();
            assert_eq!((url.text(), url.scheme(), url.host()), (text, scheme, host));
            assert_eq!(url.uri(), uri);
        }
        let open = GitAccess { allow_http: true, ..GitAccess::default() };
        assert_eq!(RemoteUrl::parse("http://host/x", &open).unwrap().scheme(), "http");
    }

    #[test]
    fn relative_urls_are_joined_as_git_does() {
        let cases = [
            (
                "https://host.example/org/app",
                "../lib.git",
                Some("https://host.example/org/lib.git"),
            ),
            ("https://host.example/org/app/", "./lib", Some("https://host.example/org/app/lib")),
            ("git@host.example:org/app.git", "../lib", Some("git@host.example:org/lib")),
            (
                "https://host.example/app",
                "https://other.example/lib",
                Some("https://other.example/lib"),
            ),
            ("https://host.example/app", "../../../lib", None),
            ("https://host.example/app", "file:///etc", None),
            ("https://host.example/app", "git://127.0.0.1/x", None),
            ("https://host.example/app", "ext::sh -c evil", None),
            ("https://host.example/app", "--upload-pack=evil", None),
            ("https://host.example/app", "-u@h:evil", None),
            ("https://host.example/app", "ssh://-oProxyCommand=evil/x", None),
        ];
        for (base, url, expected) in cases {
            let joined = parse(base).unwrap().join(url, &GitAccess::default());
            let text = joined.as_ref().ok().map(RemoteUrl::text);
            assert_eq!(text, expected, "{base} + {url}");
        }
    }

    #[test]
    fn only_the_same_scheme_host_and_port_are_the_same_server() {
        let same = |one, other| parse(one).unwrap().same_server(&parse(other).unwrap());
        assert!(same("https://host.example/a", "https://HOST.example/b"));
        for other in
            ["https://host.example:444/a", "https://host.example.evil/a", "ssh://host.example/a"]
        {
            assert!(!same("https://host.example/a", other), "{other}");
        }
    }
}
