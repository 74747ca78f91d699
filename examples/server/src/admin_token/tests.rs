//! Every order of death between the file and the record, and what the next start makes of it.

use std::{fs, os::unix::fs::PermissionsExt as _, sync::Arc};

use async_trait::async_trait;
use matrix_architect_core::{
    error::{Error, ErrorKind},
    fake::FixedClock,
    pipeline::Version,
    traits::{Record, RecordKey, Records},
};
use matrix_architect_store::memory;
use serde_json::Value;
use tempfile::TempDir;

use super::*;

/// Records that are gone, as for a process that dies, once something is to be written.
#[derive(Debug)]
struct Dying(Arc<dyn Records>);

#[async_trait]
impl Records for Dying {
    async fn put(&self, _: &RecordKey, _: &Value, _: Option<Version>) -> Result<Version> {
        Err(Error::new(ErrorKind::Unavailable, "dead"))
    }

    async fn get(&self, key: &RecordKey) -> Result<Option<Record>> {
        self.0.get(key).await
    }

    async fn delete(&self, key: &RecordKey, expected: Version) -> Result<()> {
        self.0.delete(key, expected).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        kind: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>> {
        self.0.list(tenant, kind, after, limit).await
    }
}

struct Bench {
    home: Home,
    tokens: Tokens,
    dying: Tokens,
    _directory: TempDir,
}

impl Bench {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let clock = Arc::new(FixedClock::new());
        let records = memory::open(Arc::<FixedClock>::clone(&clock)).records;
        let dying = Arc::new(Dying(Arc::clone(&records)));
        Self {
            home: Home::open(directory.path()).unwrap(),
            tokens: Tokens::new(records, Arc::<FixedClock>::clone(&clock)),
            dying: Tokens::new(dying, clock),
            _directory: directory,
        }
    }

    async fn start(&self) -> AdminToken {
        AdminToken::ensure(&self.home, &self.tokens).await.unwrap()
    }

    fn file(&self) -> String {
        fs::read_to_string(self.home.admin_token()).unwrap().trim().to_owned()
    }

    async fn opens(&self, token: &str) -> bool {
        self.tokens.authenticate(token).await.is_ok()
    }

    async fn known(&self) -> usize {
        self.tokens.list(&TenantId::default()).await.unwrap().len()
    }
}

#[tokio::test]
async fn the_first_start_makes_it_and_the_second_leaves_it() {
    let bench = Bench::new();
    assert_eq!(bench.start().await, AdminToken::Made(bench.home.admin_token()));
    let token = bench.file();
    assert!(bench.opens(&token).await);
    let mode = fs::metadata(bench.home.admin_token()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!((bench.start().await, bench.file()), (AdminToken::InPlace, token));
    assert_eq!(bench.known().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_first_starts_at_once_one_makes_it() {
    for _ in 0..20 {
        let bench = Bench::new();
        let start = || {
            let (home, tokens) = (bench.home.clone(), bench.tokens.clone());
            tokio::spawn(async move { AdminToken::ensure(&home, &tokens).await.unwrap() })
        };
        let starts: Vec<_> = (0..4).map(|_| start()).collect();
        let mut made = 0;
        for start in starts {
            made += usize::from(matches!(start.await.unwrap(), AdminToken::Made(_)));
        }
        assert_eq!((made, bench.known().await), (1, 1));
        assert!(bench.opens(&bench.file()).await);
    }
}

#[tokio::test]
async fn a_file_that_others_can_read_is_refused_with_the_remedy() {
    let bench = Bench::new();
    bench.start().await;
    let path = bench.home.admin_token();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let error = AdminToken::ensure(&bench.home, &bench.tokens).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("chmod 600"), "{error}");
}

#[tokio::test]
async fn dead_before_the_file_there_is_no_token() {
    let bench = Bench::new();
    // Nothing can take the place of a directory that is not empty.
    fs::create_dir_all(bench.home.admin_token().join("full")).unwrap();
    AdminToken::ensure(&bench.home, &bench.tokens).await.unwrap_err();
    assert_eq!(bench.known().await, 0, "a token that nobody has");
    fs::remove_dir_all(bench.home.admin_token()).unwrap();
    assert!(matches!(bench.start().await, AdminToken::Made(_)));
    assert!(bench.opens(&bench.file()).await);
}

#[tokio::test]
async fn dead_in_the_middle_of_the_file_nothing_of_it_is_used() {
    let bench = Bench::new();
    let beside = bench.home.path().join(".admin-token.4711");
    fs::write(&beside, "arch_0123").unwrap();
    assert!(matches!(bench.start().await, AdminToken::Made(_)));
    assert!(bench.opens(&bench.file()).await);
    assert!(!beside.exists());
    // Also once there is a token, and nothing is written any more.
    fs::write(&beside, "arch_0123").unwrap();
    assert_eq!(bench.start().await, AdminToken::InPlace);
    assert!(!beside.exists());
}

#[tokio::test]
async fn dead_between_file_and_record_the_file_is_replaced() {
    let bench = Bench::new();
    AdminToken::ensure(&bench.home, &bench.dying).await.unwrap_err();
    let first = bench.file();
    assert!(!bench.opens(&first).await, "the file was there before the token worked");
    assert!(matches!(bench.start().await, AdminToken::Made(_)));
    let second = bench.file();
    assert!(first != second && bench.opens(&second).await && !bench.opens(&first).await);
    assert_eq!(bench.known().await, 1);
}

#[tokio::test]
async fn a_record_without_its_file_says_how_to_make_another() {
    let bench = Bench::new();
    bench.start().await;
    fs::remove_file(bench.home.admin_token()).unwrap();
    let found = bench.start().await;
    assert_eq!(found, AdminToken::Gone(bench.home.admin_token()));
    assert!(found.note().unwrap().contains("architect token create --role admin"));
    let new =
        NewToken { name: PrincipalId::new("ada").unwrap(), role: Role::Admin, lifetime: None };
    bench.tokens.create(&TenantId::default(), new).await.unwrap();
    assert_eq!(bench.start().await, AdminToken::InPlace, "somebody has another");
}

#[tokio::test]
async fn a_revoked_token_does_not_come_back_by_a_restart() {
    let bench = Bench::new();
    bench.start().await;
    let tenant = TenantId::default();
    let first = bench.tokens.list(&tenant).await.unwrap().remove(0);
    let new =
        NewToken { name: PrincipalId::new("ada").unwrap(), role: Role::Admin, lifetime: None };
    bench.tokens.create(&tenant, new).await.unwrap();
    bench.tokens.revoke(&tenant, &first.id).await.unwrap();
    let (before, found) = (bench.file(), bench.start().await);
    assert_eq!(found, AdminToken::Dead(bench.home.admin_token()));
    assert!(found.note().unwrap().contains("remove the file"));
    assert_eq!((bench.file(), bench.known().await), (before, 1));
}
