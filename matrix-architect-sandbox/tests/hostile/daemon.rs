//! What goes on after the command has ended.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use matrix_architect_core::traits::{Command, ExitVerdict};

use crate::{
    beside,
    ground::{Ground, ran, roomy},
    probe::Told,
};

/// Longer than a few beats.
const A_WHILE: Duration = Duration::from_millis(300);

/// Runs a line and has the next command look whether anything beats.
pub(crate) async fn inside(ground: &Ground, line: &str) -> Told {
    let session = ground.open(roomy().wall(Duration::from_secs(20))).await;
    let (exit, output) = ran(&*session, &Command::shell(line)).await;
    if !matches!(exit.verdict, ExitVerdict::Exited(0) | ExitVerdict::Signalled(9)) {
        return Told::broken(format!("{:?}: {output}", exit.verdict));
    }
    let look = Command::shell("rm beat; sleep 0.3; test ! -e beat");
    let (exit, output) = ran(&*session, &look).await;
    session.close().await.unwrap();
    match exit.verdict {
        ExitVerdict::Exited(0) => Told::stopped("nothing beats"),
        ExitVerdict::Exited(1) => Told::open("it still beats"),
        other => Told::broken(format!("{other:?}: {output}")),
    }
}

/// The same where nobody ends what the shell leaves.
pub(crate) fn outside(line: &str) -> Told {
    let folder = tempfile::tempdir().unwrap();
    let mut shell = beside::shell(line, folder.path(), Path::new("/")).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while shell.try_wait().unwrap().is_none() {
        assert!(Instant::now() < until, "the shell does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
    let beat = folder.path().join("beat");
    std::fs::remove_file(&beat).unwrap();
    std::thread::sleep(A_WHILE);
    let lives = beat.exists();
    beside::end(folder.path());
    if lives { Told::open("it still beats") } else { Told::stopped("nothing beats") }
}
