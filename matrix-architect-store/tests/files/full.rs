//! A full disk is one clear error, and leaves nothing.

use std::process::Command;

use bytes::Bytes;
use matrix_architect_core::{error::ErrorKind, id::TenantId, traits::ArtifactStore as _};
use matrix_architect_store::files::FileArtifacts;

const CHILD: &str = "files::full::the_test_on_a_small_disk";

/// Not a test of its own: it runs where `ARTIFACTS_SMALL_DISK` is a file system of 4 MiB.
#[test]
#[ignore = "started by a_full_disk_is_a_clear_error_and_leaves_nothing"]
fn the_test_on_a_small_disk() {
    #[expect(clippy::disallowed_methods, reason = "the parent test says where")]
    let Ok(root) = std::env::var("ARTIFACTS_SMALL_DISK") else { return };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = FileArtifacts::open(&root).await.unwrap();
        let tenant = TenantId::default();
        let small = Bytes::from("fits");
        store.put(&tenant, &small).await.unwrap();
        let mut noise = vec![0; 16 << 20];
        getrandom::fill(&mut noise).unwrap();
        for _ in 0..3 {
            let error = store.put(&tenant, &noise).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
            assert!(error.to_string().contains("free space"), "{error}");
            assert_eq!(std::fs::read_dir(format!("{root}/incoming")).unwrap().count(), 0);
        }
        let report = store.scrub().await.unwrap();
        assert_eq!((report.checked, report.corrupt), (1, vec![]));
        store.put(&tenant, &Bytes::from("fits again")).await.unwrap();
    });
    println!("seen on a small disk");
}

#[test]
fn a_full_disk_is_a_clear_error_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // In a mount namespace of its own, so that the machine's mounts stay as they are.
    let script =
        "mount -t tmpfs -o size=4m none \"$1\" && exec \"$0\" --exact \"$2\" --ignored --nocapture";
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .arg(folder.path())
        .arg(CHILD)
        .env("ARTIFACTS_SMALL_DISK", folder.path())
        .output();
    let said = match &output {
        Ok(output) => {
            String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
        }
        Err(error) => error.to_string(),
    };
    if said.contains("running 1 test") {
        assert!(said.contains("seen on a small disk") && said.contains("1 passed"), "{said}");
        return;
    }
    let in_ci = std::env::var_os("ARCHITECT_CI").is_some();
    assert!(!in_ci, "a small disk could not be mounted: {said}");
    eprintln!("SKIPPED: a small disk could not be mounted: {said}");
}
