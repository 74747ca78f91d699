//! What README tells whoever comes first, to the letter.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{Bench, Ended, find, skip};

const CARGO: &str = "cargo run --bin architect --";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The first block of commands in README.
fn first_block() -> String {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let block = readme.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next());
    block.expect("README has a block of commands").to_owned()
}

/// Runs these lines in the clone, with `architect` as README says that it is run.
fn shell(bench: &Bench, clone: &Path, lines: &str) -> Ended {
    let binary = env!("CARGO_BIN_EXE_architect");
    let script = format!("architect() {{ '{binary}' \"$@\"; }}\n{lines}");
    let mut command = Command::new("sh");
    command.args(["-ec", &script]).current_dir(clone);
    // The toolchains of this machine are wanted; nothing else of whoever runs the test.
    command.env("ARCHITECT_HOME", bench.data()).env_remove("ARCHITECT_TOKEN");
    command.output().expect("sh runs").into()
}

#[test]
fn the_first_commands_do_what_is_said_of_them() {
    let bench = Bench::new();
    let clone = bench.path("clone");
    let root = root().display().to_string();
    let cloned =
        Command::new("git").args(["clone", "-q", &root]).arg(&clone).output().expect("git runs");
    if !cloned.status.success() {
        return skip("this is no git repository, so there is nothing to clone");
    }
    let block = first_block();
    assert!(block.contains(CARGO), "{block}");
    let ended = shell(&bench, &clone, &block.replace(CARGO, "architect"));
    if ended.code == 1 && ended.stderr.contains("--allow-degraded") {
        return skip("a layer of isolation is missing, and the first command says so");
    }
    let ended = ended.expect(0);
    assert_eq!(crate::support::git(&clone, &["status", "--porcelain"]), "", "a clone as it was");

    // What is published is what is live.
    let bundle = find(&clone.join("target/try/public"), "bundle.tar").expect("a bundle");
    let published = bundle.parent().unwrap().file_name();
    let current = clone.join("target/try/live/staging/greeter/current").canonicalize().unwrap();
    assert_eq!(current.file_name(), published);
    let binary = current.join("target/debug/greeter");
    let greeted = Command::new(binary).output().expect("the release runs");
    assert!(greeted.status.success(), "{greeted:?}");

    // The last lines print the command that checks it.
    let checks = ended.stdout.lines().find_map(|line| line.strip_prefix("check it     "));
    let checks = checks.expect("the command that checks it");
    assert!(checks.contains("--artifact") && checks.contains("bundle.tar"), "{checks}");
    let checked = shell(&bench, &clone, checks).expect(0);
    assert!(checked.stdout.contains("accepted"), "{checked:#?}");
    let mut bytes = fs::read(&bundle).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    let refused = shell(&bench, &clone, checks).expect(1);
    assert!(refused.one_sentence().contains("refused"), "{refused:#?}");
}
