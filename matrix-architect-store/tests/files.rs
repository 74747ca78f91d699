//! Artifacts on the file system, from outside: the suite, damage, dead writers, a full disk.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(feature = "files")]

use std::{
    collections::HashSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use matrix_architect_core::{
    conformance::{Harness, Serves, artifact_store::Damages},
    error::{ErrorKind, Result},
    id::{Digest, TenantId},
    time::Timestamp,
    traits::{ArtifactStore, ByteStream},
};
use matrix_architect_store::files::FileArtifacts;
use tempfile::TempDir;

mod files {
    pub(super) mod crash;
    pub(super) mod durable;
    pub(super) mod full;
}

#[derive(Debug)]
struct Folder {
    folder: TempDir,
    store: FileArtifacts,
}

impl Folder {
    async fn fresh() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = FileArtifacts::open(folder.path()).await.unwrap();
        Self { folder, store }
    }
}

#[async_trait]
impl Harness for Folder {
    async fn now(&self) -> Timestamp {
        Timestamp::default()
    }
    async fn elapse(&mut self, _duration: Duration) {}
    async fn reopen(&mut self) {
        self.store = FileArtifacts::open(self.folder.path()).await.unwrap();
    }
}

impl Serves<dyn ArtifactStore> for Folder {
    fn backend(&self) -> Arc<dyn ArtifactStore> {
        Arc::new(self.store.clone())
    }
}

#[async_trait]
impl Damages for Folder {
    async fn damage(&mut self, tenant: &TenantId, digest: &Digest, part: u64) {
        let path = file_of(self.folder.path(), tenant, digest);
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.len() * usize::try_from(part).unwrap() / 8;
        bytes[at] ^= 0x10;
        fs::write(&path, bytes).unwrap();
    }
}

mod suite {
    matrix_architect_core::artifact_store_suite!(super::Folder::fresh().await);
}

fn file_of(root: &Path, tenant: &TenantId, digest: &Digest) -> PathBuf {
    let name = digest.hex();
    root.join("tenants").join(tenant.as_str()).join(&name[..2]).join(name)
}

fn files_below(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(files_below(&entry));
        } else {
            found.push(entry);
        }
    }
    found
}

async fn content(store: &FileArtifacts, digest: &Digest) -> Result<Bytes> {
    store.get(&TenantId::default(), digest, None).await?.collect(1 << 30).await
}

#[tokio::test]
async fn a_scrub_finds_every_flipped_bit() {
    let Folder { folder, store } = Folder::fresh().await;
    let tenant = TenantId::default();
    let words = "all work and no play ".repeat(20);
    for body in [Bytes::new(), Bytes::from("tiny"), Bytes::from(words)] {
        let (digest, _) = store.put(&tenant, &body).await.unwrap();
        let path = file_of(folder.path(), &tenant, &digest);
        let sound = fs::read(&path).unwrap();
        for bit in 0..sound.len() * 8 {
            let mut damaged = sound.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, damaged).unwrap();
            assert_eq!(store.scrub().await.unwrap().corrupt, [digest], "bit {bit}");
            let error = content(&store, &digest).await.unwrap_err();
            assert_eq!(error.code_str(), "damaged_artifact", "bit {bit}");
        }
        for length in 0..sound.len() {
            fs::write(&path, &sound[..length]).unwrap();
            assert_eq!(store.scrub().await.unwrap().corrupt, [digest], "cut to {length}");
        }
        fs::write(&path, [&sound[..], b"more"].concat()).unwrap();
        assert_eq!(store.scrub().await.unwrap().corrupt, [digest]);
        store.delete(&tenant, &digest).await.unwrap();
    }
}

#[tokio::test]
async fn another_artifact_under_the_name_is_damage() {
    let Folder { folder, store } = Folder::fresh().await;
    let tenant = TenantId::default();
    let (one, _) = store.put(&tenant, &Bytes::from("one")).await.unwrap();
    let (two, _) = store.put(&tenant, &Bytes::from("two")).await.unwrap();
    let path = |digest| file_of(folder.path(), &tenant, digest);
    fs::copy(path(&one), path(&two)).unwrap();
    assert_eq!(content(&store, &two).await.unwrap_err().code_str(), "damaged_artifact");
    assert_eq!(store.scrub().await.unwrap().corrupt, [two]);
}

#[tokio::test]
async fn putting_damaged_content_again_heals_it() {
    let mut harness = Folder::fresh().await;
    let tenant = TenantId::default();
    let body = Bytes::from("worth keeping");
    for part in [0, 7] {
        let (digest, _) = harness.store.put(&tenant, &body).await.unwrap();
        harness.damage(&tenant, &digest, part).await;
        assert!(content(&harness.store, &digest).await.is_err());
        harness.store.put(&tenant, &body).await.unwrap();
        assert_eq!(content(&harness.store, &digest).await.unwrap(), body);
    }
    assert_eq!(files_below(harness.folder.path()).len(), 1);
}

#[tokio::test]
async fn what_compresses_takes_less_room_and_what_does_not_takes_hardly_more() {
    let Folder { folder, store } = Folder::fresh().await;
    let tenant = TenantId::default();
    let text = "running 12 tests ... ok\n".repeat(100_000);
    let mut noise = vec![0; 2 << 20];
    getrandom::fill(&mut noise).unwrap();
    let length = |digest| fs::metadata(file_of(folder.path(), &tenant, &digest)).unwrap().len();
    let (digest, size) = store.put(&tenant, &text).await.unwrap();
    assert!(length(digest) * 20 < size);
    let (digest, size) = store.put(&tenant, &noise).await.unwrap();
    assert_eq!(length(digest), size + 2 * 16 + 32);
}

#[tokio::test]
async fn directories_are_closed_to_others() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("deep/artifacts");
    let store = FileArtifacts::open(&root).await.unwrap();
    let (digest, _) = store.put(&TenantId::default(), &Bytes::from("private")).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let file = file_of(&root, &TenantId::default(), &digest);
    assert_eq!(mode(&file), 0o600);
    let between = file.ancestors().skip(1).take_while(|above| *above != folder.path());
    assert!(between.map(mode).all(|mode| mode == 0o700));
    assert_eq!(mode(&root.join("incoming")), 0o700);
}

#[tokio::test]
async fn opening_removes_what_dead_writers_left_and_nothing_else() {
    let Folder { folder, store } = Folder::fresh().await;
    store.put(&TenantId::default(), &Bytes::from("kept")).await.unwrap();
    let incoming = folder.path().join("incoming");
    let (dead, alive) = (incoming.join("dead"), incoming.join("alive"));
    fs::write(&dead, "half of somethi").unwrap();
    let writer = fs::File::create(&alive).unwrap();
    writer.lock().unwrap();
    FileArtifacts::open(folder.path()).await.unwrap();
    assert!(!dead.exists() && alive.exists());
    drop(writer);
    FileArtifacts::open(folder.path()).await.unwrap();
    assert!(!alive.exists());
    assert_eq!(store.scrub().await.unwrap().checked, 1);
}

#[tokio::test]
async fn a_sweep_beside_writers_takes_nothing_from_them() {
    let Folder { folder, store } = Folder::fresh().await;
    let tenant = TenantId::default();
    let sweeps = async {
        for _ in 0..200 {
            FileArtifacts::open(folder.path()).await.unwrap();
        }
    };
    let puts = async {
        for number in 0..40 {
            store.put(&tenant, &format!("artifact {number}")).await.unwrap();
        }
    };
    tokio::join!(sweeps, puts);
    assert_eq!(store.scrub().await.unwrap().checked, 40);
}

#[tokio::test]
async fn a_directory_that_cannot_be_one_is_a_clear_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for root in [file.path().to_owned(), file.path().join("below")] {
        let error = FileArtifacts::open(&root).await.unwrap_err();
        assert!(error.to_string().contains(&*file.path().to_string_lossy()), "{error}");
        assert!(error.advice_str().is_some());
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    }
}

#[tokio::test]
async fn a_body_that_trickles_is_stored_whole() {
    #[derive(Debug)]
    struct Trickle;
    impl matrix_architect_core::traits::Body for Trickle {
        fn open(&self) -> ByteStream {
            let bytes = (0..3_000_u32).map(|number| Ok(Bytes::from(format!("{number},"))));
            ByteStream::new(futures_util::stream::iter(bytes))
        }
    }
    let store = Folder::fresh().await;
    let (digest, _) = store.store.put(&TenantId::default(), &Trickle).await.unwrap();
    let whole = content(&store.store, &digest).await.unwrap();
    assert!(whole.starts_with(b"0,1,2,") && whole.ends_with(b",2999,"));
    let distinct: HashSet<&[u8]> = whole.split(|byte| *byte == b',').collect();
    assert_eq!(distinct.len(), 3_001);
}
