//! A file that may not be written.

use std::process::Command;

use matrix_architect_core::{error::ErrorKind, traits::Store as _};

use crate::{new_job, open, told};

const CHILD: &str = "sqlite::readonly::a_process_that_may_not_write";

/// Not a test of its own: it runs where the database's folder is mounted read-only.
#[test]
#[ignore = "started by a_file_that_may_not_be_written_is_a_clear_error"]
fn a_process_that_may_not_write() {
    let Some((path, _)) = told() else { return };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let error = open(&path).await.unwrap_err();
        assert_eq!((error.kind(), error.code_str()), (ErrorKind::Denied, "read_only"), "{error:?}");
        assert!(error.to_string().contains("write permission"), "{error}");
    });
    println!("seen on a read-only file system");
}

#[tokio::test]
async fn a_file_that_may_not_be_written_is_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("architect.db");
    open(&path).await.unwrap().create(vec![new_job(1)]).await.unwrap();
    // In a mount namespace of its own, so that the machine's mounts stay as they are.
    let script = "mount --bind \"$1\" \"$1\" && mount -o remount,ro,bind \"$1\" && \
                  exec \"$0\" --exact \"$2\" --ignored --nocapture";
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .arg(folder.path())
        .arg(CHILD)
        .env("STORE_DATABASE", &path)
        .env("STORE_ARGUMENT", "")
        .output();
    let said = match &output {
        Ok(output) => {
            String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
        }
        Err(error) => error.to_string(),
    };
    if said.contains("running 1 test") {
        assert!(said.contains("seen on a read-only") && said.contains("1 passed"), "{said}");
        return;
    }
    let in_ci = std::env::var_os("ARCHITECT_CI").is_some();
    assert!(!in_ci, "no read-only file system to be had: {said}");
    eprintln!("SKIPPED: no read-only file system to be had: {said}");
}
