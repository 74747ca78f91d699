//! What is sealed stays what it was, and goes when nobody wants it any more.

use std::time::Duration;

use matrix_architect_core::traits::Cancel;

use super::*;
use crate::workspace::{TreeLimits, unpack};

const SOME: Timestamp = Timestamp::from_micros(1_000_000_000_000_000);

struct Ground {
    cache: Cache,
    demand: Demand,
    folder: tempfile::TempDir,
}

impl Ground {
    fn new(configure: impl FnOnce(&mut PrepareConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = PrepareConfig::new(folder.path());
        configure(&mut config);
        let tree = super::super::demand::Sources::of(&[
            ("go.mod", "module a\nrequire b v1.0.0\n"),
            ("go.sum", "b v1.0.0 h1:x\n"),
        ]);
        let demand = super::super::demand::demands(&tree, &tree).unwrap().remove(0);
        Self { cache: Cache::open(&config).unwrap(), demand, folder }
    }

    fn seal(&self) -> SealFor<'_> {
        SealFor { demand: &self.demand, toolchain: "1", at: SOME }
    }

    async fn fetched(&self, text: &str) -> DirTree {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        let mut archive = tar::Builder::new(Vec::new());
        let path = format!("{OUT}/deep/file");
        archive.append_data(&mut header, path, text.as_bytes()).unwrap();
        let stream = matrix_architect_core::traits::ByteStream::once(archive.into_inner().unwrap());
        unpack(&self.cache.incoming, stream, &TreeLimits::default()).await.unwrap()
    }

    async fn enter(&self, key: &str) -> Entry<'_> {
        self.cache.enter(key.to_owned(), &Cancel::new()).await.unwrap()
    }

    async fn sealed(&self, key: &str, text: &str) -> Sealed {
        let entry = self.enter(key).await;
        entry.seal(self.fetched(text).await, self.seal()).await.unwrap()
    }

    async fn found(&self, key: &str) -> Option<Sealed> {
        self.enter(key).await.open(SOME).await.unwrap().ok()
    }
}

fn later(days: u64) -> Timestamp {
    let micros = Duration::from_hours(24 * days).as_micros();
    Timestamp::from_micros(SOME.as_micros() + i64::try_from(micros).unwrap())
}

#[tokio::test]
async fn what_was_sealed_is_found_and_cannot_be_written() {
    let ground = Ground::new(|_| {});
    assert!(ground.found("a").await.is_none());
    drop(ground.sealed("a", "text").await);
    let found = ground.found("a").await.unwrap();
    let file = found.content().join("deep/file");
    assert_eq!(fs::read_to_string(&file).unwrap(), "text");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o222, 0);
    assert_eq!(fs::metadata(file.parent().unwrap()).unwrap().permissions().mode() & 0o222, 0);
    assert!(ground.found("b").await.is_none(), "another name is another entry");
}

#[tokio::test]
async fn what_was_changed_is_not_used() {
    let ground = Ground::new(|_| {});
    let sealed = ground.sealed("a", "text").await;
    let file = sealed.content().join("deep/file");
    drop(sealed);
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    fs::write(&file, "evil").unwrap();
    assert!(ground.found("a").await.is_none());
    assert!(!file.exists(), "it is removed");
}

#[tokio::test]
async fn what_nobody_uses_goes_and_what_somebody_uses_stays() {
    let ground = Ground::new(|config| config.max_age = Duration::from_hours(24));
    let used = ground.sealed("used", "text").await;
    drop(ground.sealed("unused", "text").await);
    ground.cache.prune(SOME).unwrap();
    assert!(ground.found("unused").await.is_some(), "it is young");
    ground.cache.prune(later(2)).unwrap();
    assert!(used.content().exists());
    assert!(ground.found("unused").await.is_none());
    drop(used);
    ground.cache.prune(later(2)).unwrap();
    assert_eq!(fs::read_dir(ground.folder.path().join("sealed")).unwrap().count(), 0);
}

#[tokio::test]
async fn the_longest_unused_goes_first_where_there_is_too_much() {
    let mut ground = Ground::new(|_| {});
    ground.cache.max_bytes = ground.sealed("first", "text").await.seal.bytes * 3 / 2;
    drop(ground.sealed("second", "text").await);
    let entry = ground.enter("first").await;
    drop(entry.open(later(1)).await.unwrap().unwrap());
    ground.cache.prune(later(1)).unwrap();
    assert!(ground.found("first").await.is_some() && ground.found("second").await.is_none());
}

#[tokio::test]
async fn whoever_wants_what_is_being_fetched_waits_for_it() {
    let ground = Ground::new(|_| {});
    let entry = ground.enter("a").await;
    let cancel = Cancel::new();
    let waiting = ground.cache.enter("a".to_owned(), &cancel);
    assert!(tokio::time::timeout(Duration::from_millis(300), waiting).await.is_err());
    let sealed = entry.seal(ground.fetched("text").await, ground.seal()).await.unwrap();
    // Those who use it do so side by side.
    let other = ground.found("a").await.unwrap();
    assert_eq!(other.content(), sealed.content());
    cancel.cancel();
    let entry = ground.enter("b").await;
    assert!(ground.cache.enter("b".to_owned(), &cancel).await.is_err(), "a wish to stop is heard");
    drop(entry);
}

#[tokio::test]
async fn what_has_no_hashes_goes_with_its_job() {
    let ground = Ground::new(|_| {});
    let kept = ground.cache.keep(ground.fetched("text").await, ground.seal()).await.unwrap();
    let content = kept.content().to_owned();
    assert_eq!(fs::read_to_string(content.join("deep/file")).unwrap(), "text");
    drop(kept);
    assert!(!content.exists());
}

#[tokio::test]
async fn what_others_use_is_neither_removed_nor_exchanged() {
    let ground = Ground::new(|_| {});
    let used = ground.sealed("a", "text").await;
    let file = used.content().join("deep/file");
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    fs::write(&file, "evil").unwrap();
    let entry = ground.enter("a").await.open(SOME).await.unwrap().unwrap_err();
    assert!(file.exists(), "somebody uses it");
    let own = entry.seal(ground.fetched("fresh").await, ground.seal()).await.unwrap();
    assert_eq!(fs::read_to_string(own.content().join("deep/file")).unwrap(), "fresh");
    assert_eq!(fs::read_to_string(&file).unwrap(), "evil", "it is not exchanged, either");
    drop((own, used));
    assert!(ground.found("a").await.is_none());
    assert!(!file.exists(), "nobody uses it any more");
}

#[tokio::test]
async fn what_was_used_since_it_was_looked_at_is_not_pruned() {
    let ground = Ground::new(|_| {});
    drop(ground.sealed("a", "text").await);
    let looked = last_used(&ground.folder.path().join("locks/a"));
    drop(ground.enter("a").await.open(later(1)).await.unwrap().unwrap());
    assert!(!ground.cache.remove("a", looked).unwrap());
    assert!(ground.found("a").await.is_some());
}

#[tokio::test]
async fn what_was_removed_while_its_lock_became_a_share_is_fetched_again() {
    let ground = Ground::new(|_| {});
    let seal = ground.sealed("a", "text").await.seal.clone();
    let entry = ground.enter("a").await;
    remove(&entry.path()).unwrap();
    let entry = entry.share(seal, SOME).unwrap().unwrap_err();
    drop(entry.seal(ground.fetched("again").await, ground.seal()).await.unwrap());
    let found = ground.found("a").await.unwrap();
    assert_eq!(fs::read_to_string(found.content().join("deep/file")).unwrap(), "again");
}
