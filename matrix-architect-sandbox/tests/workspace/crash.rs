//! Killed at any moment: the base is whole, what has its final name is whole, the rest goes.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use matrix_architect_core::{
    plan::{FileOp, FileOpKind, Plan, Precondition},
    traits::Workspace as _,
};
use matrix_architect_sandbox::workspace::{DirTree, GitWorkspace, WorkspaceConfig};

use crate::{
    change::{op, plan},
    repo::{contents, trees_in},
};

const PLACE: &str = "ARCHITECT_TEST_CRASH_PLACE";

fn lay_out(place: &Path) {
    for number in 0..60 {
        let folder = place.join("base").join(format!("d{}", number % 10));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("f{number}")), format!("{number}\n").repeat(50)).unwrap();
    }
}

fn change() -> Plan {
    let create = |number: usize| FileOp {
        expect: Some(Precondition::Absent),
        ..op(FileOpKind::Create, &format!("new/f{number}"), Some("new\n"))
    };
    plan((0..3).map(create).collect())
}

/// Applies the same change again and again until it is killed.
#[tokio::test]
#[ignore = "the other test runs it in a process of its own"]
#[expect(clippy::disallowed_methods, reason = "the parent names the place to the child")]
async fn victim() {
    let Ok(place) = std::env::var(PLACE) else { return };
    let place = Path::new(&place);
    let workspace = GitWorkspace::open(WorkspaceConfig::new(place.join("work"))).unwrap();
    let base = DirTree::open(place.join("base")).unwrap();
    println!("\nready");
    let mut kept = Vec::new();
    loop {
        kept.push(workspace.apply(&base, &change()).await.unwrap());
        if kept.len() > 3 {
            kept.clear();
        }
    }
}

#[tokio::test]
async fn a_kill_leaves_no_half_tree_and_what_is_left_goes_at_the_next_start() {
    let place = tempfile::tempdir().unwrap();
    lay_out(place.path());
    let work = place.path().join("work");
    let base = DirTree::open(place.path().join("base")).unwrap();
    let before = contents(&base).await;
    let workspace = GitWorkspace::open(WorkspaceConfig::new(place.path().join("own"))).unwrap();
    let expected = workspace.apply(&base, &change()).await.unwrap();
    let expected = contents(&*expected.tree).await;
    let (mut whole, mut half) = (0, 0);
    for round in 0..25_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::victim", "--ignored", "--nocapture", "--test-threads=1"])
            .env(PLACE, place.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("ready")));
        tokio::time::sleep(Duration::from_micros(1_500 + round * 7_300)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(contents(&base).await, before);
        for tree in trees_in(&work) {
            if tree.file_name().unwrap().to_string_lossy().ends_with("-tree") {
                // A tree that was being removed when the kill came is none any more; it lost its
                // name first.
                assert_eq!(contents(&DirTree::open(&tree).unwrap()).await, expected);
                whole += 1;
            } else {
                half += 1;
            }
        }
    }
    // Each next start removed what the last kill left, so only one space is there now.
    let spaces = fs::read_dir(&work).unwrap().filter(|e| e.as_ref().unwrap().path().is_dir());
    assert_eq!(spaces.count(), 1);
    drop(GitWorkspace::open(WorkspaceConfig::new(&work)).unwrap());
    assert!(trees_in(&work).is_empty());
    eprintln!("found after the kills: {whole} whole trees, {half} unfinished ones");
    assert!(whole > 0 && half > 0);
}
