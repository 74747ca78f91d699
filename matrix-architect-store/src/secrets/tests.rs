use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown, symlink},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use matrix_architect_core::{
    conformance::{Harness, Serves, secret_store::Provides},
    error::{ErrorKind, Result},
    id::TenantId,
    secret::{Scope, Secret, SecretRef},
    time::Timestamp,
    traits::SecretStore,
};
use tempfile::TempDir;

use super::*;

/// Where a harness keeps its secrets.
#[derive(Debug)]
enum Kept {
    Env(Vec<(String, Vec<u8>)>),
    Files(TempDir),
    TenantsFiles(TempDir),
    Chained(TempDir),
}

#[async_trait]
impl Harness for Kept {
    async fn now(&self) -> Timestamp {
        Timestamp::default()
    }
    async fn elapse(&mut self, _duration: Duration) {}
    async fn reopen(&mut self) {}
}

impl Serves<dyn SecretStore> for Kept {
    fn backend(&self) -> Arc<dyn SecretStore> {
        match self {
            Self::Env(variables) => Arc::new(EnvSecrets::new(variables.iter().cloned())),
            Self::Files(folder) => Arc::new(FileSecrets::new(folder.path())),
            Self::TenantsFiles(folder) => Arc::new(FileSecrets::per_tenant(folder.path())),
            Self::Chained(folder) => Arc::new(
                ChainedSecrets::new()
                    .with("env", EnvSecrets::default())
                    .with("file", FileSecrets::new(folder.path())),
            ),
        }
    }
}

#[async_trait]
impl Provides for Kept {
    async fn provide(&mut self, tenant: &TenantId, name: &str, value: &[u8]) -> SecretRef {
        let path = match self {
            Self::Env(variables) => {
                variables.push((name.to_owned(), value.to_owned()));
                return SecretRef::new(format!("env://{name}")).unwrap();
            }
            Self::Files(folder) | Self::Chained(folder) => folder.path().join(name),
            Self::TenantsFiles(folder) => folder.path().join(tenant.as_str()).join(name),
        };
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        write(&path, value, 0o600);
        reference(&path)
    }
    fn unknown(&self) -> SecretRef {
        match self {
            Self::Env(_) => SecretRef::new("env://NOBODYS_TOKEN").unwrap(),
            Self::Files(folder) | Self::Chained(folder) => reference(&folder.path().join("none")),
            Self::TenantsFiles(folder) => reference(&folder.path().join("one/none")),
        }
    }
    fn knows_tenants(&self) -> bool {
        matches!(self, Self::TenantsFiles(_))
    }
}

mod env_suite {
    matrix_architect_core::secret_store_suite!(super::Kept::Env(vec![]));
}
mod file_suite {
    matrix_architect_core::secret_store_suite!(super::Kept::Files(super::folder()));
}
mod file_per_tenant_suite {
    matrix_architect_core::secret_store_suite!(super::Kept::TenantsFiles(super::folder()));
}
mod chained_suite {
    matrix_architect_core::secret_store_suite!(super::Kept::Chained(super::folder()));
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn write(path: &Path, value: &[u8], mode: u32) -> PathBuf {
    fs::write(path, value).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    path.to_owned()
}

fn reference(path: &Path) -> SecretRef {
    SecretRef::new(format!("file://{}", path.display())).unwrap()
}

async fn get(store: &impl SecretStore, reference: &SecretRef) -> Result<Secret> {
    store.get(&Scope { tenant: TenantId::default(), environment: None }, reference).await
}

async fn refusal(folder: &TempDir, path: &Path) -> Error {
    let error = get(&FileSecrets::new(folder.path()), &reference(path)).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("top-secret"));
    error
}

#[tokio::test]
async fn one_end_of_line_is_no_part_of_a_secret() {
    let folder = folder();
    let store = FileSecrets::new(folder.path());
    for (content, value) in [
        ("a-token\n", "a-token"),
        ("a-token\r\n", "a-token"),
        ("a-token\n\n", "a-token\n"),
        (" a token ", " a token "),
    ] {
        let path = write(&folder.path().join("token"), content.as_bytes(), 0o400);
        assert_eq!(get(&store, &reference(&path)).await.unwrap().expose(), value.as_bytes());
        let env = EnvSecrets::new([("TOKEN", content)]);
        let token = get(&env, &SecretRef::new("env://TOKEN").unwrap()).await.unwrap();
        assert_eq!(token.expose(), value.as_bytes());
    }
}

#[tokio::test]
async fn a_file_that_others_may_touch_is_refused() {
    let folder = folder();
    for mode in [0o644, 0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o666] {
        let path = write(&folder.path().join("token"), b"top-secret", mode);
        let error = refusal(&folder, &path).await;
        assert_eq!((error.kind(), error.code_str()), (ErrorKind::Denied, "secret_exposed"));
        assert!(error.to_string().contains("0600"), "{error}");
    }
}

#[tokio::test]
async fn a_link_may_stay_inside_and_not_lead_out() {
    let (folder, elsewhere) = (folder(), folder());
    let outside = write(&elsewhere.path().join("token"), b"top-secret", 0o600);
    let inside = write(&folder.path().join("token"), b"a-token", 0o600);
    let link = |target: &Path, name: &str| {
        let link = folder.path().join(name);
        symlink(target, &link).unwrap();
        link
    };
    let error = refusal(&folder, &link(&outside, "out")).await;
    assert_eq!(error.kind(), ErrorKind::Denied);
    let error = refusal(&folder, &link(elsewhere.path(), "folder").join("token")).await;
    assert_eq!(error.kind(), ErrorKind::Denied);
    let dots = folder.path().join("..").join(outside.strip_prefix("/tmp").unwrap_or(&outside));
    assert_eq!(refusal(&folder, &dots).await.kind(), ErrorKind::Denied);
    assert_eq!(refusal(&folder, &outside).await.kind(), ErrorKind::Denied);
    // As Kubernetes mounts secrets.
    let alias = link(Path::new(inside.file_name().unwrap()), "alias");
    let store = FileSecrets::new(folder.path());
    assert_eq!(get(&store, &reference(&alias)).await.unwrap().expose(), b"a-token");
}

#[tokio::test]
async fn what_is_no_small_regular_file_is_refused() {
    let folder = folder();
    assert_eq!(refusal(&folder, folder.path()).await.kind(), ErrorKind::NotFound);
    let below = folder.path().join("below");
    fs::create_dir(&below).unwrap();
    assert_eq!(refusal(&folder, &below).await.kind(), ErrorKind::Denied);
    let pipe = folder.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
    assert_eq!(refusal(&folder, &pipe).await.kind(), ErrorKind::Denied);
    let empty = write(&folder.path().join("empty"), b"\n", 0o600);
    assert_eq!(refusal(&folder, &empty).await.kind(), ErrorKind::Invalid);
    let large = write(&folder.path().join("large"), &vec![b'x'; 64 * 1024 + 1], 0o600);
    assert_eq!(refusal(&folder, &large).await.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_file_of_another_user_is_refused() {
    let folder = folder();
    let path = write(&folder.path().join("token"), b"top-secret", 0o600);
    if chown(&path, Some(12_345), None).is_err() {
        eprintln!("SKIPPED: only root can give a file away");
        return;
    }
    let error = refusal(&folder, &path).await;
    assert_eq!((error.kind(), error.context_value("owner")), (ErrorKind::Denied, Some("12345")));
}

#[tokio::test]
async fn another_tenants_file_does_not_exist() {
    let folder = folder();
    fs::create_dir(folder.path().join("default")).unwrap();
    fs::create_dir(folder.path().join("other")).unwrap();
    let theirs = write(&folder.path().join("other/token"), b"top-secret", 0o600);
    let store = FileSecrets::per_tenant(folder.path());
    let around = folder.path().join("default/../other/token");
    let error = get(&store, &reference(&theirs)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(get(&store, &reference(&around)).await.unwrap_err().kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn a_chain_names_the_schemes_it_has() {
    let chain = ChainedSecrets::new().with("env", EnvSecrets::new([("A_TOKEN", "top-secret")]));
    let error = get(&chain, &SecretRef::new("vault://token").unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("env://"), "{error}");
    assert!(!format!("{chain:?}").contains("top-secret"));
    assert!(get(&chain, &SecretRef::new("env://A_TOKEN").unwrap()).await.is_ok());
}

#[tokio::test]
async fn an_empty_variable_counts_as_unset() {
    let env = EnvSecrets::new([("EMPTY", "")]);
    let error = get(&env, &SecretRef::new("env://EMPTY").unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
