//! Sessions that stood by before anybody asked for them.

use std::time::{Duration, Instant};

use matrix_architect_core::{
    conformance::files::Files,
    error::ErrorKind,
    id::SessionId,
    traits::{Cancel, Command, ExitVerdict, Sandbox as _, SessionSpec},
};
use matrix_architect_sandbox::{
    native::{NativeConfig, NativeSandbox},
    workspace::DirTree,
};

use super::ground::{children, only_child};
use crate::own::runtime;

/// With the limits that a session stands by with until it is known what is asked for.
fn spec() -> SessionSpec {
    SessionSpec::new(SessionId::from_number(1))
}

/// A sandbox one of whose sessions stands by, that session's first process, and nothing else of it runs.
async fn standing() -> (NativeSandbox, u32) {
    let sandbox = NativeSandbox::new(NativeConfig::default().warm_sessions(1)).unwrap();
    let session = sandbox.open(&Files::default(), &spec()).await.unwrap();
    // Until it is closed none is put in its place, and the one in which the layers were proven ends.
    let first = only_child(sandbox.helper_id()).await;
    session.close().await.unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    // It is there when it has made the place for a command.
    loop {
        match children(sandbox.helper_id())[..] {
            [other] if other != first && !children(other).is_empty() => return (sandbox, other),
            ref others => assert!(Instant::now() < until, "{others:?}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn one_that_stood_by_has_the_limits_that_are_asked_for() {
    runtime().block_on(async {
        let (sandbox, stood_by) = standing().await;
        let mut spec = spec();
        spec.limits.disk = 3 << 20;
        let session = sandbox.open(&Files::default(), &spec).await.unwrap();
        assert!(children(sandbox.helper_id()).contains(&stood_by));
        for (line, verdict) in [
            ("head -c 2M /dev/zero > a && cat a a > /dev/null", ExitVerdict::Exited(0)),
            ("head -c 4M /dev/zero > b", ExitVerdict::DiskExceeded),
        ] {
            let (command, mut output, cancel) = (Command::shell(line), Vec::new(), Cancel::new());
            let exit = session.run(&command, &mut output, &cancel).await.unwrap();
            assert_eq!(exit.verdict, verdict, "{line}");
        }
        session.close().await.unwrap();
    });
}

#[test]
fn a_tree_has_no_more_room_in_one_that_stood_by_than_was_asked_for() {
    runtime().block_on(async {
        let ((sandbox, _), folder) = (standing().await, tempfile::tempdir().unwrap());
        std::fs::write(folder.path().join("large"), vec![1; 4 << 20]).unwrap();
        let tree = DirTree::open(folder.path()).unwrap();
        let mut spec = spec();
        spec.limits.disk = 3 << 20;
        let error = sandbox.open(&tree, &spec).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains("unpacking the tree"), "{error}");
    });
}

#[test]
fn one_that_was_killed_meanwhile_is_not_handed_out() {
    runtime().block_on(async {
        let (sandbox, stood_by) = standing().await;
        let helper = sandbox.helper_id();
        let pid = rustix::process::Pid::from_raw(stood_by.cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        let until = Instant::now() + Duration::from_secs(10);
        while children(helper).contains(&stood_by) {
            assert!(Instant::now() < until, "it outlives a kill");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let session = sandbox.open(&Files::default(), &spec()).await.unwrap();
        let (command, mut output, cancel) = (Command::shell("true"), Vec::new(), Cancel::new());
        let exit = session.run(&command, &mut output, &cancel).await.unwrap();
        assert!(exit.verdict.is_success());
        session.close().await.unwrap();
    });
}
