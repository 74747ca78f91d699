//! The same tests without root.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use crate::alone::{skip, succeeded};

#[test]
fn the_suite_holds_without_root() {
    // Without root already, every other test of this binary is such a run; so is the child below.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    // The build directory may be closed to others.
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = directory.path().join("native");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .args(["suite", "verdicts", "setup", "services", "--test-threads=2"])
        .current_dir("/")
        .output();
    match output {
        Err(cause) => skip(&format!("setpriv of util-linux cannot be run: {cause}")),
        Ok(output) => {
            let told = succeeded(&output);
            assert!(told.contains("suite::the_host_is_not_reachable ... ok"), "{told}");
        }
    }
}
