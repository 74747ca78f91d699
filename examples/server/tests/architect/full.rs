//! A full disk: one clear sentence, and the same command goes on once there is room.

use std::process::Command;

use crate::support::{Bench, inside};

/// Fills the data directory's own small disk, runs the command, makes room, runs it again.
const SCRIPT: &str = r#"
set -e
mount -t tmpfs -o size=2m none "$ARCHITECT_HOME"
head -c 1500000 /dev/zero > "$ARCHITECT_HOME/fill"
echo MOUNTED
set +e
"$@"; echo "first: $?"
rm "$ARCHITECT_HOME/fill"
mount -o remount,size=64m "$ARCHITECT_HOME"
"$@"; echo "second: $?"
"#;

#[test]
fn a_full_disk_is_one_sentence_and_the_same_command_goes_on_afterwards() {
    let bench = Bench::new();
    std::fs::create_dir_all(bench.data()).unwrap();
    let (repo, plan) = (bench.path("repo"), bench.plan("plan.json", "hello, world\n"));
    let repo = repo.display().to_string();
    let mut words = vec!["run", "--quiet", "--repo", &repo, "--plan", &plan, "--allow-degraded"];
    words.extend(["--constraint", "require_tests=false", "--verify", "test -s greeting.txt"]);
    let inner = bench.architect(&words);
    // In a mount namespace of its own, so that the machine's mounts stay as they are.
    let mut outer = Command::new("unshare");
    outer.args(["--mount", "sh", "-c", SCRIPT, "sh"]);
    let output = inside(outer, &inner).output().unwrap();
    let said =
        String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned();
    if !said.contains("MOUNTED") {
        assert!(std::env::var_os("ARCHITECT_CI").is_none(), "no small disk: {said}");
        eprintln!("SKIPPED: a small disk could not be mounted: {said}");
        return;
    }
    assert!(said.contains("first: 1"), "{said}");
    assert!(said.contains("there is no room") && said.contains("free space"), "{said}");
    assert!(!said.contains("panicked") && !said.contains("backtrace"), "{said}");
    assert!(said.contains("second: 0"), "{said}");
}
