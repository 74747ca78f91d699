//! Checkouts from real servers: OpenSSH, and Apache with `git http-backend`.

mod hostile;
mod https;
mod processes;
mod ssh;
mod submodules;

use std::{fs, path::PathBuf};

use matrix_architect_core::{
    error::Result,
    fake::FixedSecrets,
    id::TenantId,
    plan::RepoSpec,
    secret::SecretRef,
    traits::{Checkout, Workspace as _},
};
use matrix_architect_forge::{Forge, HttpsServer, Repository, SshServer};
use tempfile::TempDir;

use crate::repo::Desk;

/// Whatever lets into a server is under this name.
const SECRET: &str = "fixed://way-in";

fn secrets(way_in: &str) -> FixedSecrets {
    FixedSecrets::new().with(&TenantId::default(), SECRET, way_in).unwrap()
}

/// The repository at `url`, with the secret.
fn at(url: impl Into<String>) -> RepoSpec {
    RepoSpec::Git {
        url: url.into(),
        reference: None,
        subfolder: None,
        credentials: Some(SecretRef::new(SECRET).unwrap()),
        submodules: true,
    }
}

fn with_reference(spec: RepoSpec, name: &str) -> RepoSpec {
    match spec {
        RepoSpec::Git { url, subfolder, credentials, submodules, .. } => {
            let reference = Some(name.to_owned());
            RepoSpec::Git { url, reference, subfolder, credentials, submodules }
        }
        other => other,
    }
}

fn without_secret(spec: RepoSpec) -> RepoSpec {
    match spec {
        RepoSpec::Git { url, reference, subfolder, submodules, .. } => {
            RepoSpec::Git { url, reference, subfolder, credentials: None, submodules }
        }
        other => other,
    }
}

/// A desk that trusts these authorities.
fn desk_for(servers: &[&HttpsServer]) -> (Desk, TempDir) {
    let place = tempfile::tempdir().unwrap();
    let file = all_of(&place, servers);
    (Desk::with(|config| config.access.ca_file = Some(file)), place)
}

fn all_of(place: &TempDir, servers: &[&HttpsServer]) -> PathBuf {
    let certificates = servers.iter().map(|server| fs::read_to_string(server.ca_file()).unwrap());
    let file = place.path().join("authorities.pem");
    fs::write(&file, certificates.collect::<String>()).unwrap();
    file
}

/// A desk that knows these hosts.
fn desk_with(servers: &[&SshServer]) -> (Desk, TempDir) {
    let place = tempfile::tempdir().unwrap();
    let lines = servers.iter().map(|server| fs::read_to_string(server.known_hosts()).unwrap());
    let file = place.path().join("known hosts");
    fs::write(&file, lines.collect::<String>()).unwrap();
    (Desk::with(|config| config.access.ssh_known_hosts = Some(file)), place)
}

async fn checkout(desk: &Desk, spec: &RepoSpec, way_in: &str) -> Result<Checkout> {
    let secrets = secrets(way_in);
    let request = desk.request(spec, &secrets);
    desk.workspace.checkout(&request).await
}

/// A repository with two commits on `main`, one more on `side`, and the tag `v1` on the first.
/// Returns the three.
fn history(forge: &Forge) -> (Repository, [String; 3]) {
    let repository = forge.repository("app.git");
    let first = repository.commit("main", &[("README", "one\n"), ("project/x", "x\n")]);
    let second = repository.commit("main", &[("README", "two\n")]);
    repository.git(&["branch", "side", &first]);
    let third = repository.commit("side", &[("README", "three\n")]);
    repository.git(&["tag", "-a", "v1", "-m", "one", &first]);
    (repository, [first, second, third])
}
