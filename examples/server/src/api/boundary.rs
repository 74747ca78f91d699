//! What a request may name on this machine.
//!
//! A local path, a deployment that runs commands here and a publisher that writes here reach the
//! server's own machine with the server's own rights. Administrators may name anything; everybody
//! else only what the operator listed in `server.toml`, where the operator's settings replace the
//! request's.

use std::path::{Path, PathBuf};

use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    job::JobSpec,
    plan::RepoSpec,
    principal::{Permission, Principal},
    release::{DeploymentConfig, PublishConfig},
    secret::SecretRef,
};
use serde::{Deserialize, Serialize};

/// The operator's list. Read from `server.toml` in the data directory; empty if there is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Boundary {
    /// Repositories on servers that anybody may ask for with the operator's secret, found by their
    /// URL to the letter. Default: none.
    pub repos: Vec<ListedRepo>,
    /// Directories beneath which `local` repositories may lie. Default: none.
    pub local_repos: Vec<PathBuf>,
    /// Places anybody with the permission may deploy to, found by driver, environment and service.
    /// Default: none.
    pub deployments: Vec<DeploymentConfig>,
    /// Publishers anybody may publish with, found by driver. Default: none.
    pub publish: Vec<PublishConfig>,
}

/// A repository that the operator lets in with a secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedRepo {
    /// Its URL, without credentials.
    pub url: String,
    /// The secret that lets git in.
    pub credentials: SecretRef,
}

impl Boundary {
    /// Reads the list.
    ///
    /// # Errors
    /// `Invalid` with line and column if the file says something unknown.
    pub fn read(path: &Path) -> Result<Self> {
        crate::home::read_toml(path)
    }

    /// Lets a request through, with the operator's settings in place of its own.
    ///
    /// # Errors
    /// `Denied`, naming what the principal may not name.
    pub fn admit(&self, principal: &Principal, spec: &mut JobSpec) -> Result<()> {
        if principal.may(Permission::AdminSettings) {
            return Ok(());
        }
        self.admit_repo(&mut spec.repo)?;
        for wanted in &mut spec.deployments {
            let listed = self.deployments.iter().find(|listed| listed.name() == wanted.name());
            *wanted = listed.cloned().ok_or_else(|| not_listed("deployment", &wanted.name()))?;
        }
        for wanted in &mut spec.publish {
            let listed = self.publish.iter().find(|listed| listed.driver == wanted.driver);
            *wanted = listed.cloned().ok_or_else(|| not_listed("publisher", &wanted.driver))?;
        }
        Ok(())
    }

    fn admit_repo(&self, repo: &mut RepoSpec) -> Result<()> {
        if let RepoSpec::Git { url, credentials, .. } = repo
            && let Some(listed) = self.repos.iter().find(|listed| listed.url == *url)
        {
            *credentials = Some(listed.credentials.clone());
            return Ok(());
        }
        let path = match repo {
            RepoSpec::Github { .. } => return Ok(()),
            RepoSpec::Local { path, .. } => path.as_str(),
            RepoSpec::Git { credentials: Some(reference), .. } => {
                // A credential would be sent to whatever host the request names.
                return Err(not_listed("secret", &reference.to_string()));
            }
            RepoSpec::Git { url, .. } if is_remote(url) => return Ok(()),
            RepoSpec::Git { url, .. } => url.strip_prefix("file://").unwrap_or(url),
        };
        let real = Path::new(path).canonicalize();
        let listed = self.local_repos.iter().filter_map(|root| root.canonicalize().ok());
        let inside = |real: PathBuf| listed.into_iter().any(|root| real.starts_with(root));
        if real.is_ok_and(inside) { Ok(()) } else { Err(not_listed("local repository", path)) }
    }
}

fn is_remote(url: &str) -> bool {
    ["https://", "http://", "ssh://", "git://"].iter().any(|scheme| {
        url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    })
}

fn not_listed(what: &'static str, name: &str) -> Error {
    Error::new(ErrorKind::Denied, format!("the request names a {what} that is not listed"))
        .code("not_listed")
        .context("name", name.escape_debug())
        .advice("ask the operator to list it in server.toml, or use an administrator's token")
}

#[cfg(test)]
mod tests {
    use matrix_architect_core::{id::*, job::JobConstraints, plan::Change, principal::Role};

    use super::*;

    fn spec(repo: RepoSpec) -> JobSpec {
        JobSpec {
            repo,
            goal: "x".into(),
            change: Change::Goal,
            verify_commands: vec![],
            constraints: JobConstraints::default(),
            deployments: vec![],
            publish: vec![],
            priority: matrix_architect_core::job::Priority::Normal,
            labels: std::collections::BTreeMap::new(),
            idempotency_key: None,
        }
    }

    fn principal(role: Role) -> Principal {
        Principal::new(PrincipalId::new("ada").unwrap(), TenantId::default(), role)
    }

    fn local(path: &Path) -> RepoSpec {
        RepoSpec::Local { path: path.display().to_string(), reference: None, subfolder: None }
    }

    fn git(url: &str) -> RepoSpec {
        RepoSpec::Git {
            url: url.into(),
            reference: None,
            subfolder: None,
            credentials: None,
            submodules: false,
        }
    }

    #[test]
    fn an_operator_names_only_listed_folders_and_an_admin_any() {
        let base = tempfile::tempdir().unwrap();
        let listed = base.path().join("repos");
        std::fs::create_dir_all(listed.join("a")).unwrap();
        std::os::unix::fs::symlink("/etc", listed.join("way-out")).unwrap();
        let boundary = Boundary { local_repos: vec![listed.clone()], ..Default::default() };
        let admit = |role, repo| boundary.admit(&principal(role), &mut spec(repo));
        assert!(admit(Role::Operator, local(&listed.join("a"))).is_ok());
        for outside in [
            Path::new("/etc"),
            &listed.join("way-out"),
            &listed.join("../.."),
            &listed.join("missing"),
        ] {
            let error = admit(Role::Operator, local(outside)).unwrap_err();
            assert_eq!(error.code_str(), "not_listed", "{outside:?}");
            assert!(admit(Role::Admin, local(outside)).is_ok());
        }
    }

    #[test]
    fn a_git_url_is_no_way_around_the_list() {
        let boundary = Boundary::default();
        let admit = |url| boundary.admit(&principal(Role::Operator), &mut spec(git(url)));
        assert!(admit("https://example.org/r.git").is_ok());
        for url in ["file:///etc", "/etc", "../x", "ext::sh -c id", "FILE:///etc", "host:path"] {
            assert!(admit(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_listed_repository_comes_with_the_operators_secret_and_no_other_with_any() {
        let listed: Boundary = toml::from_str(
            "[[repos]]\nurl = \"https://git.example/r.git\"\ncredentials = \"env://GIT_TOKEN\"\n",
        )
        .unwrap();
        let admitted = |url: &str, named: Option<&str>| {
            let named = named.map(|name| SecretRef::new(name).unwrap());
            let RepoSpec::Git { url, reference, subfolder, submodules, .. } = git(url) else {
                unreachable!()
            };
            let repo = RepoSpec::Git { url, reference, subfolder, credentials: named, submodules };
            let mut spec = spec(repo);
            listed.admit(&principal(Role::Operator), &mut spec)?;
            let RepoSpec::Git { credentials, .. } = spec.repo else { unreachable!() };
            Ok::<_, Error>(credentials.map(String::from))
        };
        for named in [None, Some("env://ANOTHER")] {
            let found = admitted("https://git.example/r.git", named).unwrap();
            assert_eq!(found.as_deref(), Some("env://GIT_TOKEN"));
        }
        assert_eq!(admitted("https://git.example/r.git.evil", None).unwrap(), None);
        assert!(admitted("https://evil.example/r.git", Some("env://GIT_TOKEN")).is_err());
    }

    #[test]
    fn the_operators_settings_replace_the_requests() {
        let listed: Boundary = toml::from_str(
            "[[deployments]]\ntarget = \"vm\"\n[deployments.config]\nservice = \"app\"\nroot = \"/srv/app\"\n",
        )
        .unwrap();
        let mut wanted = spec(git("https://example.org/r.git"));
        wanted.deployments = vec![listed.deployments[0].clone()];
        wanted.deployments[0].config.insert("health_command".into(), "rm -rf /".into());
        listed.admit(&principal(Role::Operator), &mut wanted).unwrap();
        assert_eq!(wanted.deployments, listed.deployments);
        wanted.deployments[0].environment = "production".into();
        assert!(listed.admit(&principal(Role::Operator), &mut wanted).is_err());
    }

    #[test]
    fn a_wrong_file_is_named_with_the_line() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("server.toml");
        assert_eq!(Boundary::read(&path).unwrap(), Boundary::default());
        std::fs::write(&path, "local_repos = []\nlocal_repo = 1\n").unwrap();
        let error = Boundary::read(&path).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("local_repo"), "{error}");
        assert!(!error.contains('\n'));
    }
}
