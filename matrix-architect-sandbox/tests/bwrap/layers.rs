//! What the doctor says of bubblewrap, whole and broken.

use std::{fs, os::unix::fs::PermissionsExt as _};

use matrix_architect_sandbox::bwrap::{BwrapConfig, Check, doctor};

use super::ground::Ground;

/// What it says where this script stands in the program's place.
async fn with_program(script: &str) -> Vec<Check> {
    let directory = tempfile::tempdir().unwrap();
    let mut config = BwrapConfig::in_directory(directory.path().join("sessions"));
    config.program = directory.path().join("bwrap");
    fs::create_dir(&config.directory).unwrap();
    if !script.is_empty() {
        fs::write(&config.program, script).unwrap();
        fs::set_permissions(&config.program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    doctor(&config).await
}

#[tokio::test]
async fn every_layer_is_proven() {
    if Ground::find().is_none() {
        return;
    }
    let checks = with_program("#!/bin/sh\nexec /usr/bin/bwrap \"$@\"\n").await;
    for layer in ["mounts", "processes_view", "network", "ipc", "user", "capabilities", "seccomp"] {
        let check = checks.iter().find(|check| check.layer == layer);
        assert!(check.is_some_and(|check| check.ok), "{layer}: {checks:?}");
    }
}

#[tokio::test]
async fn one_layer_that_is_taken_away_is_named_and_no_other() {
    if Ground::find().is_none() {
        return;
    }
    let whole = with_program("#!/bin/sh\nexec /usr/bin/bwrap \"$@\"\n").await;
    // After the options from the descriptor, this one has the last word.
    let script = "#!/bin/sh\nshift 2\nexec /usr/bin/bwrap --args 3 --share-net \"$@\"\n";
    let checks = with_program(script).await;
    assert_eq!(checks.len(), whole.len(), "{checks:?}");
    for (check, whole) in checks.iter().zip(&whole) {
        if check.layer == "network" {
            assert!(!check.ok && !check.remedy.is_empty(), "{check:?}");
        } else {
            assert_eq!(check, whole);
        }
    }
}

#[tokio::test]
async fn a_program_that_is_missing_or_gives_up_is_told_with_the_remedy() {
    let missing = with_program("").await;
    assert_eq!((missing[0].layer.as_str(), missing[0].ok), ("program", false), "{missing:?}");
    assert!(missing[0].remedy.contains("install the package bubblewrap"), "{missing:?}");
    assert_eq!(missing[1].layer, "sessions");
    let script = "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n";
    let closed = with_program(script).await;
    assert_eq!((closed.len(), closed[0].layer.as_str()), (1, "sessions"), "{closed:?}");
    assert!(closed[0].detail.contains("No permissions to create new namespace"), "{closed:?}");
    assert!(closed[0].remedy.contains("max_user_namespaces"), "{closed:?}");
}
